"""The search space: parameters with Optuna's distributions and conditions, its points, and points as overrides."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from ringexp.errors import ConfigError
from ringexp.sweep.settings import KEY

Point = Mapping[str, Any]

LISTED = 100_000
"""Spaces of up to so many combinations are known point by point."""


@dataclass(frozen=True)
class Parameter:
    """One searched key. `texts` are a choice's values as overrides; `when` holds the values others must have."""

    key: str
    distribution: BaseDistribution
    prefix: str = ""
    texts: tuple[str, ...] = ()
    when: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)

    def text(self, value: Any) -> str:
        """The override that sets the value."""
        if isinstance(self.distribution, CategoricalDistribution):
            return f"{self.prefix}{self.key}={self.texts[int(self.distribution.to_internal_repr(value))]}"
        return f"{self.prefix}{self.key}={value!r}"

    def values(self) -> list[Any] | None:
        """All values in order, None where there are more than LISTED."""
        d = self.distribution
        if isinstance(d, CategoricalDistribution):
            return list(d.choices)
        if isinstance(d, FloatDistribution) and d.step is None and d.low < d.high:
            return None
        if not isinstance(d, IntDistribution | FloatDistribution):
            return None
        step = d.step or 1
        count = round((d.high - d.low) / step) + 1
        return [min(d.low + i * step, d.high) for i in range(count)] if count <= LISTED else None

    def first(self) -> Any:
        """The first value: of a distribution of one, the only one."""
        d: Any = self.distribution
        return d.choices[0] if isinstance(d, CategoricalDistribution) else d.low

    def __str__(self) -> str:
        condition = f" when {dict(self.when)}" if self.when else ""
        return f"{self.distribution}{condition}"


@dataclass(frozen=True)
class Search:
    """The searched parameters, each after those it depends on, and the overrides that every job gets as they are."""

    parameters: tuple[Parameter, ...]
    fixed: tuple[str, ...]

    def active(self, point: Point) -> Iterator[Parameter]:
        """The parameters in force at a point, which may be filled while they are walked through."""
        for parameter in self.parameters:
            if all(other in point and any(same(point[other], v) for v in values)
                   for other, values in parameter.when.items()):  # fmt: skip
                yield parameter

    def overrides(self, point: Point) -> list[str]:
        """The point as overrides; keys that are not in force keep what the configuration says."""
        return [parameter.text(point[parameter.key]) for parameter in self.active(point)]

    def points(self) -> list[dict[str, Any]] | None:
        """Every point, None for a space with a continuous parameter or more than LISTED combinations."""
        size = 1
        for parameter in self.parameters:
            values = parameter.values()
            size *= len(values) if values is not None else LISTED + 1
            if size > LISTED:
                return None
        return list(self._extend({}, 0))

    def _extend(self, point: dict[str, Any], index: int) -> Iterator[dict[str, Any]]:
        if index == len(self.parameters):
            yield dict(point)
            return
        parameter = self.parameters[index]
        if parameter not in list(self.active(point)):
            yield from self._extend(point, index + 1)
            return
        for value in parameter.values() or ():
            yield from self._extend(point | {parameter.key: value}, index + 1)

    def described(self) -> dict[str, str]:
        """The space in words, by key: what two commands on one study are compared by."""
        return {parameter.key: str(parameter) for parameter in self.parameters}

    def check(self, point: Point, where: str = f"{KEY}.enqueue") -> dict[str, Any]:
        """A point from the configuration, its values those of the space. Raises ConfigError naming the key."""
        known = {parameter.key: parameter.distribution for parameter in self.parameters}
        for key, value in point.items():
            if key not in known:
                raise ConfigError(f"{where}: {key} is not searched; the keys are {', '.join(known)}")
            if not contains(known[key], value):
                raise ConfigError(f"{where}: {key}={value} is not in {known[key]}")
        return {key: _plain(known[key], value) for key, value in point.items()}


Identity = frozenset[tuple[str, str, str]]


def identity(point: Point) -> Identity:
    """What two points are compared by: floats to 12 digits; 1 is neither true nor "1"."""
    return frozenset((key, type(value).__name__, f"{value:.12g}" if isinstance(value, float) else str(value))
                     for key, value in point.items())  # fmt: skip


def contains(distribution: BaseDistribution, value: Any) -> bool:
    """Whether a value from a configuration lies in the distribution."""
    if isinstance(distribution, CategoricalDistribution):
        return any(same(value, choice) for choice in distribution.choices)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return distribution._contains(distribution.to_internal_repr(value))


def _plain(distribution: BaseDistribution, value: Any) -> Any:
    if isinstance(distribution, CategoricalDistribution):
        return next(choice for choice in distribution.choices if same(value, choice))
    return int(value) if isinstance(distribution, IntDistribution) else float(value)


def same(first: Any, second: Any) -> bool:
    """Equal, true and 1 told apart."""
    return bool(first == second) and isinstance(first, bool) == isinstance(second, bool)


def free_points(points: Sequence[Point], taken: set[Identity], given: Point) -> list[Point]:
    """The points that nothing has taken and that agree with what is given."""
    known = ((point, identity(point)) for point in points)
    return [point for point, name in known if name not in taken and identity(given) <= name]


