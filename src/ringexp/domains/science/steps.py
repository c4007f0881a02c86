"""Clauses of worked solutions that science adds to `math.steps`: powers of ten, decimals, rounding, leads."""

from fractions import Fraction

from ringexp.domains.math import steps
from ringexp.domains.science.numbers import places_for, rounded, shifted, written


def lead(text: str, work: str, style: int) -> str:
    """The working behind its expression, in one of three leads."""
    return (f"{text}: {work}.", f"{text}: {work}.", f"To get {text}: {work}.")[style]


def sequel(first: str, second: str, style: int) -> str:
    """Two stages of a chain of thought, in one of three wordings."""
    return (f"{first}. Then {second}.", f"First {first}. Next {second}.", f"Step 1: {first}. Step 2: {second}.")[style]


def bare(number: int) -> int:
    """The number without the zeros at its end: 60 → 6."""
    while number % 10 == 0:
        number //= 10
    return number


def multiplied(a: int, b: int, style: int) -> str:
    """Working of a*b where b may end in zeros: 45*60 → 45*6 first, then "270*10=2700"."""
    digit, power = bare(b), b // bare(b)
    last = f"{a * digit}*{power}={a * b}"
    if power == 1:
        return _short(a, b, style)
    return last if digit == 1 else f"{_short(a, digit, style)}; {last}"


def _short(a: int, b: int, style: int) -> str:
    """Working of a*b with the smaller factor on the right, where a digit belongs."""
    return steps.multiply(max(a, b), min(a, b), style)


def long_division(n: int, d: int, digits: int, style: int) -> str:
    """Working of n/d to so many significant digits, or exactly (0), closing with the number that the answer shows."""
    value = Fraction(n, d)
    result = written(rounded(value, digits) if digits else value)
    if d == 1:
        return f"Rounded: {result}" if result != str(n) else f"That is {result}"
    if bare(d) == 1:
        exact = written(value)
        return f"{n}/{d}={exact}" + (f", rounded {result}" if exact != result else "")
    places = _places(value, digits)
    scaled = n * 10**places
    work = steps.divide(scaled, d, style)
    exact = shifted(scaled // d, -places)
    left = "" if not scaled % d and exact == result else f", rounded {result}"
    return f"{n}/{d}: {work}; {exact}{left}"


def _places(value: Fraction, digits: int) -> int:
    """How many decimals to divide to: until it ends, or one digit beyond the last that is kept."""
    most = max(0, places_for(value, digits) + 1) if digits else 20
    return next((p for p in range(most) if (value * 10**p).denominator == 1), most)
