"""Selection rules on candidates whose right choice is known."""

import math
import random
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from ringexp.errors import RecordError
from ringexp.records import Checkpoint
from ringexp.selection.rules import Choice, at_step, best_pass_at_1, best_validation_loss, entropy_band, last

Rule = Callable[[list[Checkpoint]], Choice]
BAND: Rule = partial(entropy_band, low=0.25, high=0.75)
BY_QUANTITY = [(BAND, "entropy/rollout"), (best_validation_loss, "val/loss"), (best_pass_at_1, "eval/mean/pass_at_1")]
RULES = [*(rule for rule, _ in BY_QUANTITY), last]


def candidates(quantity: str, values: dict[int, float]) -> list[Checkpoint]:
    return [Checkpoint(f"m{s}", f"sft-{s}", s, Path("-"), {quantity: v}) for s, v in values.items()]


@pytest.mark.parametrize(("rule", "quantity", "step"), [
    (BAND, "entropy/rollout", 30),               # nearest to 0.5
    (best_validation_loss, "val/loss", 20),      # lowest
    (best_pass_at_1, "eval/mean/pass_at_1", 10), # highest
    (last, "entropy/rollout", 40),
])  # fmt: skip
def test_each_rule_chooses_by_its_own_quantity(rule: Rule, quantity: str, step: int) -> None:
    found = candidates(quantity, {10: 0.9, 20: 0.3, 30: 0.45, 40: 0.7})
    random.Random(1).shuffle(found)
    choice = rule(found)
    assert (choice.checkpoint.step, choice.fallback) == (step, False)
    assert choice.reason


@pytest.mark.parametrize(("low", "high", "step"), [(0.3, 0.5, 2), (0.1, 0.3, 3), (0.4, 0.8, 1), (0.0, 0.3, 3)])
def test_band_takes_the_checkpoint_nearest_its_centre(low: float, high: float, step: int) -> None:
    found = candidates("entropy/rollout", {1: 0.6, 2: 0.39, 3: 0.2})
    choice = entropy_band(found, low=low, high=high)
    assert (choice.checkpoint.step, choice.fallback) == (step, False)


def test_band_counts_what_lies_inside() -> None:
    reason = BAND(candidates("entropy/rollout", {1: 0.2, 2: 0.3, 3: 0.55, 4: 0.8})).reason
    assert "0.5500" in reason
    assert "2 of 4" in reason


@pytest.mark.parametrize(("values", "step"), [({1: 0.9, 2: 1.4}, 1), ({1: 0.05, 2: 0.2}, 2), ({1: 0.8, 2: 0.1}, 1)])
def test_band_without_a_candidate_inside_takes_the_nearest_and_says_so(values: dict[int, float], step: int) -> None:
    choice = BAND(candidates("entropy/rollout", values))
    assert (choice.checkpoint.step, choice.fallback) == (step, True)
    assert "no checkpoint" in choice.reason


@pytest.mark.parametrize("edge", [0.25, 0.75])
def test_the_edges_belong_to_the_band(edge: float) -> None:
    assert not BAND(candidates("entropy/rollout", {1: edge})).fallback


def test_band_reads_another_quantity() -> None:
    found = candidates("entropy/teacher_forced", {1: 0.5, 2: 0.6})
    assert entropy_band(found, low=0.25, high=0.75, quantity="entropy/teacher_forced").checkpoint.step == 1
    with pytest.raises(RecordError, match="entropy/rollout"):
        BAND(found)


@pytest.mark.parametrize(("rule", "quantity"), BY_QUANTITY)
def test_ties_go_to_the_earlier_step(rule: Rule, quantity: str) -> None:
    for order in ((30, 10, 20), (20, 30, 10)):
        assert rule(candidates(quantity, dict.fromkeys(order, 0.5))).checkpoint.step == 10
    # on both sides of the band's centre at the same distance
    for order in ((20, 10), (10, 20)):
        assert BAND(candidates("entropy/rollout", {s: {10: 0.625, 20: 0.375}[s] for s in order})).checkpoint.step == 10


@pytest.mark.parametrize(("rule", "quantity"), BY_QUANTITY)
def test_a_checkpoint_without_the_quantity_is_never_chosen(rule: Rule, quantity: str) -> None:
    unmeasured = Checkpoint("m0", "sft-0", 0, Path("-"), {})
    broken = candidates(quantity, {1: math.nan, 2: math.inf, 3: -math.inf})
    assert rule([unmeasured, *broken, *candidates(quantity, {7: 0.5})]).checkpoint.step == 7
    with pytest.raises(RecordError, match=quantity):
        rule([unmeasured, *broken])


@pytest.mark.parametrize("rule", RULES)
def test_no_candidate_raises(rule: Rule) -> None:
    with pytest.raises(RecordError, match="task=sft"):
        rule([])


@pytest.mark.parametrize(("low", "high"), [(0.5, 0.3), (0.4, 0.4), (-0.1, 0.3), (math.nan, 0.5), (0.3, math.nan)])
def test_a_bad_band_raises(low: float, high: float) -> None:
    with pytest.raises(ValueError, match="is not a band"):
        entropy_band(candidates("entropy/rollout", {1: 0.4}), low=low, high=high)


def test_a_step_is_taken_by_its_number() -> None:
    found = candidates("entropy/rollout", {30: 0.9, 10: 0.3, 20: 0.45})
    assert at_step(found, step=20).checkpoint.step == 20
    with pytest.raises(RecordError, match=r"selection\.rule\.step=25: .* there are 10, 20, 30"):
        at_step(found, step=25)
