"""The kinds of built-in maths problems: which forms and numbers each of their levels draws."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import gcd, prod

from ringexp.domains.math.forms import Numbers

LEVELS = (1, 2, 3)


@dataclass(frozen=True, slots=True)
class Space:
    """All problems of one form at one level: the numbers of the ranges' product that `fits` admits.

    `fits` admits one order of the numbers where the form is commutative, so no problem is there twice.
    """

    form: str
    ranges: tuple[range, ...]
    fits: Callable[[Numbers], bool] = lambda _: True

    def __len__(self) -> int:
        """Number of candidates, those that do not fit included."""
        return prod(len(r) for r in self.ranges)

    def at(self, index: int) -> Numbers:
        """The candidate of this index, 0 ≤ index < len."""
        numbers = []
        for values in self.ranges:
            index, place = divmod(index, len(values))
            numbers.append(values[place])
        return tuple(numbers)


def _ordered(n: Numbers) -> bool:
    return n[0] >= n[1]


def _sum_up_to_99(n: Numbers) -> bool:
    return n[0] >= n[1] and n[0] + n[1] <= 99


def _positive_difference(n: Numbers) -> bool:
    return n[1] < n[0]


def _reduced(n: Numbers) -> bool:
    return n[0] < n[1] and gcd(n[0], n[1]) == 1


_DIGIT, _TWO, _THREE, _FOUR = range(2, 10), range(10, 100), range(100, 1000), range(1000, 10000)
_FACTOR, _SMALL_FACTOR, _TERM, _DIVISOR = range(11, 100), range(11, 50), range(2, 100), range(4, 10)

_SUM = Space("sum", (_TWO, range(2, 50)), _sum_up_to_99)
_DIFFERENCE = Space("difference", (_FACTOR, _TERM), _positive_difference)
_PRODUCT = Space("product", (_FACTOR, _DIGIT))
_PART = (range(2, 9), range(3, 10))

SPACES: Mapping[str, Mapping[int, tuple[Space, ...]]] = {
    "add": {
        1: (_SUM,),
        2: (Space("sum", (_THREE, _TWO)),),
        3: (Space("sum", (_THREE, _THREE), _ordered),),
    },
    "subtract": {
        1: (_DIFFERENCE,),
        2: (Space("difference", (_THREE, _TWO)),),
        3: (Space("difference", (_THREE, _THREE), _positive_difference),),
    },
    "multiply": {
        1: (_PRODUCT,),
        2: (Space("product", (range(101, 1000), _DIGIT)),),
        3: (Space("product", (_FACTOR, _FACTOR), _ordered),),
    },
    "chain": {
        1: (Space("sum_difference", (_TWO, range(2, 50), _TERM), lambda n: _sum_up_to_99(n) and n[2] < n[0] + n[1]),),
        2: (Space("product_sum", (_FACTOR, _DIGIT, _TERM)),),
        3: (Space("products_sum", (_SMALL_FACTOR, _DIGIT, _SMALL_FACTOR, _DIGIT), lambda n: n[:2] >= n[2:]),),
    },
    "equation": {
        1: (Space("x_plus", (_TERM, _TERM), lambda n: n[0] + n[1] <= 99),),
        2: (Space("x_times", (_FACTOR, _DIGIT)),),
        3: (Space("x_times_plus", (_FACTOR, _DIGIT, _TERM)),),
    },
    "remainder": {
        1: (Space("remainder", (range(12, 200), _DIVISOR)),),
        2: (Space("remainder", (range(200, 1000), _DIVISOR)),),
        3: (Space("remainder", (_FOUR, _DIVISOR)),),
    },
    "word": {
        1: (_SUM, _DIFFERENCE),
        2: (_PRODUCT, Space("quotient", (_FACTOR, _DIGIT))),
        3: (
            Space("product_sum", (_SMALL_FACTOR, _DIGIT, _TERM)),
            Space("product_difference", (_SMALL_FACTOR, _DIGIT, _TERM), lambda n: n[2] < n[0] * n[1]),
        ),
    },
    "sequence": {
        1: (Space("next_term", (range(1, 100), _DIGIT)),),
        2: (Space("next_term", (range(1, 100), _SMALL_FACTOR)),),
        3: (Space("nth_term", (range(1, 50), _DIGIT, range(8, 21))),),
    },
    "fraction": {
        1: (Space("part", (*_PART, range(2, 41)), _reduced),),
        2: (Space("part", (*_PART, range(41, 200)), _reduced),),
        3: (
            Space(
                "fraction_sum",
                (range(1, 40), range(1, 40), range(5, 41)),
                lambda n: n[2] > n[0] >= n[1] and n[0] + n[1] != n[2],
            ),
        ),
    },
}
"""The problems of each kind and level."""
