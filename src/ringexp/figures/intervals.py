"""Means over seeds with confidence intervals: of values, and of curves step by step.

The interval is Student's t: mean ± t(level, n − 1) · s / √n, with s the sample standard deviation of the n seeds. One
seed has no interval.
"""

import math
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from scipy.stats import t as student

Curve = Sequence[tuple[int, float]]
Seed = TypeVar("Seed", bound=Hashable)
LEVEL = 0.95


@dataclass(frozen=True)
class Interval:
    """A mean over `count` values and the half width of its confidence interval, NaN where there is one value."""

    mean: float
    half: float
    count: int

    def __str__(self) -> str:
        return f"{self.mean:.3f}" if math.isnan(self.half) else f"{self.mean:.3f} ± {self.half:.3f}"

    @property
    def signed(self) -> str:
        """As a difference is written."""
        return f"{'+' if self.mean >= 0 else ''}{self}"


@dataclass(frozen=True)
class Band:
    """A mean curve over seeds, `[S]` arrays: at each step the mean, the interval's ends (NaN with one seed), seeds."""

    steps: "np.ndarray[tuple[int], np.dtype[np.int64]]"
    mean: "np.ndarray[tuple[int], np.dtype[np.float64]]"
    low: "np.ndarray[tuple[int], np.dtype[np.float64]]"
    high: "np.ndarray[tuple[int], np.dtype[np.float64]]"
    count: "np.ndarray[tuple[int], np.dtype[np.int64]]"


def t_interval(values: Iterable[float], level: float = LEVEL) -> Interval:
    """The mean and its t-interval. Raises ValueError where there is no value."""
    array = np.asarray(list(values), dtype=np.float64)
    if array.size == 0:
        raise ValueError("an interval needs a value")
    return Interval(float(array.mean()), _half(array, level), int(array.size))


def over_seeds(rows: Iterable[Mapping[str, float]]) -> dict[str, Interval]:
    """The interval of every name, over the rows that have it."""
    found: dict[str, list[float]] = {}
    for row in rows:
        for name, value in row.items():
            found.setdefault(name, []).append(value)
    return {name: t_interval(values) for name, values in found.items()}


def paired(own: Mapping[Seed, Mapping[str, float]], other: Mapping[Seed, Mapping[str, float]]) -> dict[str, Interval]:
    """Mean differences own − other over the seeds that both have, which takes out what seeds have in common."""
    both = [seed for seed in own if seed in other]
    return over_seeds({name: value - other[seed][name] for name, value in own[seed].items() if name in other[seed]}
                      for seed in both)  # fmt: skip


def _half(values: "np.ndarray[tuple[int], np.dtype[np.float64]]", level: float) -> float:
    if values.size < 2:
        return math.nan
    quantile = float(student.ppf((1 + level) / 2, values.size - 1))
    return quantile * float(values.std(ddof=1)) / math.sqrt(values.size)


def band(curves: Iterable[Curve], level: float = LEVEL) -> Band:
    """Mean and t-interval at every step that any of the curves has, over those that have it."""
    at: dict[int, list[float]] = {}
    for curve in curves:
        for step, value in curve:
            at.setdefault(step, []).append(value)
    steps = sorted(at)
    intervals = [t_interval(at[step], level) for step in steps]
    mean = np.array([i.mean for i in intervals], dtype=np.float64)
    half = np.array([i.half for i in intervals], dtype=np.float64)
    counts = np.array([i.count for i in intervals], dtype=np.int64)
    return Band(np.array(steps, dtype=np.int64), mean, mean - half, mean + half, counts)
