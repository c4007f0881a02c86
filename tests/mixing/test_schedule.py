"""Stages: the run's steps divided exactly, weights from every form."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringexp.config.recipe import ScheduleConfig, StageConfig
from ringexp.mixing.schedule import Stage, normalised, resolve_stages, split_steps, stage_weights

SHARES = st.lists(st.floats(0, 0) | st.floats(1e-3, 1e3), min_size=1, max_size=8).filter(lambda shares: sum(shares) > 0)


@pytest.mark.parametrize(("shares", "steps", "expected"), [
    ([1.0], 7, [7]),
    ([0.5, 0.5], 10, [5, 5]),
    ([1, 1], 5, [3, 2]),              # the remainder goes to the first
    ([0.7, 0.3], 10, [7, 3]),
    ([2, 1, 1], 8, [4, 2, 2]),
    ([1000, 1], 5, [4, 1]),           # at least one step each
    ([0, 1], 5, [1, 4]),              # with a share of 0 too
    ([1, 0], 5, [4, 1]),
    ([0, 1, 0], 5, [1, 3, 1]),
    ([1, 1000, 1], 3, [1, 1, 1]),
    ([1 / 3, 1 / 3, 1 / 3], 10, [4, 3, 3]),
])  # fmt: skip
def test_split_by_hand(shares: list[float], steps: int, expected: list[int]) -> None:
    assert split_steps(shares, steps) == expected


@given(shares=SHARES, extra=st.integers(0, 500))
def test_a_split_sums_exactly_and_leaves_no_stage_out(shares: list[float], extra: int) -> None:
    steps = len(shares) + extra
    counts = split_steps(shares, steps)
    assert sum(counts) == steps
    assert min(counts) >= 1
    exact = [share / sum(shares) * steps for share in shares]
    if min(exact) >= 1:
        assert all(abs(count - x) < 1 + 1e-6 for count, x in zip(counts, exact, strict=True))


@pytest.mark.parametrize("steps", [0, 1, 2])
def test_fewer_steps_than_stages_raise(steps: int) -> None:
    with pytest.raises(ValueError, match=f"{steps} steps"):
        split_steps([1.0, 1.0, 1.0], steps)


def test_normalised_weights_sum_to_one() -> None:
    assert normalised({"math": 3, "code": 1, "science": 0}) == {"math": 0.75, "code": 0.25, "science": 0.0}


@pytest.mark.parametrize("weights", [{}, {"math": 0.0}, {"math": 0.0, "code": 0.0}, {"math": 2.0, "code": -1.0}])
def test_weights_without_a_positive_sum_raise(weights: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="positive sum"):
        normalised(weights)


def test_stages_follow_each_other() -> None:
    config = ScheduleConfig("two_stage", [
        StageConfig("math", {"math": 1.0}, share=3, max_response_tokens=64),
        StageConfig("code", {"code": 14.0, "science": 6.0}, share=1, max_response_tokens=96),
    ])  # fmt: skip
    assert resolve_stages(config, 40) == [
        Stage("math", {"math": 1.0}, 30, 0, 64),
        Stage("code", {"code": 0.7, "science": 0.3}, 10, 30, 96),
    ]


def test_coordinates_become_weights() -> None:
    config = ScheduleConfig("searched", [
        StageConfig("a", domains=["math", "code", "science"], coordinates=[0.25, 0.5], max_response_tokens=8),
        StageConfig("b", domains=["science"], coordinates=[], max_response_tokens=8),
    ])  # fmt: skip
    first, second = resolve_stages(config, 2)
    assert first.weights == pytest.approx({"math": 0.5, "code": 0.25, "science": 0.25})
    assert second.weights == {"science": 1.0}


def test_a_floor_a_prior_and_a_tilt() -> None:
    natural = {"math": 16.0, "code": 4.0, "science": 0.0}
    config = ScheduleConfig("searched", [
        StageConfig("a", domains=["math", "code"], coordinates=[0.0], floor=0.1),
        StageConfig("b", prior=natural),
        StageConfig("c", prior=natural, temperature=2.0),
        StageConfig("d", tilt={"code": math.log(4)}),
        StageConfig("e", tilt={}, floor=0.2),
    ])  # fmt: skip
    weights = [stage.weights for stage in resolve_stages(config, 5)]
    assert weights[0] == pytest.approx({"math": 0.9, "code": 0.1})
    assert weights[1] == pytest.approx({"math": 0.8, "code": 0.2, "science": 0.0})
    assert weights[2] == pytest.approx({"math": 2 / 3, "code": 1 / 3, "science": 0.0})
    assert weights[3] == pytest.approx({"math": 1 / 3, "code": 2 / 3, "science": 0.0})
    assert weights[4] == pytest.approx({"math": 0.2 + 0.4 / 3, "code": 0.2 + 0.8 / 3, "science": 0.2})


def test_a_tilt_needs_a_stage_before_it() -> None:
    with pytest.raises(ValueError, match="needs a stage before"):
        resolve_stages(ScheduleConfig("s", [StageConfig("a", tilt={"math": 1.0})]), 1)
    with pytest.raises(ValueError, match="over these domains"):
        stage_weights(StageConfig("b", tilt={"law": 1.0}), {"math": 1.0})
