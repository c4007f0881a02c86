"""TRL as the other side of a step benchmark: a process of its own that trains one step whenever it is told to.

In a process of its own, because Lightning's deterministic mode, vLLM's binding of threads and TRL's seeding of the
global generators reach a whole process. It sleeps in a read from a pipe while our side computes, and the other way
round.
"""

import multiprocessing
import os
import statistics
import sys
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, Trainer
from lightning.pytorch.loggers.logger import Logger
from torch import Tensor
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedModel, Qwen2MoeConfig, TrainerCallback
from transformers.modeling_outputs import BaseModelOutput

from ringexp.models.bailing_moe import BailingMoeConfig, BailingMoeForCausalLM
from ringexp.models.registry import register
from ringexp.rewards.sandbox.seccomp import end_with_parent
from ringexp.training.module import StepModule

Record = dict[str, float]
"""What one step took and did: seconds, tokens, and the seconds of its parts."""
EQUAL = ("vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads", "num_experts",
         "num_experts_per_tok", "moe_intermediate_size", "norm_topk_prob", "rms_norm_eps", "max_position_embeddings",
         "initializer_range", "eos_token_id")  # fmt: skip
"""Fields of the configuration that Qwen2-MoE takes over as they are."""


class PaddedBailing(BailingMoeForCausalLM):
    """Our model as TRL's fused LM head asks for it: a backbone that maps [B, L] tokens to hidden states [B, L, H].

    Padding never enters the layers, as in our own `forward`; without an attention mask a row holds documents packed by
    TRL, told apart by their restarting positions, which never see each other.
    """

    @property
    def base_model(self) -> Callable[..., BaseModelOutput]:
        return self._backbone

    def _backbone(self, input_ids: Tensor, attention_mask: Tensor | None = None, position_ids: Tensor | None = None,
                  **_: Any) -> BaseModelOutput:
        if attention_mask is None:
            assert position_ids is not None
            positions = position_ids.flatten()
            starts = (positions == 0).nonzero()[:, 0]
            lengths = starts.diff(append=starts.new_tensor([len(positions)]))
            hidden = self.packed(input_ids.flatten(), positions, lengths).hidden
            return BaseModelOutput(last_hidden_state=hidden.view(*input_ids.shape, -1))
        mask = attention_mask.bool()
        positions = mask.long().cumsum(-1) - 1
        real = self.packed(input_ids[mask], positions[mask], mask.sum(-1)).hidden
        rows = mask.flatten().nonzero()[:, 0]
        hidden = real.new_zeros(mask.numel(), real.shape[-1]).index_copy(0, rows, real)
        return BaseModelOutput(last_hidden_state=hidden.view(*mask.shape, -1))


@torch.no_grad()
def end_after(model: PreTrainedModel, tokens: float) -> None:
    """Have the responses of random weights end after about `tokens` tokens, at a nearly constant chance each.

    Lengths are then as uneven as geometric ones. One component of the residual stream becomes a constant that no layer
    writes to and no router sees, so that the tokens' experts stay random; the LM head's row of the end is made of it.
    """
    model.get_input_embeddings().weight[:, 0] = 1.0
    for name, weight in model.named_parameters():
        if name.endswith("mlp.gate.weight"):
            weight[:, 0] = 0.0
        if name.endswith(("dense.weight", "o_proj.weight", "down_proj", "down_proj.weight")):
            weight[..., 0, :] = 0.0
    head, end = model.get_output_embeddings().weight, model.config.eos_token_id
    head[end] = torch.eye(head.shape[1])[0]
    drawn = torch.randint(len(head), (16, 64), generator=torch.Generator().manual_seed(0))
    logits = model(input_ids=drawn).logits.double()
    constant = logits[..., end].clone()
    logits[..., end] = -torch.inf
    rest = logits.logsumexp(-1)
    low, high = -100.0, 100.0
    for _ in range(60):
        middle = (low + high) / 2
        often = (middle * constant - rest).sigmoid().mean() > 1 / tokens
        low, high = (low, middle) if often else (middle, high)
    head[end] *= low


def peer_model(kind: str, folder: Path, mean_length: float | None = None) -> PreTrainedModel:
    """What TRL trains: our saved model of the same weights (`bailing`), or a random Qwen2-MoE of equal sizes.

    `mean_length` has the latter's responses end after as many tokens on average.
    """
    register()
    AutoModelForCausalLM.register(BailingMoeConfig, PaddedBailing, exist_ok=True)
    # where TRL looks for the class of its reference; the module object itself, which vLLM's import replaces
    vars(sys.modules["transformers"])["BailingMoeForCausalLM"] = PaddedBailing
    if kind == "qwen2_moe":
        own = AutoConfig.from_pretrained(folder)
        config = Qwen2MoeConfig(
            **{name: getattr(own, name) for name in EQUAL}, head_dim=own.head_dim, qkv_bias=False,
            rope_parameters=own.rope_parameters, intermediate_size=own.intermediate_size,
            shared_expert_intermediate_size=own.shared_intermediate_size, tie_word_embeddings=False,
        )  # fmt: skip
        folder = folder.with_name("qwen2_moe")
        torch.manual_seed(0)
        random = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
        if mean_length:
            end_after(random, mean_length)
        random.save_pretrained(folder)
    model: PreTrainedModel = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    return model.train()


class Turns(TrainerCallback):  # type: ignore[misc]
    """In TRL's process: waits before each step for its turn, and reports the step when it is over.

    A step lasts from its turn until the trainer asks for the next one, logging included.
    """

    def __init__(self, pipe: Connection, report: Callable[[], Record]) -> None:
        self._pipe, self._report, self._start = pipe, report, 0.0

    def on_train_begin(self, *_: Any, **__: Any) -> None:
        self._start = 0.0

    def on_step_begin(self, *_: Any, **__: Any) -> None:
        self._hand_over()
        self._pipe.recv()
        self._start = time.perf_counter()

    def on_train_end(self, *_: Any, **__: Any) -> None:
        self._hand_over()

    def _hand_over(self) -> None:
        seconds = time.perf_counter() - self._start
        self._pipe.send({"seconds": seconds, **self._report()} if self._start else {})


class Peer:
    """TRL's process, as the benchmark sees it. `train(pipe, *arguments)` runs there, with `Turns` on that pipe."""

    def __init__(self, train: Callable[..., None], threads: int, *arguments: Any) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, other = context.Pipe()
        self._process = context.Process(target=_alone, args=(train, other, threads, arguments), daemon=True)
        self._process.start()
        other.close()
        self._receive()

    def step(self) -> Record:
        """Let it train one step; returns its record."""
        self._pipe.send(None)
        return self._receive()

    def close(self) -> None:
        """Wait for its end."""
        self._process.join()

    def _receive(self) -> Record:
        try:
            record: Record = self._pipe.recv()
        except EOFError:
            self._process.join()
            raise SystemExit(f"TRL's process ended with status {self._process.exitcode}") from None
        return record


def _alone(train: Callable[..., None], pipe: Connection, threads: int, arguments: Sequence[Any]) -> None:
    """The process, which ends with ours: what TRL prints goes to standard error."""
    parent = multiprocessing.parent_process()
    assert parent is not None and parent.pid is not None
    end_with_parent(parent.pid)
    os.dup2(2, 1)
    warnings.filterwarnings("ignore", message="TRL currently supports vLLM")  # it does not use vLLM here
    torch.set_num_threads(threads)
    train(pipe, *arguments)


class Alternation(Callback):  # type: ignore[misc]
    """On our side: Lightning's steps and the peer's in turn (ours, TRL, TRL, ours, …), both timed the same way.

    Our step lasts from the batch's start until Lightning starts the next batch. `note` adds to our records.
    """

    def __init__(self, peer: Peer, note: Callable[[Any], Record], say: Callable[[str], None]) -> None:
        self.ours: list[Record] = []
        self.theirs: list[Record] = []
        self._peer, self._note, self._say, self._start = peer, note, say, 0.0

    def on_train_batch_start(self, trainer: Trainer, module: StepModule, batch: Any, batch_idx: int) -> None:
        self._finish(module)
        if batch_idx % 2:
            self.theirs.append(self._peer.step())
        self._start = time.perf_counter()

    def on_train_end(self, trainer: Trainer, module: StepModule) -> None:
        self._finish(module)

    def _finish(self, module: StepModule) -> None:
        """Close our last step, and run the peer's where it comes second."""
        if not self._start:
            return
        seconds, self._start = time.perf_counter() - self._start, 0.0
        self.ours.append({"seconds": seconds, **self._note(module)})
        if len(self.ours) % 2:
            self.theirs.append(self._peer.step())
        sides = (f"{name} {side[-1]['seconds']:.2f} s for {side[-1]['tokens']:.0f} tokens"
                 for name, side in (("ours", self.ours), ("TRL", self.theirs)))  # fmt: skip
        self._say(f"pair {len(self.ours)}: {', '.join(sides)}")


class Kept(Logger):  # type: ignore[misc]
    """A Lightning logger that keeps the last step's metrics."""

    name, version = "kept", "0"

    def __init__(self) -> None:
        super().__init__()
        self.last: Mapping[str, float] = {}

    def log_hyperparams(self, *_: Any, **__: Any) -> None:
        pass

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        self.last = dict(metrics)


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def speed(record: Record, part: str = "seconds") -> float:
    """Tokens per second of the whole step, or of a part of it."""
    return record["tokens"] / record[part]


def ratios(ours: Sequence[Record], theirs: Sequence[Record], part: str = "seconds") -> list[float]:
    """Our tokens per second over TRL's, pair by pair."""
    return [speed(a, part) / speed(b, part) for a, b in zip(ours, theirs, strict=True)]


def median(records: Sequence[Record], field: str) -> float:
    return round(statistics.median(record[field] for record in records), 4)


def same_for_both(optimizer: Mapping[str, Any], max_grad_norm: float) -> dict[str, Any]:
    """TRL's arguments that our configuration decides, and what keeps it to float32 on the CPU without files."""
    beta1, beta2 = optimizer["betas"]
    return {
        "learning_rate": optimizer["lr"], "adam_beta1": beta1, "adam_beta2": beta2,
        "weight_decay": optimizer["weight_decay"], "max_grad_norm": max_grad_norm, "use_cpu": True, "bf16": False,
        "report_to": "none", "save_strategy": "no", "disable_tqdm": True, "dataloader_pin_memory": False,
    }  # fmt: skip
