"""What several quantities do to one, by ordinary least squares with t-intervals."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import t as student

from ringexp.figures.intervals import LEVEL, Interval

ALIKE = 1e-8
"""Columns whose smallest singular value is this share of the largest, or less, are taken for collinear."""


@dataclass(frozen=True)
class Effects:
    """A coefficient with its interval for each column of the design; how well all of them explain the N outcomes.

    `spread`: the residual standard deviation, in the outcome's unit. `explained`: R², the share of the outcomes'
    variance about their mean (where the columns span a constant, else it may be below 0); NaN for equal outcomes.
    """

    coefficients: tuple[Interval, ...]
    spread: float
    explained: float


def effects(design: Sequence[Sequence[float]], outcomes: Sequence[float], level: float = LEVEL) -> Effects:
    """Least squares of `outcomes` [N] on `design` [N, P], with no intercept but what the columns span.

    Intervals are Student's t with N − P degrees of freedom: they take the residuals for independent and of one
    variance. Raises ValueError where N ≤ P, or where the columns are collinear.
    """
    x, y = np.asarray(design, dtype=np.float64), np.asarray(outcomes, dtype=np.float64)
    if x.ndim != 2 or y.shape != (len(x),):
        raise ValueError(f"a design of shape {x.shape} does not go with outcomes of shape {y.shape}")
    count, columns = x.shape
    if count <= columns:
        raise ValueError(f"at least {columns + 1} outcomes are needed to tell {columns} effects apart, "
                         f"there are {count}")  # fmt: skip
    left, sizes, right = np.linalg.svd(x, full_matrices=False)
    if sizes[-1] <= ALIKE * sizes[0]:
        raise ValueError("the outcomes cannot tell the effects apart: their causes are collinear")
    values = right.T @ (left.T @ y / sizes)
    residuals = y - x @ values
    variance = float(residuals @ residuals) / (count - columns)
    errors = np.sqrt(variance * ((right / sizes[:, None]) ** 2).sum(axis=0))
    quantile = float(student.ppf((1 + level) / 2, count - columns))
    total = float(((y - y.mean()) ** 2).sum())
    varies = total > count * (1e-12 * float(np.abs(y).max())) ** 2
    found = (Interval(float(v), quantile * float(e), count) for v, e in zip(values, errors, strict=True))
    return Effects(tuple(found), math.sqrt(variance), 1 - float(residuals @ residuals) / total if varies else math.nan)
