"""Judging quantities in the Math-Verify process: units by Pint, numbers exactly, a tolerance around the gold answer.

Pint is imported when a judge is made. It looks up single names only; conversion is in fractions, so that an answer at
the very edge of its tolerance is judged the same everywhere.
"""

import re
from collections.abc import Callable
from fractions import Fraction
from typing import Any

from ringexp.rewards.quantities import Quantity, UnreadableError, read_quantity, split_tolerance

Judge = Callable[[str, str], dict[str, str]]
_NAMES = {"Nm": (("N", 1), ("m", 1)), "amu": (("u", 1),), "sec": (("s", 1),)}
_COUNTED = re.compile(r"(?:atom|molecule|particle|neutron|proton|electron|nucleon|ion|time)s?")
_TEMPERATURES = {"C": "degC", "F": "degF"}
_LIMIT = 10**60


class UnknownUnitError(ValueError):
    """A name in a unit is none that Pint knows."""


class QuantityJudge:
    """Judges answers against gold answers with units; golds that are no quantities go to another judge.

    Args:
        otherwise: the judge of other answers, Math-Verify's.
        number: the value of a number that is an expression, None if it is not a real number.
        relative_tolerance: how far off an answer may be, as a share of the gold number, where the gold answer does
            not say it itself.
    """

    def __init__(
        self, otherwise: Judge, number: Callable[[str], Fraction | None], relative_tolerance: float
    ) -> None:
        import pint

        self._registry: Any = pint.UnitRegistry(non_int_type=Fraction, cache_folder=None)
        self._registry.default_format = ""
        self._no_unit = (pint.errors.PintError, ValueError)  # ValueError: a name that is a number, as nan
        self._otherwise, self._number = otherwise, number
        self._relative = Fraction(str(relative_tolerance))
        self._units: dict[str, Any] = {}

    def __call__(self, gold: str, answer: str) -> dict[str, str]:
        """Outcome and detail, as `Outcome` has them; never raises."""
        try:
            bare, tolerance = split_tolerance(gold)
            wanted = read_quantity(bare)
            value = self._value(wanted)
        except UnreadableError:
            return self._otherwise(gold, answer)
        except Exception as error:
            return {"outcome": "error", "detail": f"{type(error).__name__} in the gold answer"}
        if tolerance is None:
            tolerance = abs(value) * self._relative
        try:
            return self._compare(wanted, value, tolerance, answer)
        except Exception as error:
            return {"outcome": "error", "detail": f"{type(error).__name__} in a quantity"}

    def _compare(self, wanted: Quantity, value: Fraction, tolerance: Fraction, answer: str) -> dict[str, str]:
        try:
            unit = self._unit(wanted.unit)
        except UnknownUnitError:
            return {"outcome": "error", "detail": "unknown unit in the gold answer"}
        try:
            found = read_quantity(answer)
            given = self._value(found)
            found_unit = self._unit(_temperature(found.unit, unit, self._registry))
        except UnreadableError as error:
            return {"outcome": "unparsable", "detail": str(error)}
        except UnknownUnitError:
            return {"outcome": "unparsable", "detail": "unknown unit"}
        if not found.unit and not unit.dimensionless:
            return {"outcome": "wrong", "detail": "no unit"}
        if found_unit.dimensionality != unit.dimensionality:
            return {"outcome": "wrong", "detail": "wrong unit"}
        converted = Fraction(self._registry.Quantity(given, found_unit).to(unit).magnitude)
        if abs(converted - value) <= tolerance:
            return {"outcome": "correct", "detail": ""}
        return {"outcome": "wrong", "detail": "not equal"}

    def _value(self, quantity: Quantity) -> Fraction:
        """The exact value of a quantity's number.

        Raises:
            UnreadableError: it is not a real number, or beyond 10^60.
        """
        value = quantity.value if quantity.value is not None else self._number(quantity.text)
        if value is None:
            raise UnreadableError("not a number")
        if abs(value) > _LIMIT:
            raise UnreadableError("number out of range")
        return value

    def _unit(self, powers: tuple[tuple[str, int], ...]) -> Any:
        """The unit in Pint's terms; temperatures inside a compound are differences."""
        unit = self._registry.Unit("")
        for name, power in powers:
            if name in _NAMES:
                for part, inner in _NAMES[name]:
                    unit *= self._named(part) ** (inner * power)
                continue
            one = self._named(name)
            if len(powers) == 1 and power == 1:
                return one
            unit *= self._difference(one) ** power
        return unit

    def _difference(self, unit: Any) -> Any:
        text = str(unit)
        return self._registry.Unit(f"delta_{text}") if text in ("degree_Celsius", "degree_Fahrenheit") else unit

    def _named(self, name: str) -> Any:
        """The unit of one name, as written or, from four letters on, in small letters.

        Raises:
            UnknownUnitError: there is no such unit.
        """
        if name not in self._units:
            self._units[name] = self._look_up(name)
        if self._units[name] is None:
            raise UnknownUnitError(name)
        return self._units[name]

    def _look_up(self, name: str) -> Any:
        if _COUNTED.fullmatch(name):
            return self._registry.Unit("")
        for spelling in (name, name.lower())[: 1 + (len(name) > 3)]:
            try:
                return self._registry.Unit(spelling)
            except self._no_unit:
                continue
        return None


def _temperature(powers: tuple[tuple[str, int], ...], wanted: Any, registry: Any) -> tuple[tuple[str, int], ...]:
    """C and F alone are degrees where a temperature is asked for, not coulomb and farad."""
    alone = len(powers) == 1 and powers[0][0] in _TEMPERATURES and powers[0][1] == 1
    if alone and wanted.dimensionality == registry.Unit("kelvin").dimensionality:
        return ((_TEMPERATURES[powers[0][0]], 1),)
    return powers
