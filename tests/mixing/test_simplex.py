"""Weights from coordinates: exact at the corners, flat in between, and invertible."""

import math
import random
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import beta, kstest

from ringexp.mixing.simplex import (
    coordinates_from_weights,
    temperature_between,
    tempered,
    tilt_between,
    tilted,
    weights_from_coordinates,
)

UNIT = st.floats(0, 1)


def test_by_hand() -> None:
    """K = 3: the first stick leaves √u₁, the second u₂ of that."""
    assert weights_from_coordinates([0.25, 0.5]) == pytest.approx([0.5, 0.25, 0.25])
    assert weights_from_coordinates([0.3]) == pytest.approx([0.7, 0.3])
    assert weights_from_coordinates([]) == [1.0]


@pytest.mark.parametrize(
    ("coordinates", "vertex"),
    [([0, 0], [1, 0, 0]), ([0, 0.7], [1, 0, 0]), ([1, 0], [0, 1, 0]), ([1, 1], [0, 0, 1])],
)
def test_every_vertex_is_reached_exactly(coordinates: list[float], vertex: list[float]) -> None:
    assert weights_from_coordinates(coordinates) == vertex


@given(st.lists(UNIT, max_size=5))
def test_weights_lie_on_the_simplex(coordinates: list[float]) -> None:
    weights = weights_from_coordinates(coordinates)
    assert len(weights) == len(coordinates) + 1
    assert all(w >= 0 for w in weights)
    assert sum(weights) == pytest.approx(1, abs=1e-12)


FLOORS = st.floats(0, 1)
"""As a part of the largest floor, 1/K."""


@given(st.lists(UNIT, max_size=5), FLOORS)
def test_no_weight_lies_below_the_floor(coordinates: list[float], part: float) -> None:
    floor = part / (len(coordinates) + 1)
    weights = weights_from_coordinates(coordinates, floor)
    free = weights_from_coordinates(coordinates)
    assert min(weights) >= floor
    assert sum(weights) == pytest.approx(1, abs=1e-12)
    assert weights == pytest.approx([floor + (1 - part) * weight for weight in free], abs=1e-12)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=6).filter(lambda weights: sum(weights) > 1e-300))
def test_the_inverse_gives_the_weights_back(weights: list[float]) -> None:
    back = weights_from_coordinates(coordinates_from_weights(weights))
    assert back == pytest.approx([w / sum(weights) for w in weights], abs=1e-12, rel=0)


@given(st.lists(UNIT, max_size=5), FLOORS)
def test_the_inverse_gives_the_weights_back_above_a_floor(coordinates: list[float], part: float) -> None:
    floor = part / (len(coordinates) + 1)
    weights = weights_from_coordinates(coordinates, floor)
    back = weights_from_coordinates(coordinates_from_weights(weights, floor), floor)
    assert back == pytest.approx(weights, abs=1e-12, rel=0)


@pytest.mark.parametrize("floor", [0.0, 0.1, 0.25])
@pytest.mark.parametrize("domains", [1, 2, 3, 4])
def test_vertices_come_back(domains: int, floor: float) -> None:
    for place in range(domains):
        vertex = [floor + (1 - domains * floor) * (i == place) for i in range(domains)]
        coordinates = coordinates_from_weights(vertex, floor)
        assert all(0 <= u <= 1 for u in coordinates)
        assert weights_from_coordinates(coordinates, floor) == pytest.approx(vertex, abs=1e-15, rel=0)


@pytest.mark.parametrize("weights", [[1, 0, 0], [0, 1, 0], [0, 0, 1], [0, 0.5, 0.5], [2, 0, 2]])
def test_the_inverse_at_the_border(weights: list[float]) -> None:
    back = weights_from_coordinates(coordinates_from_weights(weights))
    assert back == pytest.approx([w / sum(weights) for w in weights], abs=1e-15)


@pytest.mark.parametrize("k", [2, 3, 4, 5, 6])
def test_uniform_coordinates_give_a_flat_dirichlet(k: int) -> None:
    """Kolmogorov–Smirnov: each weight is Beta(1, K−1), each pair's sum Beta(2, K−2), its division uniform."""
    draw = random.Random(k)
    rows = [weights_from_coordinates([draw.random() for _ in range(k - 1)]) for _ in range(8000)]
    columns = list(zip(*rows))
    likely = [kstest(column, beta(1, k - 1).cdf).pvalue for column in columns]
    for one, other in combinations(columns, 2):
        likely.append(kstest([a / (a + b) for a, b in zip(one, other)], "uniform").pvalue)
        if k > 2:
            likely.append(kstest([a + b for a, b in zip(one, other)], beta(2, k - 2).cdf).pvalue)
    assert min(likely) > 0.01 / len(likely)


@pytest.mark.parametrize("bad", [[-0.1], [1.1], [0.5, math.nan]])
def test_coordinates_outside_are_refused(bad: list[float]) -> None:
    with pytest.raises(ValueError, match=r"in \[0, 1\]"):
        weights_from_coordinates(bad)


@pytest.mark.parametrize("bad", [[], [0, 0], [1, -1], [1, math.nan], [1, math.inf]])
def test_weights_off_the_simplex_are_refused(bad: list[float]) -> None:
    with pytest.raises(ValueError, match="positive sum"):
        coordinates_from_weights(bad)


@pytest.mark.parametrize("floor", [-0.01, 0.34, math.nan])
def test_an_impossible_floor_is_refused(floor: float) -> None:
    with pytest.raises(ValueError, match=r"floor of 3 domains lies in \[0, 1/3\]"):
        weights_from_coordinates([0.5, 0.5], floor)
    with pytest.raises(ValueError, match=r"floor of 3 domains lies in \[0, 1/3\]"):
        coordinates_from_weights([0.5, 0.3, 0.2], floor)


def test_what_lies_below_the_floor_has_no_coordinates() -> None:
    with pytest.raises(ValueError, match=r"a weight of 0 lies below the floor of 0\.1"):
        coordinates_from_weights([1, 0, 0], 0.1)


def test_temperatures_by_hand() -> None:
    assert tempered([6, 3, 1], 1) == pytest.approx([0.6, 0.3, 0.1])
    assert tempered([16, 4, 0], 2) == pytest.approx([2 / 3, 1 / 3, 0])
    assert tempered([16, 4, 0], 0.5) == pytest.approx([16 / 17, 1 / 17, 0])
    assert tempered([73000, 14000, 3833], math.inf) == pytest.approx([1 / 3] * 3)
    assert tempered([73000, 14000, 3833], 1e-4) == [1, 0, 0]


def test_tilts_by_hand() -> None:
    assert tilted([0.5, 0.25, 0.25], [0, math.log(2), math.log(4)]) == pytest.approx([0.25, 0.25, 0.5])
    assert tilted([0.5, 0.5, 0], [1000, 1000, 2000]) == [0.5, 0.5, 0]
    assert tilted([0.5, 0.5], [0, 2000]) == [0, 1]


POSITIVE = st.floats(1e-3, 1)


@given(st.lists(POSITIVE, min_size=2, max_size=5), st.floats(0.2, 50))
def test_a_temperature_is_found_again(prior: list[float], temperature: float) -> None:
    weights = tempered(prior, temperature)
    found = temperature_between(prior, weights)
    assert tempered(prior, found) == pytest.approx(weights, abs=1e-6)
    assert temperature_between([*prior, 0], [1] * len(prior) + [0]) in (math.inf, 1)


@given(st.lists(st.tuples(POSITIVE, POSITIVE), min_size=1, max_size=5))
def test_a_tilt_is_found_again(pairs: list[tuple[float, float]]) -> None:
    before, after = ([w / sum(column) for w in column] for column in zip(*pairs))
    tilt = tilt_between([*before, 0], [*after, 0])
    assert sum(tilt) == pytest.approx(0, abs=1e-9)
    assert tilted([*before, 0], tilt) == pytest.approx([*after, 0], abs=1e-12)


def test_what_no_tilt_or_temperature_reaches_is_refused() -> None:
    for inverse in (tilt_between, temperature_between):
        for before, after in (([0.5, 0.5], [1, 0]), ([1, 0], [0.5, 0.5]), ([0, 0], [0, 0])):
            with pytest.raises(ValueError, match="a weight of 0 stays 0"):
                inverse(before, after)
    with pytest.raises(ValueError, match="rank the other way"):
        temperature_between([3, 1], [1, 3])


@pytest.mark.parametrize("prior", [[], [0, 0], [1, -1], [1, math.inf], [1, math.nan]])
def test_an_impossible_prior_is_refused(prior: list[float]) -> None:
    with pytest.raises(ValueError, match="a prior must be"):
        tempered(prior, 1)


@pytest.mark.parametrize("temperature", [0, -1, math.nan])
def test_an_impossible_temperature_is_refused(temperature: float) -> None:
    with pytest.raises(ValueError, match="greater than 0"):
        tempered([1, 1], temperature)


@pytest.mark.parametrize(("weights", "tilt"), [([0.5, 0.5], [0, math.inf]), ([0, 0], [0, 0]), ([1], [0, 0])])
def test_an_impossible_tilt_is_refused(weights: list[float], tilt: list[float]) -> None:
    with pytest.raises(ValueError, match=r"tilt|positive sum|shorter|longer"):
        tilted(weights, tilt)
