"""Decimal numbers of the built-in science problems: exact scaling, rounding to significant digits, plain writing."""

from fractions import Fraction


def shifted(number: int, power: int) -> str:
    """number*10^power in plain decimal digits: (47, -1) → "4.7"."""
    return written(number * Fraction(10) ** power)


def written(value: Fraction) -> str:
    """A non-negative value in plain decimal digits, exactly.

    Raises:
        ValueError: the value has no end in decimal digits.
    """
    places = 0
    while (value * 10**places).denominator != 1:
        places += 1
        if places > 20:
            raise ValueError(f"{value} has no finite decimal form")
    digits = str(int(value * 10**places)).zfill(places + 1)
    return f"{digits[:-places]}.{digits[-places:]}" if places else digits


def places_for(value: Fraction, digits: int) -> int:
    """How many decimals show so many significant digits of a positive value; negative before the decimal point."""
    places = digits - len(str(int(value)))
    while value * Fraction(10) ** places < 10 ** (digits - 1):
        places += 1
    return places


def rounded(value: Fraction, digits: int) -> Fraction:
    """A positive value to so many significant digits, halves upward."""
    power = Fraction(10) ** places_for(value, digits)
    return Fraction(int(value * power + Fraction(1, 2))) / power
