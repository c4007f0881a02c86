"""What a search maximises, from two evaluations."""

import pytest

from ringexp.evaluation.objective import measured, outcome

BEFORE = {"eval/math/pass_at_1": 0.5, "eval/code/pass_at_1": 0.25, "eval/mean/pass_at_1": 0.375,
          "eval/math/pass_at_2": 0.9}  # fmt: skip
AFTER = {"eval/math/pass_at_1": 0.75, "eval/code/pass_at_1": 0.125, "eval/mean/pass_at_1": 0.4375,
         "eval/math/length": 9.0}  # fmt: skip


@pytest.mark.parametrize(("objective", "value"), [
    ("mean_gain", 0.0625), ("worst_gain", -0.125), ("mean_final", 0.4375), ("worst_final", 0.125),
])  # fmt: skip
def test_mean_or_worst_of_gain_or_end(objective: str, value: float) -> None:
    assert outcome(BEFORE, AFTER, objective) == value


def test_all_of_it_by_domain() -> None:
    assert measured(BEFORE, AFTER) == {"gain/code": -0.125, "gain/math": 0.25, "gain/mean": 0.0625,
                                       "final/code": 0.125, "final/math": 0.75, "final/mean": 0.4375}  # fmt: skip


def test_other_objectives_and_other_domains_are_refused() -> None:
    with pytest.raises(ValueError, match="best_gain"):
        outcome(BEFORE, AFTER, "best_gain")
    for before in ({}, {"eval/math/pass_at_1": 0.5}, BEFORE | {"eval/science/pass_at_1": 0.1}):
        with pytest.raises(ValueError, match="mean_gain"):
            outcome(before, AFTER, "mean_gain")
    with pytest.raises(ValueError, match="mean_gain"):
        outcome({}, {}, "mean_gain")
