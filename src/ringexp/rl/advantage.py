"""Group-relative advantages (paper Eq. 1)."""

from collections.abc import Sequence

import torch
from torch import Tensor


def group_advantage(rewards: Sequence[Sequence[float]], *, scale_by_std: bool = True) -> list[Tensor]:
    """Advantage of every response, the same for each of its tokens.

    A_i = (R_i − mean(R)) / std(R) within a group (paper Eq. 1). The standard deviation is the population's, and a
    group of equal rewards has A = 0 exactly, without an epsilon (our resolution). `scale_by_std=False` leaves the
    division out (Dr.GRPO).

    Args: rewards of each group, [groups][K].
    Returns: one float32 tensor [K] a group.
    """
    return [_one_group(torch.tensor(group, dtype=torch.float64), scale_by_std) for group in rewards]


def _one_group(rewards: Tensor, scale_by_std: bool) -> Tensor:
    if bool((rewards == rewards[0]).all()):
        return torch.zeros(len(rewards), dtype=torch.float32)
    centred = rewards - rewards.mean()
    if scale_by_std:
        centred = centred / rewards.std(correction=0)
    return centred.to(torch.float32)


def zero_variance(rewards: Sequence[Sequence[float]]) -> list[bool]:
    """Which groups carry no signal: all their rewards are equal."""
    return [len(set(group)) <= 1 for group in rewards]
