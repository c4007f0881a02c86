"""The Lightning base of SFT and RL: manual optimization in policy steps, each exactly one logging step.

The learning rate is a function of the step and every draw is counter-based, so weights, optimizer moments and a few
counters are the whole state of a run.
"""

import functools
import operator
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

import torch
from lightning.pytorch import LightningModule
from torch.optim import Optimizer

from ringexp.models.bailing_moe import BailingMoeForCausalLM
from ringexp.models.logprob import Scored, score_responses
from ringexp.models.moe import RouterStatistics, balance_loss, max_load_violation, z_loss
from ringexp.models.packing import Packed
from ringexp.training.optim import Scale, build_optimizer


class StepModule(LightningModule):  # type: ignore[misc]
    """`step` counts finished optimizer steps of this stage; `offset` is where they begin on the run's step axis.

    `tokens` counts the response tokens trained in this stage.
    """

    def __init__(
        self, model: BailingMoeForCausalLM, optimizer: Callable[..., Optimizer], scale: Scale, max_grad_norm: float,
        offset: int,
    ) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.model = model
        self.scale, self.max_grad_norm, self.offset = scale, max_grad_norm, offset
        self.step = 0
        self.tokens = 0
        self._factory = optimizer
        self._resume_from: Mapping[str, Any] | None = None

    def configure_optimizers(self) -> Optimizer:
        """AdamW or what the configuration names, with the state of the checkpoint a run continues from."""
        optimizer = build_optimizer(self._factory, self.model)
        self._base_lr = [group["lr"] for group in optimizer.param_groups]
        if self._resume_from is not None:
            optimizer.load_state_dict(dict(self._resume_from["optimizer"]))
        return optimizer

    def transfer_batch_to_device(self, batch: Any, device: torch.device, dataloader_idx: int) -> Any:
        """A batch is records, not tensors: what needs a device is packed there."""
        return batch

    def resume(self, state: Mapping[str, Any]) -> None:
        """Continue from a checkpoint's trainer state (weights are loaded apart)."""
        self.step, self.tokens = int(state["step"]), int(state["tokens"])
        self._resume_from = state

    def trainer_state(self) -> dict[str, Any]:
        """What a checkpoint holds beside the weights."""
        return {"step": self.step, "tokens": self.tokens, "optimizer": self._optimizer().state_dict()}

    def _optimizer(self) -> Optimizer:
        wrapped = self.optimizers()
        return cast(Optimizer, getattr(wrapped, "optimizer", wrapped))

    def optimize(self) -> tuple[float, float]:
        """Clip, step, count. Returns (gradient norm before clipping, learning rate)."""
        optimizer = self.optimizers()
        factor = self.scale(self.step)
        for group, base in zip(optimizer.param_groups, self._base_lr, strict=True):
            group["lr"] = base * factor
        norm = torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.max_grad_norm, error_if_nonfinite=True)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        self.step += 1
        return float(norm), self._base_lr[0] * factor

    def skip(self) -> dict[str, float]:
        """A step that has nothing to train on (every group was filtered): counted, weights unchanged."""
        self.step += 1
        return {"train/loss": 0.0}

    def log_step(self, metrics: Mapping[str, float], bar: Mapping[str, float]) -> None:
        """Log the finished step, and a few numbers on the progress bar."""
        for logger in self.loggers:
            logger.log_metrics(dict(metrics), step=self.offset + self.step)
        self.log_dict(dict(bar), prog_bar=True, logger=False)


class RouterLosses:
    """Balance and z losses of a whole optimizer step from its micro-batches.

    The assignment counts of the whole step must be known before a micro-batch is differentiated, so that splits do
    not change the loss. They come from a forward pass without gradients (`whole`); both losses are linear in what a
    micro-batch adds, so its own share is `share(micro)` and the shares sum to the step's loss.
    """

    def __init__(self, whole: RouterStatistics, top_k: int, balance_coef: float, z_coef: float) -> None:
        self.whole, self._top_k = whole, top_k
        self._balance_coef, self._z_coef = balance_coef, z_coef

    def share(self, micro: RouterStatistics) -> torch.Tensor:
        """α_bal·B + α_z·Z of this micro-batch's tokens, with the step's counts."""
        balance = balance_loss(micro.prob_sum, self.whole.counts, self.whole.tokens, self._top_k)
        return self._balance_coef * balance + self._z_coef * z_loss(micro.z_sum, self.whole.tokens)

    def metrics(self) -> dict[str, float]:
        """The step's `moe/…` metrics."""
        whole = self.whole
        return {
            "moe/balance": float(balance_loss(whole.prob_sum, whole.counts, whole.tokens, self._top_k)),
            "moe/z": float(z_loss(whole.z_sum, whole.tokens)),
            "moe/max_violation": float(max_load_violation(whole.counts)),
        }


@torch.no_grad()
def whole_statistics(
    model: BailingMoeForCausalLM, packs: Sequence[Packed], scored: Sequence[Scored] | None
) -> RouterStatistics:
    """The routers' statistics of the whole step, detached: from passes already made, or from extra ones."""
    parts = [s.router for s in scored] if scored is not None else [score_responses(model, p).router for p in packs]
    return functools.reduce(operator.add, [part.detach() for part in parts])


class Clock:
    """Seconds spent in the named parts of a step."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._last = self._start = time.perf_counter()

    def lap(self, part: str) -> None:
        """Book the time since the last lap on `part`."""
        now = time.perf_counter()
        self.seconds[part] = self.seconds.get(part, 0.0) + now - self._last
        self._last = now

    def metrics(self) -> dict[str, float]:
        """The step's `time/…` metrics, `time/step` the whole."""
        whole = {"time/step": time.perf_counter() - self._start}
        return {f"time/{part}": seconds for part, seconds in self.seconds.items()} | whole
