"""What `hydra.sweeper` may say. Nothing here imports Optuna: the command builds the sweeper before it needs it."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, TypeGuard

from ringexp.errors import ConfigError

KEY = "hydra.sweeper"

DIRECTIONS = ("minimize", "maximize")


@dataclass(frozen=True)
class Winners:
    """`n` best trials to run again (0: search), over `seeds` (a number of them, or which), beside `baselines`.

    A baseline is a point, a mixing baseline's name, or `default`: what the configuration says. `overrides` is a piece
    of configuration that holds in these runs alone. The `observer` is that of the runs, in place of the search's.
    """

    n: int = 0
    seeds: int | Sequence[int] = 5
    baselines: Sequence[Mapping[str, Any] | str] = ("default",)
    overrides: Mapping[str, Any] = field(default_factory=dict)
    observer: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Settings:
    """The keys of hydra-optuna-sweeper with Optuna's defaults, and ours; docs/sweeps.md says what each means.

    `warmup` in steps, `grace` in seconds, `max_failure_rate` of `n_trials`.
    """

    study_name: str | None = None
    storage: str | None = None
    folder: str = "sweeps"
    direction: str = "minimize"
    n_trials: int = 20
    n_jobs: int = 1
    max_failure_rate: float = 0.0
    params: Mapping[str, Any] = field(default_factory=dict)
    enqueue: Sequence[Mapping[str, Any] | str] = ()
    sampler: Any = "tpe"
    seed: int | None = 0
    pruner: Any = "median"
    warmup: int = 0
    retries: int = 0
    grace: float = 60.0
    observer: Mapping[str, Any] | None = None
    winners: Winners = field(default_factory=Winners)
    custom_search_space: Any = None


def settings(given: Mapping[str, Any]) -> Settings:
    """Settings from plain data. Raises ConfigError for an unknown key or an impossible value."""
    _known(given, Settings, KEY)
    chosen = {key: value for key, value in given.items() if value is not None or key in OPTIONAL}
    if "winners" in chosen:
        chosen["winners"] = _winners(chosen["winners"])
    checked = Settings(**chosen)
    _check(checked)
    return checked


def _known(given: Mapping[str, Any], kind: type[Any], where: str) -> None:
    known = {f.name for f in fields(kind)}
    for key in given:
        if key not in known:
            raise ConfigError(f"{where}.{key}: unknown; the keys are {', '.join(sorted(known))}")


def _winners(given: Any) -> Winners:
    key = f"{KEY}.winners"
    if not isinstance(given, Mapping):
        raise ConfigError(f"{key}={given}: write it as {{n: 1, seeds: 5}}, or give {key}.n")
    _known(given, Winners, key)
    winners = Winners(**given)
    if type(winners.n) is not int or winners.n < 0:
        raise ConfigError(f"{key}.n={winners.n}: must be a whole number, at least 0")
    seeds = winners.seeds if _is_list(winners.seeds) else [winners.seeds]
    least = 0 if _is_list(winners.seeds) else 1
    if not seeds or not all(type(seed) is int and seed >= least for seed in seeds) or len(set(seeds)) < len(seeds):
        raise ConfigError(f"{key}.seeds={winners.seeds}: give a number of seeds, or different seeds [1,2,3]")
    if not _is_list(winners.baselines) or not all(isinstance(entry, Mapping | str) for entry in winners.baselines):
        raise ConfigError(f"{key}.baselines={winners.baselines}: write it as [two_stage, {{x: 0.5}}]")
    if not isinstance(winners.overrides, Mapping):
        raise ConfigError(f"{key}.overrides={winners.overrides}: write it as {{evaluation: {{split: test}}}}")
    return winners


def _is_list(value: Any) -> TypeGuard[Sequence[Any]]:
    return isinstance(value, Sequence) and not isinstance(value, str)


OPTIONAL = ("study_name", "storage", "seed", "pruner", "observer", "custom_search_space")
"""Keys whose null is not the default's."""


def _check(given: Settings) -> None:
    if given.direction not in DIRECTIONS:
        raise ConfigError(f"{KEY}.direction={given.direction}: use minimize or maximize (one objective)")
    for key, least in (("n_trials", 1), ("n_jobs", 1), ("warmup", 0), ("retries", 0), ("seed", 0)):
        value = getattr(given, key)
        if not (type(value) is int and value >= least) and not (key == "seed" and value is None):
            raise ConfigError(f"{KEY}.{key}={value}: must be a whole number, at least {least}")
    if not _number(given.max_failure_rate) or not 0 <= given.max_failure_rate <= 1:
        raise ConfigError(f"{KEY}.max_failure_rate={given.max_failure_rate}: must lie between 0 and 1")
    if not _number(given.grace) or not 0 < given.grace < math.inf:
        raise ConfigError(f"{KEY}.grace={given.grace}: must be a number of seconds greater than 0")
    for key, kind, example in (("params", Mapping, "{x: interval(0,1)}"), ("enqueue", Sequence, "[{x: 0.5}]")):
        if not isinstance(getattr(given, key), kind) or isinstance(getattr(given, key), str):
            raise ConfigError(f"{KEY}.{key}={getattr(given, key)}: write it as {example}")
    for point in given.enqueue:
        if not isinstance(point, Mapping | str):
            raise ConfigError(f"{KEY}.enqueue: {point} is not a point; write each as {{key: value}}, or as a "
                              "baseline's name")  # fmt: skip
    if given.custom_search_space is not None:
        raise ConfigError(f"{KEY}.custom_search_space: not supported; write a parameter that depends on another as "
                          "{space: interval(0,1), when: {other: value}}")  # fmt: skip
    if given.storage is not None and not isinstance(given.storage, str):
        raise ConfigError(f"{KEY}.storage={given.storage}: give a URL or the path of a journal")


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
