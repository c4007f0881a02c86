"""Schedules as points of a search: baselines as the values of its keys, and how far the data go.

A searched schedule (conf/schedule/searched_*.yaml) reads single numbers by interpolation. A baseline is found by
inverting that, then held against the configuration with its values in place, so that it is what its name says.
"""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, cast

from omegaconf import DictConfig, OmegaConf

from ringexp.config.recipe import StageConfig
from ringexp.config.schedules import check_schedule
from ringexp.config.schema import Config
from ringexp.config.validate import typed
from ringexp.errors import ConfigError
from ringexp.mixing.schedule import Stage, normalised, resolve_stages
from ringexp.mixing.simplex import coordinates_from_weights, temperature_between, tilt_between, unfloored

BASELINES = ("uniform", "natural", "math_only", "two_stage", "joint", "reverse")
MATHS = "math"
TOLERANCE = 1e-9
Weights = dict[str, float]


@dataclass(frozen=True, slots=True)
class Plan:
    """What each stage mixes, and its share of the steps."""

    weights: Sequence[Weights]
    shares: Sequence[float]


def baseline(cfg: DictConfig, name: str) -> dict[str, float]:
    """The values (configuration key → number) at which the composed searched schedule is the baseline of that name.

    `uniform` and `natural` (weights as `data.sizes`) keep every stage's share. `two_stage` (maths, then the rest by
    their sizes: the paper's) and `reverse` divide the steps evenly over two stages. `joint` is `natural` in the last
    stage, and so under the raised length limit, `math_only` maths in the first. A stage beyond these gets a share of
    0, which leaves it one step, and its neighbour's weights. Raises ConfigError for another name and where the
    schedule cannot be that.
    """
    config = typed(cfg)
    schedule = config.schedule
    check_schedule(schedule, config.trainer.max_steps)
    plan = _plan(name, _sizes(config), [stage.share for stage in schedule.stages])
    values = {}
    if schedule.boundary is not None:
        values["schedule.boundary"] = plan.shares[0] / sum(plan.shares)
    if schedule.later_boundary is not None:
        later = sum(plan.shares[1:])
        values["schedule.later_boundary"] = plan.shares[1] / later if later > 0 else 0.0
    raw = cast(list[dict[str, Any]], OmegaConf.to_container(cfg.schedule.stages, resolve=False))
    before: Weights = {}
    try:
        for stage, read, weights in zip(schedule.stages, raw, plan.weights, strict=True):
            values.update(_stage_values(stage, read, weights, before))
            before = weights
    except ValueError as error:
        raise ConfigError(f"schedule={schedule.name}: cannot be the baseline {name}: {error}") from error
    _hold(cfg, name, values, plan)
    return values


def named_point(cfg: DictConfig, name: str, searched: Collection[str]) -> dict[str, float]:
    """The baseline as a point of a search over the keys `searched`.

    Raises ConfigError as `baseline` does, and where the baseline needs another value of a key that is not searched.
    """
    point = baseline(cfg, name)
    for key in point.keys() - set(searched):
        there = float(OmegaConf.select(cfg, key))
        if abs(there - point[key]) > TOLERANCE:
            raise ConfigError(f"baseline {name}: needs {key}={point[key]:g}, which is {there:g} and not "
                              "searched")  # fmt: skip
    return {key: value for key, value in point.items() if key in searched}


def _sizes(config: Config) -> Weights:
    """`data.sizes` of the domains that the schedule mixes."""
    domains = [d for stage in resolve_stages(config.schedule, config.trainer.max_steps) for d in stage.weights]
    for domain in domains:
        if domain not in config.data.sizes:
            raise ConfigError(f"data.sizes: no size for domain {domain!r} of schedule={config.schedule.name}; give one")
    return {domain: config.data.sizes[domain] for domain in dict.fromkeys(domains)}


def _plan(name: str, sizes: Weights, shares: Sequence[float]) -> Plan:
    """The baseline over as many stages as there are shares."""
    stages, none = len(shares), [0.0] * (len(shares) - 1)
    maths = {domain: float(domain == MATHS) for domain in sizes}
    others = {domain: 0.0 if domain == MATHS else size for domain, size in sizes.items()}
    if name == "uniform":
        return Plan([dict.fromkeys(sizes, 1 / len(sizes))] * stages, shares)
    if name == "natural":
        return Plan([normalised(sizes)] * stages, shares)
    if name == "joint":
        return Plan([normalised(sizes)] * stages, [*none, 1.0])
    if name not in BASELINES:
        raise ConfigError(f"baseline {name}: there are {', '.join(BASELINES)}")
    if MATHS not in sizes:
        raise ConfigError(f"baseline {name}: the schedule mixes no {MATHS}")
    if name == "math_only":
        return Plan([maths] * stages, [1.0, *none])
    if stages < 2 or not sum(others.values()) > 0:
        raise ConfigError(f"baseline {name}: needs two stages and a domain beside {MATHS}")
    first, second = (maths, normalised(others)) if name == "two_stage" else (normalised(others), maths)
    return Plan([first] + [second] * (stages - 1), [1.0, 1.0, *none[1:]])


def _stage_values(
    stage: StageConfig, read: Mapping[str, Any], weights: Weights, before: Weights
) -> Iterator[tuple[str, float]]:
    """The keys that a stage's weights are read from, with their values. Raises ValueError where there are none."""
    if stage.coordinates is not None:
        own = [weights[domain] for domain in stage.domains or []]
        yield from _keyed(read["coordinates"], coordinates_from_weights(own, stage.floor))
    if stage.prior is not None:
        own = unfloored([weights[domain] for domain in stage.prior], stage.floor)
        yield from _keyed([read["temperature"]], [temperature_between(list(stage.prior.values()), own)])
    if stage.tilt is not None:
        own = unfloored([weights[domain] for domain in before], stage.floor)
        tilt = dict(zip(before, tilt_between(list(before.values()), own), strict=True))
        zero = next((tilt[domain] for domain in before if domain not in stage.tilt), 0.0)
        yield from _keyed(list(read["tilt"].values()), [tilt[domain] - zero for domain in stage.tilt])


def _keyed(read: Sequence[Any], values: Sequence[float]) -> Iterator[tuple[str, float]]:
    """Values by the key that each is read from; a number that stands in the schedule itself has none."""
    for node, value in zip(read, values, strict=True):
        if found := re.fullmatch(r"\$\{([\w.]+)\}", str(node)):
            yield found[1], value


def _hold(cfg: DictConfig, name: str, values: Mapping[str, float], plan: Plan) -> None:
    """The schedule with these values is the plan. Raises ConfigError where it is not."""
    there = deepcopy(cfg)
    OmegaConf.set_readonly(there, False)
    for key, value in values.items():
        OmegaConf.update(there, key, value)
    config = typed(there)
    found = Plan([dict(stage.weights) for stage in resolve_stages(config.schedule, config.trainer.max_steps)],
                 [stage.share for stage in config.schedule.stages])  # fmt: skip
    shares = zip(found.shares, plan.shares, strict=True)
    apart = [abs(f / sum(found.shares) - p / sum(plan.shares)) for f, p in shares]
    for own, wanted in zip(found.weights, plan.weights, strict=True):
        apart += [abs(own.get(domain, 0.0) - weight) for domain, weight in wanted.items()]
    if not max(apart) <= TOLERANCE:
        raise ConfigError(f"schedule={config.schedule.name}: cannot be the baseline {name}: the nearest that "
                          f"its numbers come is {max(apart):.2g} away")  # fmt: skip


def availability(
    stages: Sequence[Stage], prompts_per_step: int, rounds: int, pools: Mapping[str, int], epochs: float
) -> dict[str, float]:
    """Domain → epochs of its pool that the stages draw at most, less those allowed: a constraint, kept where ≤ 0.

    `rounds` are those a step may draw; `pools` counts training prompts. Raises ValueError for a domain with weight
    whose pool is empty or absent.
    """
    drawn: Weights = {}
    for stage in stages:
        for domain, weight in stage.weights.items():
            drawn[domain] = drawn.get(domain, 0.0) + stage.steps * prompts_per_step * rounds * weight
    empty = [domain for domain, count in drawn.items() if count > 0 and not pools.get(domain)]
    if empty:
        raise ValueError(f"no prompts for domain {empty[0]!r}")
    return {domain: count / pools[domain] - epochs for domain, count in drawn.items() if pools.get(domain)}
