"""Two runs of one configuration held against each other, curve by curve: what a reproduction is judged by.

Pure: histories in, a verdict out. Times, speeds and system metrics are nobody's to repeat and take no part.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from ringexp.tracking.names import NOT_REPEATED

Curves = Mapping[tuple[str, str], Mapping[int, float]]
"""By (stage, metric): the value of each step."""

RELATIVE = 1e-3
"""How far a value may lie from the recorded one, as a share of the largest magnitude of its curve (our resolution)."""


class Verdict(StrEnum):
    """How well a run repeats another."""

    IDENTICAL = "identical"
    WITHIN_TOLERANCE = "within_tolerance"
    DIFFERENT = "different"


@dataclass(frozen=True, slots=True)
class Comparison:
    """The verdict; how many curves and points were compared, how many curves are not bitwise equal, where it begins."""

    verdict: Verdict
    curves: int
    points: int
    unequal: int
    first: str
    """The first step at which a curve leaves the recorded one, in words; empty where all are equal."""


def compare(then: Curves, now: Curves, steps: int | None = None) -> Comparison:
    """Compare all curves up to `steps` of the run's step axis (None: whole).

    A point that only one side has is a difference. Raises ValueError where there is nothing to compare.
    """
    sides = [_cut(side, steps) for side in (then, now)]
    points = sum(len(curve) for curve in sides[0].values())
    if not points:
        raise ValueError("the recorded run has no curve to compare with")
    departures = [found for key in sorted({*sides[0], *sides[1]})
                  for found in [_departure(key, sides[0].get(key, {}), sides[1].get(key, {}))] if found]  # fmt: skip
    beyond = [d for d in departures if not d.tolerated]
    verdict = Verdict.DIFFERENT if beyond else Verdict.WITHIN_TOLERANCE if departures else Verdict.IDENTICAL
    first = min(beyond or departures, key=lambda d: (d.step, d.where), default=None)
    return Comparison(verdict, len({*sides[0], *sides[1]}), points, len(departures), first.words if first else "")


def _cut(curves: Curves, steps: int | None) -> dict[tuple[str, str], dict[int, float]]:
    kept = {key: {step: value for step, value in curve.items() if steps is None or step <= steps}
            for key, curve in curves.items() if not key[1].startswith(NOT_REPEATED)}  # fmt: skip
    return {key: curve for key, curve in kept.items() if curve}


@dataclass(frozen=True, slots=True)
class _Departure:
    where: tuple[str, str]
    step: int
    words: str
    tolerated: bool


def _departure(where: tuple[str, str], then: Mapping[int, float], now: Mapping[int, float]) -> _Departure | None:
    """Where a curve first leaves the tolerance, else where it first is not equal."""
    largest = max((abs(value) for value in then.values()), default=0.0)
    unequal: _Departure | None = None
    for step in sorted({*then, *now}):
        old, new = then.get(step), now.get(step)
        if old == new:
            continue
        within = old is not None and new is not None and abs(old - new) <= RELATIVE * largest
        found = _Departure(where, step, f"{where[0]} step {step}: {where[1]} {_number(old)} then, {_number(new)} now",
                           within)  # fmt: skip
        if not within:
            return found
        unequal = unequal or found
    return unequal


def _number(value: float | None) -> str:
    return "nothing" if value is None else repr(value)
