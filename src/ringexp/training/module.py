"""The Lightning base of SFT and RL: manual optimization in policy steps, each exactly one logging step.

The learning rate is a function of the step and every draw is counter-based, so weights, optimizer moments and a few
counters are the whole state of a run.
"""

import contextlib
import copy
import functools
import operator
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar, cast

import torch
import torch.distributed as dist
from lightning.pytorch import LightningModule
from torch import Tensor
from torch.optim import Optimizer

from ringexp.models.bailing_moe import BailingMoeForCausalLM
from ringexp.models.logprob import score_responses
from ringexp.models.moe import RouterStatistics, balance_loss, dead_experts, max_load_violation, z_loss
from ringexp.models.packing import Packed
from ringexp.training import sharding
from ringexp.training.optim import Scale, build_optimizer

T = TypeVar("T")


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
        self._copy: tuple[BailingMoeForCausalLM, ...] = ()  # outside the module tree

    def configure_model(self) -> None:
        """Lightning's hook: divides the model where the strategy brings a mesh of ranks; see `sharding`."""
        if self.device_mesh is not None and not self.sharded:
            self._copy = (copy.deepcopy(self.model).requires_grad_(False),)
            sharding.shard(self.model, self.device_mesh["data_parallel"])

    @property
    def sharded(self) -> bool:
        """Whether each rank holds only its part of the weights."""
        return sharding.is_sharded(self.model)

    def whole_model(self) -> BailingMoeForCausalLM:
        """The model with its current weights, all of them; where they are sharded, a copy. Collective."""
        if not self.sharded:
            return self.model
        (copied,) = self._copy
        sharding.copy_whole(self.model, copied)
        copied.train(self.model.training)
        return copied

    def configure_optimizers(self) -> Optimizer:
        """AdamW or what the configuration names, with the state of the checkpoint a run continues from."""
        optimizer = build_optimizer(self._factory, self.model)
        self._base_lr = [group["lr"] for group in optimizer.param_groups]
        if self._resume_from is not None:
            sharding.load_state(optimizer, self._resume_from["optimizer"])
        return optimizer

    def transfer_batch_to_device(self, batch: Any, device: torch.device, dataloader_idx: int) -> Any:
        """A batch is records, not tensors: what needs a device is packed there."""
        return batch

    def resume(self, state: Mapping[str, Any]) -> None:
        """Continue from a checkpoint's trainer state (weights are loaded apart)."""
        self.step, self.tokens = int(state["step"]), int(state["tokens"])
        self._resume_from = state

    def trainer_state(self) -> dict[str, Any]:
        """What a checkpoint holds beside the weights: the same whether they are sharded or not. Collective."""
        moments = sharding.whole_state(self._optimizer().state_dict())
        return {"step": self.step, "tokens": self.tokens, "optimizer": moments}

    def _optimizer(self) -> Optimizer:
        wrapped = self.optimizers()
        return cast(Optimizer, getattr(wrapped, "optimizer", wrapped))

    def gather(self, value: T) -> list[T]:
        """The value of every rank, in the order of ranks; this process's own alone where there are no others."""
        if self.trainer.world_size == 1:
            return [value]
        values: list[Any] = [None] * int(self.trainer.world_size)
        dist.all_gather_object(values, value)
        return values

    def stand_ins(self, own: int) -> int:
        """Micro-batches of no weight that a rank with `own` needs beside them: passes over sharded weights are
        collective, so every rank makes as many; without shards at least one. Collective.
        """
        return max([1, *self.gather(own)] if self.sharded else [1, own]) - own

    def differentiate(self, loss: Tensor, last: bool) -> None:
        """Backward pass of one micro-batch; ranks exchange gradients in the update's last one only (not if sharded)."""
        hold = contextlib.nullcontext() if last else getattr(
            self.trainer.strategy, "block_backward_sync", contextlib.nullcontext)()
        with hold:
            self.manual_backward(loss)

    def optimize(self) -> tuple[float, float]:
        """Clip and update the weights. Returns (gradient norm before clipping, learning rate)."""
        optimizer = self.optimizers()
        factor = self.scale(self.step)
        for group, base in zip(optimizer.param_groups, self._base_lr, strict=True):
            group["lr"] = base * factor
        norm = sharding.clip_gradients(self.model.parameters(), self.max_grad_norm)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        return norm, self._base_lr[0] * factor

    def log_step(self, metrics: Mapping[str, float], bar: Mapping[str, float]) -> None:
        """Log the finished step, and a few numbers on the progress bar."""
        for logger in self.loggers:
            logger.log_metrics(dict(metrics), step=self.offset + self.step)
        self.log_dict(dict(bar), prog_bar=True, logger=False)


class RouterLosses:
    """Balance and z losses of a whole optimizer update from its micro-batches, on all ranks.

    The assignment counts of the whole update must be known before a micro-batch is differentiated, so that splits and
    ranks do not change the loss. They come from a forward pass without gradients (`whole_statistics`); both losses are
    linear in what a micro-batch adds, so its own share is `share(micro)` and the shares sum to the update's loss
    (their mean over ranks does, as that of the gradients).
    """

    def __init__(
        self, every: Sequence[RouterStatistics], top_k: int, balance_coef: float, z_coef: float
    ) -> None:
        """`every`: each rank's statistics of the update, detached."""
        self.whole, self._ranks, self._top_k = functools.reduce(operator.add, every), len(every), top_k
        self._balance_coef, self._z_coef = balance_coef, z_coef

    def share(self, micro: RouterStatistics) -> Tensor:
        """α_bal·B + α_z·Z of this micro-batch's tokens, with the update's counts, times the number of ranks."""
        balance = balance_loss(micro.prob_sum, self.whole.counts, self.whole.tokens, self._top_k)
        own = self._balance_coef * balance + self._z_coef * z_loss(micro.z_sum, self.whole.tokens)
        return self._ranks * own

    def metrics(self) -> dict[str, float]:
        """The update's `moe/…` metrics."""
        whole = self.whole
        entropy = whole.entropy_sum / whole.tokens
        return {
            "moe/balance": float(balance_loss(whole.prob_sum, whole.counts, whole.tokens, self._top_k)),
            "moe/z": float(z_loss(whole.z_sum, whole.tokens)),
            "moe/max_violation": float(max_load_violation(whole.counts)),
            "moe/dead_experts": dead_experts(whole.counts),
            "moe/router_entropy": float(entropy.mean()),
            "moe/router_entropy_min": float(entropy.min()),
        }


@torch.no_grad()
def whole_statistics(model: BailingMoeForCausalLM, packs: Sequence[tuple[Packed, bool]]) -> RouterStatistics:
    """The routers' statistics of all the packs together, from a pass without gradients over each.

    With each pack: whether it is a stand-in, whose tokens do not count.
    """
    return functools.reduce(operator.add, (
        statistics.of_no_token() if idle else statistics
        for packed, idle in packs for statistics in [score_responses(model, packed).router]
    ))  # fmt: skip


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

    def book(self, **seconds: float) -> None:
        """Book seconds that were measured elsewhere on the named parts; the time since the last lap is theirs."""
        for part, value in seconds.items():
            self.seconds[part] = self.seconds.get(part, 0.0) + value
        self._last = time.perf_counter()

    def metrics(self) -> dict[str, float]:
        """The step's `time/…` metrics, `time/step` the whole."""
        whole = {"time/step": time.perf_counter() - self._start}
        return {f"time/{part}": seconds for part, seconds in self.seconds.items()} | whole
