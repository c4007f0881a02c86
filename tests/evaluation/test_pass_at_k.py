"""pass@k against every subset written out."""

import math
import statistics
from itertools import combinations

import pytest

from ringexp.evaluation.pass_at_k import mean_pass_at_k, pass_at_k, standard_error

CASES = [(n, c, k) for n in range(1, 8) for c in range(n + 1) for k in range(1, n + 1)]


@pytest.mark.parametrize(("samples", "correct", "k"), CASES)
def test_equals_the_share_of_subsets_with_a_correct_sample(samples: int, correct: int, k: int) -> None:
    subsets = list(combinations([True] * correct + [False] * (samples - correct), k))
    assert pass_at_k(samples, correct, k) == pytest.approx(sum(map(any, subsets)) / len(subsets), abs=1e-12)


@pytest.mark.parametrize(("samples", "correct"), [(1, 0), (3, 3), (7, 2), (256, 100)])
def test_k_of_one_is_the_mean(samples: int, correct: int) -> None:
    assert pass_at_k(samples, correct, 1) == pytest.approx(correct / samples, rel=1e-12)


def test_large_counts_stay_exact() -> None:
    # of 5,000 samples one is correct: a set of 2,500 holds it with probability ½
    assert pass_at_k(5000, 1, 2500) == 0.5


@pytest.mark.parametrize(("samples", "correct", "k"), [(4, 5, 1), (4, -1, 1), (4, 2, 0), (4, 2, 5), (0, 0, 1)])
def test_out_of_bounds_raises(samples: int, correct: int, k: int) -> None:
    with pytest.raises(ValueError, match=f"pass@{k}"):
        pass_at_k(samples, correct, k)


def test_mean_is_over_prompts() -> None:
    rewards = [[1, 0, 0, 0], [1, 1, 1, 1], [0, 0, 0, 0]]
    assert mean_pass_at_k(rewards, 1) == pytest.approx((0.25 + 1 + 0) / 3)
    assert mean_pass_at_k(rewards, 2) == pytest.approx((0.5 + 1 + 0) / 3)
    assert mean_pass_at_k(rewards, 4) == pytest.approx(2 / 3)
    assert mean_pass_at_k([[1, 0], [0, 0, 0, 0, 0, 0]], 1) == 0.25


def test_standard_error_is_that_of_the_mean_over_prompts() -> None:
    rewards = [[1, 0, 0, 0], [1, 1, 1, 1], [0, 0, 0, 0], [1, 1, 0, 0]]
    rates = [0.25, 1.0, 0.0, 0.5]
    assert standard_error(rewards) == pytest.approx(statistics.stdev(rates) / math.sqrt(4))
    assert standard_error([[1, 0]]) == 0.0
