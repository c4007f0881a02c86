"""Checks of the schedule: shares, boundaries, and what the weights of each stage are made of."""

import math
from collections.abc import Mapping
from typing import cast

from ringexp.config.recipe import ScheduleConfig, StageConfig
from ringexp.errors import ConfigError


def check_weights(key: str, weights: Mapping[str, float]) -> None:
    """Weights that can be normalised. Raises ConfigError."""
    if any(not weight >= 0 for weight in weights.values()):
        raise ConfigError(f"{key}={dict(weights)}: no weight may be negative")
    if not 0 < sum(weights.values()) < float("inf"):
        raise ConfigError(f"{key}={dict(weights)}: the weights sum to {sum(weights.values()):g}; give one domain more")


def check_schedule(schedule: ScheduleConfig, max_steps: int) -> None:
    """Stages that can be run in `max_steps` steps, each with one possible form of weights. Raises ConfigError."""
    stages = schedule.stages
    if not stages:
        raise ConfigError("schedule.stages: at least one stage is needed")
    names = [stage.name for stage in stages]
    if len(set(names)) < len(names):
        raise ConfigError(f"schedule.stages: two stages share a name in {names}")
    _boundaries(schedule)
    before: list[str] = []
    for stage in stages:
        where = f"schedule.stages[{stage.name}]"
        before = _mixture(where, stage, before)
        if not 0 <= stage.share < float("inf"):
            raise ConfigError(f"{where}.share={stage.share}: must not be negative, and finite")
        if stage.max_response_tokens < 1:
            raise ConfigError(f"{where}.max_response_tokens={stage.max_response_tokens}: must be at least 1")
    if not sum(stage.share for stage in stages) > 0:
        raise ConfigError("schedule.stages: every share is 0; give one stage a share of the steps")
    if len(stages) > max_steps:
        raise ConfigError(f"trainer.max_steps={max_steps}: fewer steps than schedule.stages")


def _boundaries(schedule: ScheduleConfig) -> None:
    for key, value in (("boundary", schedule.boundary), ("later_boundary", schedule.later_boundary)):
        if value is not None and not 0 <= value <= 1:
            raise ConfigError(f"schedule.{key}={value}: must lie between 0 and 1")


FORMS = "weights, domains with coordinates, prior, or tilt"


def _mixture(where: str, stage: StageConfig, before: list[str]) -> list[str]:
    """One form of weights, which is possible; the stage's domains. `before`: those of the stage before."""
    forms = [form for form in ("weights", "coordinates", "prior", "tilt") if getattr(stage, form) is not None]
    if len(forms) > 1:
        raise ConfigError(f"{where}: {forms[0]} and {forms[1]} are both given; set one of them to null")
    if not forms or (forms == ["coordinates"] and not stage.domains):
        raise ConfigError(f"{where}: give {FORMS}")
    if stage.temperature is not None and stage.prior is None:
        raise ConfigError(f"{where}.temperature={stage.temperature}: is that of a prior; give one, or set it to null")
    domains = {"weights": _given, "coordinates": _stick_breaking, "prior": _prior, "tilt": _tilt}[forms[0]](
        where, stage, before
    )
    if not 0 <= stage.floor <= 1 / len(domains):
        raise ConfigError(f"{where}.floor={stage.floor}: must lie between 0 and 1/{len(domains)}, an even mix of "
                          f"{', '.join(domains)}")  # fmt: skip
    return domains


def _given(where: str, stage: StageConfig, before: list[str]) -> list[str]:
    weights = cast(dict[str, float], stage.weights)
    check_weights(f"{where}.weights", weights)
    if stage.floor != 0:
        raise ConfigError(f"{where}.floor={stage.floor}: weights are taken as they are; raise the lowest, or give "
                          "coordinates, prior or tilt")  # fmt: skip
    return list(weights)


def _stick_breaking(where: str, stage: StageConfig, before: list[str]) -> list[str]:
    domains, coordinates = list(stage.domains or []), list(stage.coordinates or [])
    if len(set(domains)) < len(domains):
        raise ConfigError(f"{where}.domains={domains}: a domain is named twice")
    if len(coordinates) != len(domains) - 1:
        raise ConfigError(f"{where}.coordinates={coordinates}: {len(domains)} domains take {len(domains) - 1} "
                          "coordinates")  # fmt: skip
    if any(not 0 <= u <= 1 for u in coordinates):
        raise ConfigError(f"{where}.coordinates={coordinates}: each must lie between 0 and 1")
    return domains


def _prior(where: str, stage: StageConfig, before: list[str]) -> list[str]:
    prior = cast(dict[str, float], stage.prior)
    check_weights(f"{where}.prior", prior)
    if stage.temperature is not None and not stage.temperature > 0:
        raise ConfigError(f"{where}.temperature={stage.temperature}: must be greater than 0; inf is an even mix")
    return list(prior)


def _tilt(where: str, stage: StageConfig, before: list[str]) -> list[str]:
    tilt = cast(dict[str, float], stage.tilt)
    if not before:
        raise ConfigError(f"{where}.tilt: the first stage has none before it; give weights, domains with coordinates, "
                          "or prior")  # fmt: skip
    for domain, value in tilt.items():
        if domain not in before:
            raise ConfigError(f"{where}.tilt: domain {domain!r} is not in the stage before, which has "
                              f"{', '.join(before)}")  # fmt: skip
        if not math.isfinite(value):
            raise ConfigError(f"{where}.tilt.{domain}={value}: must be finite")
    return before
