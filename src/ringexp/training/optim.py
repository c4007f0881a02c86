"""Learning-rate schedules as pure functions of the step, and the parameter groups of the optimizer."""

import math
from collections.abc import Callable
from typing import Any

from torch import nn
from torch.optim import Optimizer

Scale = Callable[[int], float]


def cosine(steps: int, warmup_fraction: float) -> Scale:
    """Linear warm-up over a fraction of `steps`, then a cosine to 0 (the paper's SFT). Steps count from 0."""
    warmup = math.ceil(warmup_fraction * steps)

    def scale(step: int) -> float:
        if step < warmup:
            return (step + 1) / warmup
        return 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, steps - warmup)))

    return scale


def constant(warmup_steps: int) -> Scale:
    """Linear warm-up over `warmup_steps`, then constant (the paper's RL)."""
    return lambda step: min(1.0, (step + 1) / max(1, warmup_steps))


def build_optimizer(factory: Callable[..., Optimizer], model: nn.Module) -> Optimizer:
    """The optimizer with weight decay on matrices only, norms left out (our choice; the paper is silent)."""
    matrices = [p for p in model.parameters() if p.requires_grad and p.ndim > 1]
    vectors = [p for p in model.parameters() if p.requires_grad and p.ndim <= 1]
    groups: list[dict[str, Any]] = [{"params": matrices}, {"params": vectors, "weight_decay": 0.0}]
    return factory(groups)
