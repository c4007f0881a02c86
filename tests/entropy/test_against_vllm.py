"""The entropies that a real vLLM engine's own full-vocabulary log-probabilities give, and ours of the same responses.

Both sides compute in float32, in different kernels, so log-probabilities differ by about 1e-5 and an entropy by no
more: at most 2e-5 was found, in the means 1.3e-7. Asked for is 5e-5 outside a router's near-tie, and 1e-6 for the mean.
"""

from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from ringexp import seeds
from ringexp.config.schema import RolloutConfig
from ringexp.entropy.measure import measure
from ringexp.entropy.probe import ProbeSet, measure_checkpoint
from ringexp.errors import EngineMismatchError
from ringexp.evaluation.run import Evaluator, requests
from ringexp.models.bailing_moe import BailingMoeConfig, BailingMoeForCausalLM
from ringexp.models.logprob import TokenValues, score_documents
from ringexp.models.packing import Document, trace_document
from ringexp.models.tokenizer import ChatTokenizer, train_tokenizer
from ringexp.records import Prompt, Sampling
from ringexp.rewards.math import MathVerifier
from ringexp.rewards.registry import VerifierRegistry
from ringexp.rollout.vllm import VLLMEngine
from ringexp.training.checkpoint import save_model

pytest.importorskip("vllm")
END, MAX_LEN = 1, 96
PER_TOKEN, MEAN, NEAR_TIE = 5e-5, 1e-6, 1e-5


def tiny_model(tokenizer: ChatTokenizer, seed: int) -> BailingMoeForCausalLM:
    torch.manual_seed(seed)
    config = BailingMoeConfig(
        vocab_size=len(tokenizer), hidden_size=64, num_hidden_layers=2, num_attention_heads=2, num_key_value_heads=1,
        head_dim=32, num_experts=8, num_experts_per_tok=2, num_shared_experts=1, moe_intermediate_size=32,
        max_position_embeddings=128, initializer_range=0.15, eos_token_id=END,
    )  # fmt: skip
    model = BailingMoeForCausalLM(config).eval()
    with torch.no_grad():
        model.lm_head.weight.mul_(4)  # some distributions sharp, some flat
    return model


@pytest.fixture(scope="module")
def tokenizer() -> ChatTokenizer:
    return train_tokenizer(["12+34=46", "so the answer is \\boxed{46}."] * 20, 300)


@pytest.fixture(scope="module")
def model(tokenizer: ChatTokenizer) -> BailingMoeForCausalLM:
    return tiny_model(tokenizer, 0)


@pytest.fixture(scope="module")
def engine(
    model: BailingMoeForCausalLM, tokenizer: ChatTokenizer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[VLLMEngine]:
    folder: Path = tmp_path_factory.mktemp("engine")
    save_model(folder, model, tokenizer)
    engine = FullVocabulary(folder, tokenizer.decode_many, END, max_model_len=MAX_LEN, threads=2)
    yield engine
    engine.close()


class FullVocabulary(VLLMEngine):
    """Our engine, which may also be asked for every token's log-probability."""

    def _start(self, threads: int, **arguments: Any) -> Any:
        return super()._start(threads, max_logprobs=-1, **arguments)

    def answers(self, prompts: list[list[int]], **sampling: Any) -> list[Any]:
        from vllm import SamplingParams

        params = [SamplingParams(detokenize=False, stop_token_ids=[END], ignore_eos=True, seed=i, **sampling)
                  for i in range(len(prompts))]  # fmt: skip
        outputs: dict[int, Any] = {}
        self._run([{"prompt_token_ids": p} for p in prompts], params, outputs.update)
        return [outputs[i] for i in range(len(prompts))]


def entropies(entries: list[dict[int, Any]], vocabulary: int) -> Tensor:
    """By position, from vLLM's log-probability of every token of the vocabulary; sums in float64."""
    assert all(len(entry) == vocabulary for entry in entries)
    log_p = torch.tensor([[entry[token].logprob for token in range(vocabulary)] for entry in entries]).double()
    assert torch.allclose(log_p.exp().sum(1), torch.ones(len(log_p), dtype=torch.float64), atol=1e-5)
    return -(log_p.exp() * log_p).sum(1)


def pools(seed: int = 0, count: int = 12) -> list[Prompt]:
    draw = torch.Generator().manual_seed(seed)

    def ids(most: int) -> tuple[int, ...]:
        length = int(torch.randint(3, most, (), generator=draw))
        return tuple(torch.randint(4, 260, (length,), generator=draw).tolist())

    return [Prompt(f"{seed}-{i}", ("math", "science")[i % 2], "", "7", token_ids=ids(30), trace_ids=(*ids(40), END))
            for i in range(count)]  # fmt: skip


def assert_equal(values: list[TokenValues], theirs: list[Tensor]) -> None:
    ours, margin = (torch.cat([getattr(v, name) for v in values]) for name in ("entropy", "margin"))
    difference = (ours.double() - torch.cat(theirs)).abs()
    assert len(ours) > 300 and float(ours.std()) > 0.3
    assert float((margin < NEAR_TIE).double().mean()) < 0.05
    assert float(difference[margin >= NEAR_TIE].max()) < PER_TOKEN
    assert float(ours.double().mean()) == pytest.approx(float(torch.cat(theirs).mean()), abs=MEAN)


@pytest.mark.parametrize("temperature", [0.7, 1.0, 1.4])
def test_rollout_entropy_is_that_of_the_distributions_vllm_drew_from(
    engine: FullVocabulary, model: BailingMoeForCausalLM, temperature: float
) -> None:
    prompts = [list(p.token_ids) for p in pools(count=60)]
    outputs = engine.answers(prompts, temperature=temperature, max_tokens=40, logprobs=-1)
    documents = [Document(tuple(p), tuple(o.outputs[0].token_ids)) for p, o in zip(prompts, outputs, strict=True)]
    assert any(d.response_ids[-1] == END for d in documents)  # whose distribution is compared as well
    theirs = [entropies(o.outputs[0].logprobs, model.config.vocab_size) for o in outputs]
    assert_equal(score_documents(model, documents, temperature), theirs)


def test_teacher_forced_entropy_is_that_of_vllms_distributions(
    engine: FullVocabulary, model: BailingMoeForCausalLM
) -> None:
    traced = pools(seed=1, count=24)
    outputs = engine.answers([[*p.token_ids, *p.trace_ids] for p in traced], max_tokens=1, prompt_logprobs=-1)
    theirs = [entropies(o.prompt_logprobs[len(p.token_ids) :], model.config.vocab_size)
              for p, o in zip(traced, outputs, strict=True)]  # fmt: skip
    assert_equal(score_documents(model, [trace_document(p) for p in traced]), theirs)


@pytest.fixture
def evaluator(engine: VLLMEngine) -> Iterator[Evaluator]:
    verifier = VerifierRegistry({"math": MathVerifier(), "science": MathVerifier(units=True)})
    yield Evaluator(engine, verifier)
    verifier.close()


PROBE = ProbeSet(pools(2), pools(3), samples=2, validation_samples=3, sampling=Sampling(0.7, 30), seed=5)


def test_a_checkpoints_quantities_are_those_of_its_parts(
    engine: FullVocabulary, evaluator: Evaluator, model: BailingMoeForCausalLM, tokenizer: ChatTokenizer
) -> None:
    """Drawn and measured together, as each part is by itself: own samples at 0.7, traces at 1, verdicts apart.

    The engine has held other weights meanwhile; samples are drawn anew at each step.
    """
    found = measure_checkpoint(model, 3, PROBE, evaluator, RolloutConfig())
    measure_checkpoint(tiny_model(tokenizer, 1), 4, PROBE, evaluator, RolloutConfig())
    assert measure_checkpoint(model, 3, PROBE, evaluator, RolloutConfig()) == found
    evaluator.sync(model, 3)
    forced = measure(model, [trace_document(p) for p in PROBE.validation])
    assert (found["val/loss"], found["entropy/teacher_forced"]) == (forced.cross_entropy, forced.entropy)
    later = measure_checkpoint(model, 9, PROBE, evaluator, RolloutConfig())
    assert found["entropy/rollout"] != later["entropy/rollout"]
    evaluated = evaluator.evaluate(PROBE.validation, 3, PROBE.sampling, seed_of("probe-validation"), k=(1,))
    assert {name: found[name] for name in evaluated.metrics} == evaluated.metrics
    own = evaluator.engine.generate(requests(PROBE.prompts, 2, seed_of("probe-rollouts")), PROBE.sampling)
    for name, domains in {"": ("math", "science"), "/math": ("math",), "/science": ("science",)}.items():
        documents = [Document(r.request.prompt.token_ids, r.token_ids) for r in own
                     if r.request.prompt.domain in domains]  # fmt: skip
        assert found[f"entropy/rollout{name}"] == pytest.approx(measure(model, documents, temperature=0.7).entropy)
        assert 0 < found[f"entropy/rollout_error{name}"] < 0.5 * found[f"entropy/rollout{name}"]


def seed_of(part: str) -> int:
    return seeds.derive(PROBE.seed, part, 3)


class NeverSynced(Evaluator):
    """Whose engine keeps the weights it has."""

    def sync(self, model: BailingMoeForCausalLM, version: int) -> None:
        return


def test_samples_of_other_weights_are_refused(evaluator: Evaluator, model: BailingMoeForCausalLM) -> None:
    """An engine that kept the weights of an earlier checkpoint would decide the selection by its samples."""
    evaluator.sync(model, 3)
    changed = tiny_model_like(model)
    stale = NeverSynced(evaluator.engine, evaluator.verifier)
    with pytest.raises(EngineMismatchError, match="policy version 4"):
        measure_checkpoint(changed, 4, PROBE, stale, RolloutConfig())


def tiny_model_like(model: BailingMoeForCausalLM) -> BailingMoeForCausalLM:
    """A copy one of whose matrices is a thousandth larger: what one small step leaves behind."""
    changed = deepcopy(model)
    with torch.no_grad():
        changed.lm_head.weight.mul_(1.001)
    return changed
