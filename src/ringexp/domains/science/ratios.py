"""Forms that end in a division: ratios to some significant digits, weighted means, degrees Fahrenheit."""

from collections.abc import Callable
from fractions import Fraction

from ringexp.domains.math import steps
from ringexp.domains.math.forms import Numbers
from ringexp.domains.science.forms import Law, commuting, letters
from ringexp.domains.science.numbers import shifted
from ringexp.domains.science.steps import bare, long_division, multiplied


def ratio(
    formula: str, unit: str, top: Callable[[Numbers], Numbers], bottom: Callable[[Numbers], Numbers],
    places: Numbers = (0, 0, 0), digits: int = 3,
) -> Law:
    """The product of the integers `top` over that of `bottom`, to so many significant digits or exactly (0).

    The formula is the text of the expression, with the numbers as {a}, {b} …
    """

    def value(n: Numbers) -> Fraction:
        result = Fraction(1)
        for factor in top(n):
            result *= factor
        for factor in bottom(n):
            result /= factor
        return result

    def shown(n: Numbers) -> dict[str, str]:
        return letters(*(shifted(x, -p) for x, p in zip(n, places)))

    def working(n: Numbers, style: int) -> str:
        above, over_it = _multiplied_all(top(n), style), _multiplied_all(bottom(n), style)
        begin = ". ".join([formula.format(**shown(n)), *above[1], *over_it[1]])
        return f"{begin}. {long_division(above[0], over_it[0], digits, style)}."

    return Law(unit, lambda n: _ratio_key(top(n), bottom(n)), value, working, shown, digits)


def _ratio_key(top: Numbers, bottom: Numbers) -> str:
    """What a ratio computes: powers of ten only move the decimal point."""
    above, below = ([f for f in factors if bare(f) > 1] for factors in (top, bottom))
    product = commuting("product", *above)
    return f"{product}/{','.join(map(str, sorted(below)))}" if below else product


def _multiplied_all(factors: Numbers, style: int) -> tuple[int, list[str]]:
    """The product of the factors and the worked multiplications that lead to it."""
    done, works = factors[0] if factors else 1, []
    for factor in factors[1:]:
        if factor != 1:
            work = multiplied(done, factor, style)
            works.append(work if work.startswith(f"{done}*{factor}=") else f"{done}*{factor}: {work}")
            done *= factor
    return done, works


def weighted(
    formula: str, unit: str, terms: Callable[[Numbers], tuple[int, int, int, int]], digits: int = 3
) -> Law:
    """(a*p+b*q)/(p+q) to so many significant digits, the four as `terms` gives them."""

    def value(n: Numbers) -> Fraction:
        a, p, b, q = terms(n)
        return Fraction(a * p + b * q, p + q)

    def computes(n: Numbers) -> str:
        a, p, b, q = terms(n)
        (a, p), (b, q) = sorted([(a, p), (b, q)], reverse=True)
        return f"products_sum:{a},{p},{b},{q}/{p + q}"

    def working(n: Numbers, style: int) -> str:
        a, p, b, q = terms(n)
        first = f"{a}*{p}: {multiplied(a, p, style)}. {b}*{q}: {multiplied(b, q, style)}"
        above = a * p + b * q
        return (
            f"{formula}=({a}*{p}+{b}*{q})/{p + q}. {first}. {a * p}+{b * q}={above}. "
            f"{long_division(above, p + q, digits, style)}."
        )

    return Law(unit, computes, value, working, lambda n: letters(*map(str, n)), digits)


def fahrenheit(digits: int) -> Law:
    """(F-32)*5/9 for F = a+32, to so many significant digits or exactly (0); the question shows F."""

    def working(n: Numbers, style: int) -> str:
        a = n[0]
        first = f"{steps.subtract(a + 32, 32, 2)}. {a}*5: {multiplied(a, 5, style)}"
        return f"(F-32)*5/9=({a + 32}-32)*5/9. {first}. {long_division(a * 5, 9, digits, style)}."

    return Law(
        "degC",
        lambda n: f"fahrenheit:{n[0]}",
        lambda n: Fraction(n[0] * 5, 9),
        working,
        lambda n: letters(str(n[0] + 32)),
        digits,
    )
