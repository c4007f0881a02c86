"""Which of a prompt's accepted responses are kept. Pure, and decided by the responses alone: ties go to the shorter,
then to the one drawn first.

Each takes the responses as token ids, in the order of their draws, and gives the places of at most `most` of them, the
one chosen first in front.
"""

from collections.abc import Callable, Sequence

Tokens = tuple[int, ...]
Keep = Callable[[Sequence[Tokens], int], list[int]]


def shortest(responses: Sequence[Tokens], most: int) -> list[int]:
    """The shortest, in tokens."""
    return sorted(range(len(responses)), key=lambda i: (len(responses[i]), i))[:most]


def diverse(responses: Sequence[Tokens], most: int, *, n: int) -> list[int]:
    """The shortest, then again and again the one farthest from what is chosen (greedy max-min, Gonzalez 1985).

    Far from the chosen means a large distance (`distance`, of n-grams) to the nearest of them.
    """
    chosen = shortest(responses, min(most, 1))
    grams = [ngrams(response, n) for response in responses]
    nearest = [1.0] * len(responses)
    while chosen and len(chosen) < min(most, len(responses)):
        nearest = [min(near, distance(own, grams[chosen[-1]])) for near, own in zip(nearest, grams)]
        left = [i for i in range(len(responses)) if i not in chosen]
        chosen.append(min(left, key=lambda i: (-nearest[i], len(responses[i]), i)))
    return chosen


def ngrams(tokens: Tokens, n: int) -> frozenset[Tokens]:
    """The set of a response's n-grams; the whole response where it has fewer than n tokens."""
    return frozenset(tokens[i : i + n] for i in range(max(1, len(tokens) - n + 1)))


def distance(a: frozenset[Tokens], b: frozenset[Tokens]) -> float:
    """Jaccard distance: 1 − |a ∩ b| / |a ∪ b|, 0 for equal sets and 1 for disjoint ones."""
    return 1.0 - len(a & b) / len(a | b)
