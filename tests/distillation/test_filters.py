"""The filters of correct responses, on numbers worked out by hand."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringexp.distillation.filters import complete, length, repeated_share, repetition
from ringexp.records import Prompt, Request, Rollout


def rollout(*tokens: int, truncated: bool = False) -> Rollout:
    request = Request(Prompt("p", "math", "?", "1"), 0, 0)
    return Rollout(request, tokens, (0.0,) * len(tokens), (0,) * len(tokens), "", truncated)


@pytest.mark.parametrize(("tokens", "n", "share"), [
    ((1, 2, 1, 2, 1, 2), 2, 3 / 5),  # 12 21 12 21 12: two of five are new
    ((1, 2, 1, 2, 1, 2), 3, 2 / 4),  # 121 212 121 212
    ((1, 2, 1, 2, 1, 2), 6, 0.0),
    ((1, 2, 1, 2, 1, 2), 7, 0.0),
    ((5, 5, 5, 5, 5), 1, 4 / 5),
    ((5, 5, 5, 5, 5), 4, 1 / 2),
    ((1, 2, 3, 4, 1, 2, 3, 9), 3, 1 / 6),  # 123 234 341 412 123 239
    ((1, 2, 3), 1, 0.0),
    ((), 1, 0.0),
])  # fmt: skip
def test_the_share_of_repeated_n_grams(tokens: tuple[int, ...], n: int, share: float) -> None:
    assert repeated_share(tokens, n) == pytest.approx(share)


def test_a_loop_is_seen_by_every_n_and_the_more_the_longer_it_goes_on() -> None:
    block = (3, 1, 4, 1, 5, 9, 2, 6)
    for n in (1, 4, 8, 12):
        shares = [repeated_share(block * times, n) for times in (2, 4, 40)]
        assert shares == sorted(shares)
        assert shares[-1] > 0.96


@given(st.lists(st.integers(0, 5), max_size=40), st.integers(1, 6), st.permutations(range(6)))
def test_the_share_lies_below_one_and_does_not_know_the_tokens_names(
    tokens: list[int], n: int, names: list[int]
) -> None:
    share = repeated_share(tokens, n)
    assert 0 <= share < 1
    assert repeated_share([names[token] for token in tokens], n) == share
    assert repeated_share(tokens[::-1], n) == share


def test_the_limits_themselves_pass() -> None:
    four = rollout(1, 2, 1, 2)  # 12 21 12
    assert length(four, least=4, most=4)
    assert not length(four, least=5, most=9)
    assert not length(four, least=1, most=3)
    assert repetition(four, n=2, most=1 / 3)
    assert not repetition(four, n=2, most=0.33)


def test_what_the_length_limit_ended_is_not_complete() -> None:
    assert complete(rollout(1, 2))
    assert not complete(rollout(1, 2, truncated=True))
