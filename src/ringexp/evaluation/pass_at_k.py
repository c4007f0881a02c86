"""pass@k: the chance that at least one of k samples is correct, estimated without bias from n ≥ k samples."""

import math
from collections.abc import Sequence


def pass_at_k(samples: int, correct: int, k: int) -> float:
    """1 − C(n−c, k) / C(n, k): the unbiased estimate of Chen et al. (2021), arXiv 2107.03374, Eq. 1.

    For k = 1 this is the mean over samples, c / n. Raises ValueError unless 0 ≤ correct ≤ samples and 1 ≤ k ≤ samples.
    """
    if not (0 <= correct <= samples and 1 <= k <= samples):
        raise ValueError(f"pass@{k} of {correct} correct among {samples} samples is not defined")
    return 1.0 - math.comb(samples - correct, k) / math.comb(samples, k)


def mean_pass_at_k(rewards: Sequence[Sequence[float]], k: int) -> float:
    """Mean over prompts; `rewards` are 1 or 0, [prompts][samples]."""
    return sum(pass_at_k(len(group), round(sum(group)), k) for group in rewards) / len(rewards)


def standard_error(rewards: Sequence[Sequence[float]]) -> float:
    """Standard error of the mean pass@1 over prompts; 0 with fewer than two prompts."""
    rates = [sum(group) / len(group) for group in rewards]
    if len(rates) < 2:
        return 0.0
    mean = sum(rates) / len(rates)
    return math.sqrt(sum((rate - mean) ** 2 for rate in rates) / (len(rates) - 1) / len(rates))
