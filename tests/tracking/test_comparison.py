"""The verdict of a reproduction: a function of the curves alone."""

import pytest

from ringexp.tracking.comparison import Curves, Verdict, compare

THEN: Curves = {("sft", "train/loss"): {1: 4.0, 2: 2.0, 3: 1.0}, ("rl", "reward/mean"): {4: 0.5}}


def changed(key: tuple[str, str], step: int, value: float) -> Curves:
    return {name: curve | ({step: value} if name == key else {}) for name, curve in THEN.items()}


def test_equal_curves_are_identical_whatever_the_clock_says() -> None:
    now = dict(THEN) | {("sft", "time/step"): {1: 9.0}}
    found = compare(dict(THEN) | {("sft", "time/step"): {1: 8.0}, ("rl", "system/cpu"): {0: 1.0}}, now)
    assert (found.verdict, found.curves, found.points, found.unequal, found.first) == (Verdict.IDENTICAL, 2, 4, 0, "")


@pytest.mark.parametrize(("value", "verdict"), [
    (1.0 + 1e-12, Verdict.WITHIN_TOLERANCE), (1.0039, Verdict.WITHIN_TOLERANCE), (1.0041, Verdict.DIFFERENT),
])  # fmt: skip
def test_the_tolerance_is_a_share_of_the_curve_s_largest_magnitude(value: float, verdict: Verdict) -> None:
    found = compare(THEN, changed(("sft", "train/loss"), 3, value))
    assert found.verdict is verdict
    assert found.first == f"sft step 3: train/loss 1.0 then, {value!r} now"


def test_the_first_step_beyond_the_tolerance_is_named_not_the_first_unequal() -> None:
    now = {("sft", "train/loss"): {1: 4.0 + 1e-9, 2: 2.5, 3: 9.0}, ("rl", "reward/mean"): {4: 0.5}}
    found = compare(THEN, now)
    assert found.verdict is Verdict.DIFFERENT
    assert found.first == "sft step 2: train/loss 2.0 then, 2.5 now"


@pytest.mark.parametrize("now", [
    {("sft", "train/loss"): {1: 4.0, 2: 2.0}, ("rl", "reward/mean"): {4: 0.5}},
    {("sft", "train/loss"): THEN[("sft", "train/loss")]},
    dict(THEN) | {("sft", "val/loss"): {3: 1.0}},
])  # fmt: skip
def test_a_point_that_one_side_lacks_is_a_difference(now: Curves) -> None:
    assert compare(THEN, now).verdict is Verdict.DIFFERENT
    assert compare(now, THEN).verdict is Verdict.DIFFERENT


def test_steps_beyond_the_limit_take_no_part() -> None:
    now = {("sft", "train/loss"): {1: 4.0, 2: 2.0}}
    assert compare(THEN, now, steps=2).verdict is Verdict.IDENTICAL
    assert compare(THEN, now, steps=3).verdict is Verdict.DIFFERENT


def test_nothing_to_compare_is_an_error() -> None:
    with pytest.raises(ValueError, match="no curve"):
        compare({("sft", "time/step"): {1: 1.0}}, THEN)
