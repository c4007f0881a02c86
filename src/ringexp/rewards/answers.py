"""What stands in a box: without decoration, in forms that Math-Verify reads, and, of plain numbers, the value.

Nothing is evaluated here. Two plain numbers are compared as fractions, wherever that is certain to be Math-Verify's
own verdict, at a thousandth of its cost.
"""

import re
from fractions import Fraction

_THOUSANDS = re.compile(r"-?[1-9]\d{0,2}(?:(?:,|\{,\}|\\,|\\!|\\ | |~)\d{3})+(?:\.\d+)?", re.ASCII)
_MIXED = re.compile(r"(-?\d+) +(\d+)/(\d+)", re.ASCII)
_POWER_OF_TEN = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)e[-+]?\d{1,3}", re.ASCII)

_WHOLE = re.compile(r"-?(?:0|[1-9]\d{0,11})", re.ASCII)
_DECIMAL = re.compile(r"-?(?:0|[1-9]\d{0,8})\.\d{1,6}", re.ASCII)
_FRACTION = re.compile(
    r"(-?)(?:(0|[1-9]\d{0,8})/([1-9]\d{0,8})|\\[dt]?frac\{(-?(?:0|[1-9]\d{0,8}))\}\{([1-9]\d{0,8})\})", re.ASCII
)


def bare(text: str) -> str:
    """An answer without white space, dollar signs and full stop around it, numbers written as Math-Verify reads them.

    Separators of thousands go (`1\\,000`, `1 000`), `1 1/2` is a mixed number, and `1.2e3` a power of ten.
    """
    text = text.strip()
    if len(text) > 1 and text[0] == text[-1] == "$" and "$" not in text[1:-1]:
        text = text[1:-1].strip()
    if text.endswith(".") and not text.endswith(".."):
        text = text[:-1].rstrip()
    if _THOUSANDS.fullmatch(text):
        return re.sub(r"[^-\d.]", "", text)
    if mixed := _MIXED.fullmatch(text):
        return "{}\\frac{{{}}}{{{}}}".format(*mixed.groups())
    return text.upper() if _POWER_OF_TEN.fullmatch(text) else text


def nesting(text: str) -> int:
    """The greatest depth of brackets of any sort."""
    depth = deepest = 0
    for char in text:
        if char in "([{":
            depth += 1
            deepest = max(deepest, depth)
        elif char in ")]}":
            depth -= 1
    return deepest


def plainly_equal(gold: str, answer: str) -> bool | None:
    """Whether two plain numbers are equal; None where that is Math-Verify's to say.

    Whole numbers and fractions are exact there as well. It compares decimals rounded to six places, so those of at
    most six are decided here, unless a fraction that is no such decimal might round to one.
    """
    first, second = _value(gold), _value(answer)
    if first is None or second is None:
        return None
    (value, decimal), (other, other_decimal) = first, second
    if value == other:
        return True
    whole = value.denominator == 1 or decimal, other.denominator == 1 or other_decimal
    return False if decimal == other_decimal or all(whole) else None


def _value(text: str) -> tuple[Fraction, bool] | None:
    """The value of a plain number and whether it is written as a decimal; None of anything else."""
    if _WHOLE.fullmatch(text):
        return Fraction(int(text)), False
    if _DECIMAL.fullmatch(text):
        return Fraction(text), True
    if found := _FRACTION.fullmatch(text):
        sign, above, below, latex_above, latex_below = found.groups()
        value = Fraction(int(above or latex_above), int(below or latex_below))
        return (-value if sign else value), False
    return None
