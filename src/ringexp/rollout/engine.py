"""The protocol of a rollout engine, and the check that engine and trainer hold the same weights."""

from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

import numpy as np
from torch import Tensor

from ringexp.errors import EngineMismatchError
from ringexp.records import Request, Rollout, Sampling

NamedWeights = Iterable[tuple[str, Tensor]]
Finished = Callable[[int, Rollout], None]
"""Told of each complete response: the index of its request, and the rollout."""


class RolloutEngine(Protocol):
    """Draws responses from one policy, whose weights are replaced in place while the engine runs."""

    version: int
    """Policy version of the weights held, as given to the last `sync`."""

    @property
    def alive(self) -> bool:
        """Whether it can still answer."""
        ...

    def generate(
        self, requests: Sequence[Request], sampling: Sampling, finished: Finished | None = None
    ) -> list[Rollout]:
        """One rollout a request, in order. A request's seed alone decides its samples, not its batch.

        `finished` is called in the calling thread, once for each request, as soon as its response is complete, with
        the rollout that is returned later. What it raises ends the generation and is raised here; the engine can be
        used afterwards.
        """
        ...

    def sync(self, weights: NamedWeights, version: int) -> None:
        """Take over the weights (released names, see models.bailing_moe) as policy `version`."""
        ...

    def logprobs(self, sequences: Sequence[Sequence[int]]) -> list[list[float]]:
        """Log-probability (nats, temperature 1) of every token but the first of each sequence of token ids."""
        ...

    def close(self) -> None:
        """Give memory and processes back; the engine cannot be used afterwards."""
        ...


def mismatch(trainer: Sequence[float] | np.ndarray, engine: Sequence[float] | np.ndarray) -> tuple[float, float]:
    """99.9th percentile and maximum of |log π_trainer − log π_engine| over tokens (nats)."""
    difference = np.abs(np.asarray(trainer, dtype=np.float64) - np.asarray(engine, dtype=np.float64))
    return float(np.quantile(difference, 0.999)), float(difference.max())


def require_match(p999: float, maximum: float, tolerance: float, version: int) -> None:
    """Raise EngineMismatchError where the 99.9th percentile exceeds `tolerance`.

    The percentile judges and not the maximum: a near-tie in a router may send a token to another expert in one of
    two correct implementations.
    """
    if not p999 <= tolerance:
        raise EngineMismatchError(
            f"policy version {version}: trainer and rollout engine differ by {p999:.2e} nats at the 99.9th percentile "
            f"(maximum {maximum:.2e}, allowed {tolerance:.0e}): the engine does not hold the trainer's weights, or "
            "computes in another precision. Use float32 on both sides, or raise rollout.tolerance if you know why."
        )
