"""Which correct responses may become traces. Pure; a filter is chosen, and its limits set, in conf/distillation.

That a response is correct, by the verifiers of RL, is asked before any filter (rejection.sift). Lengths are in tokens
of the teacher, end-of-sequence included.
"""

from collections.abc import Callable, Sequence

from ringexp.records import Rollout

Filter = Callable[[Rollout], bool]
"""Whether a response passes."""


def complete(rollout: Rollout) -> bool:
    """The teacher ended the response itself. One that the length limit ended would teach to stop in mid-sentence."""
    return not rollout.truncated


def length(rollout: Rollout, *, least: int, most: int) -> bool:
    """At least `least` and at most `most` tokens."""
    return least <= len(rollout.token_ids) <= most


def repetition(rollout: Rollout, *, n: int, most: float) -> bool:
    """At most `most` of the response's n-grams repeat an earlier one (`repeated_share`)."""
    return repeated_share(rollout.token_ids, n) <= most


def repeated_share(token_ids: Sequence[int], n: int) -> float:
    """1 − distinct n-grams / n-grams of the tokens, 0 for fewer than n: seq-rep-n of Welleck et al. (2019).

    arXiv 1908.04319, section 6.1. A text that loops over a block of b tokens tends to 1 whatever b is, where n ≥ 1;
    small n also see a form that recurs with other numbers in it, large n only what is said twice word by word.
    """
    grams = [tuple(token_ids[i : i + n]) for i in range(len(token_ids) - n + 1)]
    return (len(grams) - len(set(grams))) / len(grams) if grams else 0.0
