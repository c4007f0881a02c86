"""The token budget: a fill worked out by hand, and what holds for every step."""

import math
from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringexp.rl.budget import BudgetedSet, fill_budget, step_order

SIZES = st.lists(st.integers(1, 5), min_size=1, max_size=8)
LENGTHS = st.lists(st.integers(1, 40), min_size=1, max_size=30)


def test_the_last_response_is_cut_to_fit() -> None:
    # in the order 2, 0, 3, 1: 4 whole, 5 whole, then 3 of 7; the response of 6 stays out
    assert fill_budget([5, 6, 4, 7], [2, 0, 3, 1], 12) == BudgetedSet(
        updates=(((2, 4), (0, 5), (3, 3)),), tokens=12, dropped=10, cut=4, responses_dropped=1
    )


def test_a_budget_met_exactly_cuts_nothing() -> None:
    assert fill_budget([5, 6, 4], [0, 2, 1], 9) == BudgetedSet((((0, 5), (2, 4)),), 9, 6, 0, 1)


def test_an_unfilled_step_is_taken_whole_and_says_so() -> None:
    assert fill_budget([5, 6], [1, 0], 44) == BudgetedSet((((1, 6), (0, 5)),), 11, 0, 0, 0)


def test_without_a_budget_everything_is_taken() -> None:
    assert fill_budget([5, 6], [1, 0], None) == BudgetedSet((((1, 6), (0, 5)),), 11, 0, 0, 0)


def test_responses_outside_the_order_are_counted_as_dropped() -> None:
    assert fill_budget([5, 6, 4], [2], 100) == BudgetedSet((((2, 4),),), 4, 11, 0, 2)


@pytest.mark.parametrize("budget", [0, -1])
def test_a_budget_below_one_raises(budget: int) -> None:
    with pytest.raises(ValueError, match=f"not {budget}"):
        fill_budget([3], [0], budget)


@given(lengths=LENGTHS, budget=st.integers(1, 400), shuffle=st.randoms(use_true_random=False))
def test_what_holds_for_every_fill(lengths: list[int], budget: int, shuffle: object) -> None:
    order = list(range(len(lengths)))
    shuffle.shuffle(order)  # type: ignore[attr-defined]
    result = fill_budget(lengths, order, budget)
    assert result.tokens == sum(n for _, n in result.taken) == min(budget, sum(lengths))
    assert result.tokens + result.dropped == sum(lengths)
    assert [i for i, _ in result.taken] == order[: len(result.taken)]
    assert all(n == lengths[i] for i, n in result.taken[:-1])
    last, tokens = result.taken[-1]
    assert 1 <= tokens <= lengths[last]
    assert result.cut == lengths[last] - tokens
    assert result.responses_dropped == len(lengths) - len(result.taken)
    assert result.dropped == result.cut + sum(lengths[i] for i in order[len(result.taken) :])


def test_two_updates_get_half_the_budget_each() -> None:
    # 6 of the 7 tokens of response 0, the seventh is dropped; then response 2 whole and 2 of the 5 of response 1
    assert fill_budget([7, 5, 4, 9], [0, 2, 1, 3], 12, updates=2) == BudgetedSet(
        updates=(((0, 6),), ((2, 4), (1, 2))), tokens=12, dropped=13, cut=4, responses_dropped=1
    )


def test_without_a_budget_the_updates_share_the_responses() -> None:
    assert fill_budget([1, 2, 3, 4, 5], [4, 3, 2, 1, 0], None, updates=2).updates == (
        ((4, 5), (3, 4)), ((2, 3), (1, 2), (0, 1)),
    )  # fmt: skip


@pytest.mark.parametrize(("budget", "updates"), [(10, 3), (10, 0), (2, 4)])
def test_a_budget_that_the_updates_do_not_divide_raises(budget: int, updates: int) -> None:
    with pytest.raises(ValueError, match=f"{updates} updates, not {budget}"):
        fill_budget([3], [0], budget, updates)


@given(lengths=LENGTHS, share=st.integers(1, 100), updates=st.integers(1, 5))
def test_no_update_exceeds_its_part_of_the_budget(lengths: list[int], share: int, updates: int) -> None:
    order = list(reversed(range(len(lengths))))
    result = fill_budget(lengths, order, share * updates, updates)
    sums = [sum(n for _, n in update) for update in result.updates]
    assert len(sums) == updates
    assert max(sums) <= share
    # only when nothing is left does an update go short, and those after it get nothing
    short = next((i for i, n in enumerate(sums) if n < share), updates)
    assert sums[:short] == [share] * short
    assert not any(sums[short + 1 :])
    assert short == updates or result.responses_dropped == 0
    assert [i for i, _ in result.taken] == order[: len(result.taken)]
    assert result.tokens == sum(sums)
    assert result.dropped == sum(lengths) - result.tokens
    assert result.cut == sum(lengths[i] - n for i, n in result.taken)


@given(sizes=SIZES, seed=st.integers(0, 2**40), step=st.integers(0, 1000))
def test_order_keeps_groups_together_and_is_repeatable(sizes: list[int], seed: int, step: int) -> None:
    order = step_order(sizes, seed, "math", step)
    assert sorted(order) == list(range(sum(sizes)))
    assert order == step_order(sizes, seed, "math", step)
    starts = [0, *accumulate(sizes)][:-1]
    blocks, rest = [], order
    while rest:
        group = starts.index(rest[0])
        assert rest[: sizes[group]] == list(range(starts[group], starts[group] + sizes[group]))
        blocks.append(group)
        rest = rest[sizes[group] :]
    assert sorted(blocks) == list(range(len(sizes)))


def test_order_depends_on_seed_and_place_but_not_on_group_sizes() -> None:
    sizes = [2] * 12
    base = step_order(sizes, 0, "math", 3)
    assert all(base != other for other in (
        step_order(sizes, 1, "math", 3), step_order(sizes, 0, "math", 4), step_order(sizes, 0, "code", 3),
    ))  # fmt: skip
    # the permutation of groups of 2 and of 3 members is the same one
    assert [i // 2 for i in base[::2]] == [i // 3 for i in step_order([3] * 12, 0, "math", 3)[::3]]


def test_every_group_is_as_likely_to_come_first() -> None:
    draws, groups = 2000, 5
    counts = [0] * groups
    for step in range(draws):
        counts[step_order([2] * groups, 0, "math", step)[0] // 2] += 1
    sigma = math.sqrt(draws * (1 / groups) * (1 - 1 / groups))
    assert max(abs(count - draws / groups) for count in counts) < 4 * sigma
