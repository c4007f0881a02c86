"""Our objective against TRL's own loss code on the same tensors: values and gradients of every algorithm both have."""

import random
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from ringexp.rl.objective import ResponseTokens, UpdateSize
from ringexp.rl.parts import build_parts

pytest.importorskip("trl")

import tiny_policy
from datasets import Dataset
from trl import GRPOConfig, GRPOTrainer

LENGTHS = [5, 1, 9, 12, 3, 7, 2, 12]
LONGEST = 12

TRL_SETTINGS: dict[str, dict[str, Any]] = {
    "grpo": {"loss_type": "grpo", "epsilon": 0.2},
    "dapo": {"loss_type": "dapo", "epsilon": 0.2, "epsilon_high": 0.28},
    "dr_grpo": {"loss_type": "dr_grpo", "epsilon": 0.2},
    "gspo": {"loss_type": "grpo", "importance_sampling_level": "sequence", "epsilon": 3e-4, "epsilon_high": 4e-4},
}  # fmt: skip


class GivenLogprobs(GRPOTrainer):
    """TRL's trainer with its loss as it is; the model's log-probabilities are given instead of computed."""

    given: tuple[Tensor, Tensor]

    def _get_per_token_logps_and_entropies(self, *args: Any, **kwargs: Any) -> tuple[Tensor, Tensor, None]:
        return *self.given, None


def trl_trainer(folder: Path, beta: float = 0.0, **settings: Any) -> GivenLogprobs:
    tokens = tiny_policy.tokenizer()
    tokens.save(folder)
    from transformers import AutoTokenizer

    fast = AutoTokenizer.from_pretrained(folder)
    fast.pad_token = fast.eos_token
    config = GRPOConfig(
        output_dir=str(folder), use_cpu=True, bf16=False, per_device_train_batch_size=len(LENGTHS), num_generations=4,
        max_completion_length=LONGEST, gradient_accumulation_steps=1, report_to="none", beta=0.0,
        use_bias_correction_kl=False, **settings,
    )  # fmt: skip
    trainer = GivenLogprobs(
        tiny_policy.model(tokens), lambda **kwargs: [0.0] * len(LENGTHS), config, processing_class=fast,
        train_dataset=Dataset.from_list([{"prompt": "1"}] * 8),
    )  # fmt: skip
    trainer.beta = beta  # set here, as with it TRL would load a reference model, whose log-probabilities are given
    trainer.current_gradient_accumulation_steps = 1
    trainer.model.train()
    return trainer


def padded(seed: int, spread: float, base: Tensor | None = None) -> Tensor:
    """Log-probabilities [responses, LONGEST] in double precision, near `base` where one is given."""
    noise = torch.randn(len(LENGTHS), LONGEST, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return -2 + noise if base is None else base + spread * noise


def trl_loss(trainer: GivenLogprobs, logprob: Tensor, old: Tensor, reference: Tensor, advantages: Tensor) -> Tensor:
    mask = (torch.arange(LONGEST) < torch.tensor(LENGTHS)[:, None]).long()
    ids = torch.ones(len(LENGTHS), LONGEST, dtype=torch.long)
    trainer.given = (logprob, torch.zeros_like(logprob))
    return trainer.compute_loss(trainer.model, {
        "prompt_ids": ids[:, :1], "prompt_mask": ids[:, :1], "completion_ids": ids, "completion_mask": mask,
        "advantages": advantages, "old_per_token_logps": old, "ref_per_token_logps": reference,
        "num_items_in_batch": mask.sum(),
    })  # fmt: skip


def our_loss(name: str, logprob: Tensor, old: Tensor, reference: Tensor, advantages: Tensor) -> Tensor:
    parts = build_parts(tiny_policy.configuration(f"algorithm={name}", "algorithm.objective.entropy_coef=0").algorithm)
    document = torch.tensor([i for i, n in enumerate(LENGTHS) for _ in range(n)])

    def flat(values: Tensor) -> Tensor:
        return torch.cat([row[:n] for row, n in zip(values, LENGTHS)])

    size = UpdateSize(tuple(LENGTHS), sum(LENGTHS), len(LENGTHS), 1, None, LONGEST)
    weight = torch.tensor(parts.objective.weights(size), dtype=torch.float64)[document]
    objective = parts.objective
    return objective(ResponseTokens(
        flat(logprob), torch.zeros(len(document), dtype=torch.float64), flat(old), flat(old),
        flat(reference) if objective.kl_coef else None, advantages[document], weight, document,
    )).loss  # fmt: skip


@pytest.mark.parametrize("name", list(TRL_SETTINGS))
def test_loss_and_gradient_are_trls(tmp_path: Path, name: str) -> None:
    trainer = trl_trainer(tmp_path, beta=1e-3 if name == "grpo" else 0.0, **TRL_SETTINGS[name])
    for seed in range(3):
        logprob = padded(seed, 0).requires_grad_()
        old, reference = padded(seed + 10, 0.4, logprob.detach()), padded(seed + 20, 0.2, logprob.detach())
        draw = random.Random(seed)
        advantages = torch.tensor([draw.gauss(0, 1) for _ in LENGTHS], dtype=torch.float64)
        theirs = trl_loss(trainer, logprob, old, reference, advantages)
        (their_gradient,) = torch.autograd.grad(theirs, logprob)
        ours = our_loss(name, logprob, old, reference, advantages)
        (our_gradient,) = torch.autograd.grad(ours, logprob)
        assert float(ours.detach()) == pytest.approx(float(theirs.detach()), rel=1e-9, abs=1e-12)
        torch.testing.assert_close(our_gradient, their_gradient, rtol=1e-9, atol=1e-12)
        assert int((our_gradient != 0).sum()) < sum(LENGTHS) or trainer.beta > 0  # some tokens are clipped


@pytest.mark.parametrize("other", [name for name in TRL_SETTINGS if name != "grpo"])
def test_the_algorithms_are_told_apart(tmp_path: Path, other: str) -> None:
    logprob = padded(0, 0)
    old, advantages = padded(10, 0.4, logprob), torch.linspace(-1, 1, len(LENGTHS), dtype=torch.float64)
    theirs = trl_loss(trl_trainer(tmp_path, **TRL_SETTINGS["grpo"]), logprob, old, old, advantages)
    assert abs(float(theirs - our_loss(other, logprob, old, old, advantages))) > 1e-4
