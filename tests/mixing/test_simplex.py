"""Weights from coordinates: exact at the corners, flat in between, and invertible."""

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringexp.mixing.simplex import coordinates_from_weights, weights_from_coordinates

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


@given(st.lists(st.floats(0.001, 1), min_size=1, max_size=5))
def test_the_inverse_gives_the_weights_back(weights: list[float]) -> None:
    back = weights_from_coordinates(coordinates_from_weights(weights))
    assert back == pytest.approx([w / sum(weights) for w in weights], abs=1e-9)


@pytest.mark.parametrize("weights", [[1, 0, 0], [0, 1, 0], [0, 0, 1], [0, 0.5, 0.5], [2, 0, 2]])
def test_the_inverse_at_the_border(weights: list[float]) -> None:
    back = weights_from_coordinates(coordinates_from_weights(weights))
    assert back == pytest.approx([w / sum(weights) for w in weights], abs=1e-15)


def test_uniform_coordinates_give_a_flat_dirichlet() -> None:
    """Each of K weights is then Beta(1, K−1): mean 1/K, second moment 2/(K(K+1)), for every place alike."""
    draw, size, k = random.Random(0), 40_000, 3
    rows = [weights_from_coordinates([draw.random(), draw.random()]) for _ in range(size)]
    for place in range(k):
        values = [row[place] for row in rows]
        deviation = math.sqrt((k - 1) / (k * k * (k + 1)) / size)
        assert abs(sum(values) / size - 1 / k) < 4 * deviation
        assert sum(v * v for v in values) / size == pytest.approx(2 / (k * (k + 1)), rel=0.03)


@pytest.mark.parametrize("bad", [[-0.1], [1.1], [0.5, math.nan]])
def test_coordinates_outside_are_refused(bad: list[float]) -> None:
    with pytest.raises(ValueError, match=r"in \[0, 1\]"):
        weights_from_coordinates(bad)


@pytest.mark.parametrize("bad", [[], [0, 0], [1, -1]])
def test_weights_off_the_simplex_are_refused(bad: list[float]) -> None:
    with pytest.raises(ValueError, match="positive sum"):
        coordinates_from_weights(bad)
