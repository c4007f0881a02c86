"""Which of several accepted responses are kept: by hand, and against a plain search."""

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringexp.distillation.keep import Tokens, distance, diverse, ngrams, shortest

A, B, C, D = (1, 2, 3), (1, 2, 3, 4), (7, 8, 9, 10), (1, 2, 9, 10, 11)
"""Of bigrams A has 12 23, B 12 23 34, C 78 89 9-10, D 12 29 9-10 10-11."""


def test_distances_by_hand() -> None:
    a, b, c, d = (ngrams(tokens, 2) for tokens in (A, B, C, D))
    assert distance(a, a) == 0
    assert distance(a, b) == pytest.approx(1 / 3)  # 2 of 3 are shared
    assert distance(a, c) == 1
    assert distance(a, d) == pytest.approx(4 / 5)  # 12 of 12 23 29 9-10 10-11
    assert distance(c, d) == pytest.approx(5 / 6)
    assert ngrams((5,), 2) == {(5,)}


@pytest.mark.parametrize(("most", "kept"), [(0, []), (1, [2]), (2, [2, 0]), (3, [2, 0, 1]), (9, [2, 0, 1, 3])])
def test_the_most_diverse_by_hand(most: int, kept: list[int]) -> None:
    """A is shortest; C shares nothing with it; D is 4/5 from A and 5/6 from C, B 1/3 from A."""
    assert diverse([C, D, A, B], most, n=2) == kept


def test_ties_go_to_the_shorter_then_to_the_earlier() -> None:
    assert diverse([(1, 2), (5, 6, 7), (8, 9), (3, 4)], 4, n=2) == [0, 2, 3, 1]
    assert shortest([(1, 2, 3), (4, 5), (6,), (7, 8)], 3) == [2, 1, 3]
    assert shortest([], 2) == diverse([], 2, n=2) == []


responses = st.lists(st.lists(st.integers(0, 3), min_size=1, max_size=6).map(tuple), max_size=7, unique=True)


@given(responses, st.integers(0, 8), st.integers(1, 3))
def test_each_choice_is_one_that_lies_farthest_from_those_before(
    found: list[Tokens], most: int, n: int
) -> None:
    kept = diverse(found, most, n=n)
    assert len(kept) == len(set(kept)) == min(most, len(found))
    grams = [ngrams(response, n) for response in found]
    assert kept[:1] == shortest(found, 1)[: len(kept)]
    for count in range(1, len(kept)):
        reach = {i: min(distance(grams[i], grams[j]) for j in kept[:count])
                 for i in range(len(found)) if i not in kept[:count]}  # fmt: skip
        assert reach[kept[count]] == max(reach.values())
    for (first, i), (second, j) in combinations(enumerate(shortest(found, most)), 2):
        assert first < second and (len(found[i]), i) < (len(found[j]), j)
