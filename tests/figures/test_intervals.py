"""Means and t-intervals against values worked out by hand from the table of Student's t."""

import math

import numpy as np
import pytest

from ringexp.figures.intervals import band, paired, t_interval


def test_three_values() -> None:
    found = t_interval([1.0, 2.0, 3.0])  # s = 1, t(0.975, 2) = 4.302653
    assert (found.mean, found.count) == (2.0, 3)
    assert found.half == pytest.approx(4.302653 / math.sqrt(3), rel=1e-6)


def test_two_values_and_another_level() -> None:
    # s = 0.2 / √2, so half = t(0.975, 1) · 0.1; t(0.975, 1) = 12.706205, t(0.95, 1) = 6.313752
    assert t_interval([0.4, 0.6]).half == pytest.approx(1.2706205, rel=1e-6)
    assert t_interval([0.4, 0.6], 0.9).half == pytest.approx(0.6313752, rel=1e-6)
    assert str(t_interval([0.4, 0.6], 0.9)) == "0.500 ± 0.631"


def test_one_value_has_no_interval_and_none_is_an_error() -> None:
    assert math.isnan(t_interval([0.4]).half)
    assert str(t_interval([0.4])) == "0.400"
    with pytest.raises(ValueError, match="needs a value"):
        t_interval([])


def test_differences_over_the_seeds_that_both_have() -> None:
    found = paired({1: {"a": 1.0, "b": 5.0}, 2: {"a": 3.0}, 3: {"a": 9.0}}, {2: {"a": 3.5, "b": 0.0}, 1: {"a": 2.0}})
    assert {name: (lead.mean, lead.count) for name, lead in found.items()} == {"a": (-0.75, 2)}
    assert found["a"].half == pytest.approx(12.706205 * 0.25, rel=1e-6)
    assert found["a"].signed == "-0.750 ± 3.177"
    assert paired({1: {"a": 0.0}}, {1: {"a": -2.0}})["a"].signed == "+2.000"


def test_a_band_counts_only_the_curves_that_have_a_step() -> None:
    found = band([[(1, 1.0), (2, 4.0)], [(1, 2.0)], [(1, 3.0), (5, 0.0)]])
    assert found.steps.tolist() == [1, 2, 5]
    assert found.mean.tolist() == [2.0, 4.0, 0.0]
    assert found.count.tolist() == [3, 1, 1]
    assert found.high[0] - 2.0 == pytest.approx(4.302653 / math.sqrt(3), rel=1e-6)
    assert found.low[0] + found.high[0] == pytest.approx(4.0)
    assert np.isnan(found.low[1:]).all()
    assert np.isnan(found.high[1:]).all()
