"""Least squares against scipy's straight line, against the truth, and what cannot be fitted."""

import math

import numpy as np
import pytest
from scipy.stats import linregress
from scipy.stats import t as student

from ringexp.figures.effects import effects


def test_a_straight_line_is_scipys() -> None:
    drawn = np.random.default_rng(3)
    x = drawn.uniform(size=12)
    y = 0.3 + 0.5 * x + drawn.normal(scale=0.1, size=12)
    line = linregress(x, y)
    found = effects([[1.0, value] for value in x], list(y))
    constant, slope = found.coefficients
    quantile = student.ppf(0.975, 10)
    assert (slope.mean, slope.half) == pytest.approx((line.slope, quantile * line.stderr), rel=1e-10)
    expected = (line.intercept, quantile * line.intercept_stderr)
    assert (constant.mean, constant.half) == pytest.approx(expected, rel=1e-10)
    assert found.explained == pytest.approx(line.rvalue**2, rel=1e-10)
    assert slope.count == 12


def test_a_mixture_by_hand() -> None:
    """Two runs with either component alone, one with both in halves: the middle is 0.3 off the line between."""
    found = effects([[1, 0], [0, 1], [0.5, 0.5]], [1.0, 3.0, 2.3])
    assert [c.mean for c in found.coefficients] == pytest.approx([1.1, 3.1])
    assert found.spread == pytest.approx(math.sqrt(0.01 + 0.01 + 0.04))  # residuals -0.1, -0.1, 0.2; one degree
    assert found.coefficients[0].half == pytest.approx(12.706205 * math.sqrt(0.06) * math.sqrt(5 / 6))


def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    drawn, truth, inside = np.random.default_rng(0), np.array([0.1, -0.05, 0.2]), 0
    for _ in range(400):
        x = drawn.dirichlet([1, 1, 1], size=10)
        found = effects(x.tolist(), (x @ truth + drawn.normal(scale=0.03, size=10)).tolist())
        inside += sum(abs(c.mean - true) <= c.half for c, true in zip(found.coefficients, truth, strict=True))
    assert 0.93 < inside / 1200 < 0.97


@pytest.mark.parametrize(("design", "words"), [
    ([[1, 0], [0, 1]], "at least 3 outcomes are needed"),
    ([[1, 0], [1, 0], [1, 0]], "collinear"),
    ([[1, 2], [2, 4], [3, 6]], "collinear"),
    ([[1, 1], [1, 1 + 1e-9], [1, 1 - 1e-9]], "collinear"),
])  # fmt: skip
def test_what_cannot_be_told_apart_is_refused(design: list[list[float]], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        effects(design, [1.0] * len(design))


def test_other_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match="does not go with"):
        effects([[1.0], [2.0]], [1.0])


def test_equal_outcomes_have_no_share_explained() -> None:
    found = effects([[1, 0], [0, 1], [0.5, 0.5], [0.3, 0.7]], [0.1] * 4)
    assert [c.mean for c in found.coefficients] == pytest.approx([0.1, 0.1])
    assert math.isnan(found.explained)
