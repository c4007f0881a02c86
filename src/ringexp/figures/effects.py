"""What several quantities do to one, by ordinary least squares with t-intervals."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import t as student

from ringexp.figures.intervals import LEVEL, Interval


@dataclass(frozen=True)
class Effects:
    """A coefficient with its interval for each column of the design, and how well all of them explain the outcomes.

    `spread` is the residual standard deviation, in the outcome's unit; `explained` the share of the outcomes'
    variance about their mean (R²; NaN where all outcomes are equal).
    """

    coefficients: tuple[Interval, ...]
    spread: float
    explained: float


def effects(design: Sequence[Sequence[float]], outcomes: Sequence[float], level: float = LEVEL) -> Effects:
    """Least squares of `outcomes` [N] on `design` [N, P], with no intercept but what a column may give.

    Intervals are Student's t with N − P degrees of freedom: they take the residuals for independent and of one
    variance. Raises ValueError where N ≤ P, or where the columns do not tell the coefficients apart.
    """
    x, y = np.asarray(design, dtype=np.float64), np.asarray(outcomes, dtype=np.float64)
    if x.ndim != 2 or y.shape != (len(x),):
        raise ValueError(f"a design of shape {x.shape} does not go with outcomes of shape {y.shape}")
    count, columns = x.shape
    if count <= columns:
        raise ValueError(f"{count} outcomes cannot tell {columns} effects: at least {columns + 1} are needed")
    if np.linalg.matrix_rank(x) < columns:
        raise ValueError("these outcomes do not tell the effects apart: what causes them always changes together")
    values = np.linalg.lstsq(x, y, rcond=None)[0]
    residuals = y - x @ values
    variance = float(residuals @ residuals) / (count - columns)
    errors = np.sqrt(variance * np.diag(np.linalg.inv(x.T @ x)))
    quantile = float(student.ppf((1 + level) / 2, count - columns))
    total = float(((y - y.mean()) ** 2).sum())
    found = (Interval(float(v), quantile * float(e), count) for v, e in zip(values, errors, strict=True))
    explained = 1 - float(residuals @ residuals) / total if total else math.nan
    return Effects(tuple(found), math.sqrt(variance), explained)
