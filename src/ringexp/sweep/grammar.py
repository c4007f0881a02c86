"""Hydra's override grammar as a search space.

`interval(a,b)`, `range(a,b[,step])` (b included, as in hydra-optuna-sweeper), `choice(…)`, `int(…)`, `tag(log, …)`.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from hydra.core.config_loader import ConfigLoader
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import IntervalSweep, Override, Quote, QuotedString, RangeSweep, Transformer
from hydra.errors import HydraException
from optuna.distributions import (
    BaseDistribution,
    CategoricalChoiceType,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from ringexp.errors import ConfigError
from ringexp.sweep.search import Parameter, Search, contains
from ringexp.sweep.settings import KEY


def parse(params: Mapping[str, Any], arguments: Sequence[str], loader: ConfigLoader | None = None) -> Search:
    """The space of `hydra.sweeper.params` and of the command line, whose entries replace those of the same key."""
    conditions: dict[str, Mapping[str, Any]] = {}
    lines = []
    for key, value in params.items():
        if isinstance(value, Mapping):
            conditions[str(key).lstrip("+")] = _condition(key, value)
            value = value["space"]
        lines.append((f"{KEY}.params.{key}={value}", f"{key}={_yaml_text(value)}"))
    found: dict[str, Override] = {}
    for name, line in [*lines, *((argument, argument) for argument in arguments)]:
        override = _override(name, line, loader)
        found.pop(_key(override), None)
        found[_key(override)] = override
    searched = [_parameter(o, conditions.get(_key(o), {})) for o in found.values() if o.is_sweep_override()]
    fixed = tuple(str(o.input_line) for o in found.values() if not o.is_sweep_override())
    if not searched:
        raise ConfigError(f"{KEY}.params: nothing to search; give e.g. 'x=interval(0,1)' or 'x=choice(a,b)'")
    for key in conditions:
        if not found[key].is_sweep_override():
            raise ConfigError(f"{KEY}.params.{key}: a fixed value takes no condition; leave out `when`")
    return Search(_ordered(searched), fixed)


def _override(name: str, line: str, loader: ConfigLoader | None) -> Override:
    try:
        (override,) = OverridesParser.create(config_loader=loader).parse_overrides([line])
    except HydraException as error:
        lines = [part for part in str(error).splitlines() if not part.startswith(("See ", "Error parsing override"))]
        raise ConfigError(f"{name}: not in Hydra's override grammar ({' '.join(lines)})") from error
    return override


def _key(override: Override) -> str:
    """The key without `+` and `~`."""
    return str(override.get_key_element()).lstrip("+~")


def _yaml_text(value: Any) -> str:
    """A value from YAML as one would write it on the command line."""
    return str(value) if isinstance(value, str) else str(Transformer.str(value))


def leaves(tree: Mapping[str, Any], key: str = "") -> Iterator[str]:
    """A piece of configuration as overrides, one for each value in it."""
    for name, value in tree.items():
        full = f"{key}.{name}".removeprefix(".")
        if isinstance(value, Mapping):
            yield from leaves(value, full)
        else:
            yield f"{full}={_choice_text(value)}"


def _condition(key: str, entry: Mapping[str, Any]) -> Mapping[str, Any]:
    if set(entry) - {"space", "when"} or not isinstance(entry.get("space"), str):
        raise ConfigError(f"{KEY}.params.{key}: write it as {{space: interval(0,1), when: {{other: value}}}}")
    when = entry.get("when") or {}
    if not isinstance(when, Mapping):
        raise ConfigError(f"{KEY}.params.{key}.when={when}: write it as {{other: value}} or {{other: [values]}}")
    return when


def _parameter(override: Override, when: Mapping[str, Any]) -> Parameter:
    key = _key(override)
    prefix = re.match(r"\+*", override.get_key_element())
    values = {other: tuple(v) if isinstance(v, list | tuple) else (v,) for other, v in when.items()}
    try:
        distribution, texts = _distribution(override)
    except ValueError as error:
        raise ConfigError(f"{override.input_line}: {error}") from error
    return Parameter(key, distribution, prefix[0] if prefix else "", texts, values)


def _distribution(override: Override) -> tuple[BaseDistribution, tuple[str, ...]]:
    """The distribution, and a choice's values as override texts. Raises ValueError."""
    value: Any = override.value()
    if getattr(value, "shuffle", False):
        raise ValueError("shuffle(…) has no meaning here; the sampler decides the order")
    tags: set[str] = getattr(value, "tags", set())
    if tags - {"log"}:
        raise ValueError(f"unknown tag {', '.join(sorted(tags - {'log'}))}; only log is known")
    log = "log" in tags
    if isinstance(value, IntervalSweep):
        if type(value.start) is int and type(value.end) is int:
            return IntDistribution(value.start, value.end, log=log), ()
        return FloatDistribution(float(value.start), float(value.end), log=log), ()
    if isinstance(value, RangeSweep):
        return _range(value, log), ()
    if log:
        raise ValueError("log is for interval(…) and range(…)")
    elements = list(override.sweep_iterator())
    return CategoricalDistribution([_choice(e) for e in elements]), tuple(_choice_text(e) for e in elements)


def _range(value: Any, log: bool) -> BaseDistribution:
    if all(type(part) is int for part in (value.start, value.stop, value.step)):
        return IntDistribution(value.start, value.stop, log=log, step=value.step)
    if log:
        raise ValueError("log and a step exclude one another; use interval(…)")
    return FloatDistribution(float(value.start), float(value.stop), step=float(value.step))


def _choice(element: Any) -> CategoricalChoiceType:
    """A choice as Optuna keeps it: numbers and texts as they are, lists and mappings as their text."""
    if isinstance(element, QuotedString):
        return str(element.text)
    plain: str | int | float | bool | None = (
        element if element is None or isinstance(element, str | int | float | bool) else str(Transformer.str(element))
    )
    return plain


PLAIN = re.compile(r"(?!(?:true|false|null|nan|inf)$)[a-z_][\w.-]*", re.IGNORECASE)
"""Texts that Hydra's grammar reads as themselves without quotes."""


def _choice_text(element: Any) -> str:
    """A choice as an override's value; a text that would read as something else in quotes."""
    if isinstance(element, str) and not PLAIN.fullmatch(element):
        return str(QuotedString(element, Quote.single).with_quotes())
    return str(Transformer.str(element))


def _ordered(parameters: Sequence[Parameter]) -> tuple[Parameter, ...]:
    """Each after those that its condition names. Raises ConfigError for what is not searched, and for a circle."""
    by_key = {parameter.key: parameter for parameter in parameters}
    for parameter in parameters:
        for other, values in parameter.when.items():
            where = f"{KEY}.params.{parameter.key}.when.{other}"
            if other not in by_key:
                raise ConfigError(f"{where}: {other} is not searched; the keys are {', '.join(by_key)}")
            for value in values:
                if not contains(by_key[other].distribution, value):
                    raise ConfigError(f"{where}={value}: not in {by_key[other].distribution}")
    done: list[Parameter] = []
    waiting = list(parameters)
    while waiting:
        ready = [p for p in waiting if p.when.keys() <= {q.key for q in done}]
        if not ready:
            raise ConfigError(f"{KEY}.params: {', '.join(p.key for p in waiting)} depend on one another in a circle")
        done += ready
        waiting = [p for p in waiting if p not in ready]
    return tuple(done)
