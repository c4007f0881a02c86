"""RL stages: what each mixes, and how many of the run's steps it gets."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ringexp.config.recipe import ScheduleConfig, StageConfig
from ringexp.mixing.simplex import floored, tempered, tilted, weights_from_coordinates


@dataclass(frozen=True, slots=True)
class Stage:
    """One RL stage: normalised domain weights, its steps, its length limit; `first_step` counts RL steps before it."""

    name: str
    weights: Mapping[str, float]
    steps: int
    first_step: int
    max_response_tokens: int


def normalised(weights: Mapping[str, float]) -> dict[str, float]:
    """The weights divided by their sum. Raises ValueError where that is not positive or a weight is negative."""
    total = sum(weights.values())
    if not total > 0 or min(weights.values()) < 0:
        raise ValueError(f"domain weights must be non-negative with a positive sum, not {dict(weights)}")
    return {domain: weight / total for domain, weight in weights.items()}


def stage_weights(stage: StageConfig, before: Mapping[str, float] | None = None) -> dict[str, float]:
    """A stage's normalised weights, from whichever form it has; `before` are those of the stage before, for a tilt.

    Raises ValueError for a tilt without a stage before, or of a domain that stage does not have.
    """
    if stage.weights is not None:
        return normalised(stage.weights)
    if stage.prior is not None:
        temperature = 1.0 if stage.temperature is None else stage.temperature
        return _floored(stage.prior, tempered(list(stage.prior.values()), temperature), stage.floor)
    if stage.tilt is not None:
        if before is None or not set(stage.tilt) <= set(before):
            raise ValueError(f"a tilt of {list(stage.tilt)} needs a stage before it over these domains")
        tilt = [stage.tilt.get(domain, 0.0) for domain in before]
        return _floored(before, tilted(list(before.values()), tilt), stage.floor)
    weights = weights_from_coordinates(stage.coordinates or [], stage.floor)
    return dict(zip(stage.domains or [], weights, strict=True))


def _floored(domains: Iterable[str], weights: Sequence[float], floor: float) -> dict[str, float]:
    return dict(zip(domains, floored(weights, floor), strict=True))


def split_steps(shares: list[float], steps: int) -> list[int]:
    """`steps` divided by the shares: at least 1 each, largest remainders first, summing to `steps` exactly.

    So a stage with a share of 0 has one step. Raises ValueError where there are fewer steps than shares.
    """
    if steps < len(shares):
        raise ValueError(f"{steps} steps cannot be split over {len(shares)} stages")
    spare = steps - len(shares)
    exact = [share / sum(shares) * steps - 1 for share in shares]
    wanted = [max(0.0, x) for x in exact]
    scale = spare / sum(wanted) if sum(wanted) > 0 else 0.0
    parts = [x * scale for x in wanted]
    counts = [int(x) for x in parts]
    by_remainder = sorted(range(len(shares)), key=lambda i: (counts[i] - parts[i], i))
    for i in by_remainder[: spare - sum(counts)]:
        counts[i] += 1
    return [1 + count for count in counts]


def resolve_stages(config: ScheduleConfig, max_steps: int) -> list[Stage]:
    """The configured stages with their steps, in order."""
    counts = split_steps([stage.share for stage in config.stages], max_steps)
    stages: list[Stage] = []
    for stage, count in zip(config.stages, counts, strict=True):
        weights = stage_weights(stage, stages[-1].weights if stages else None)
        first = stages[-1].first_step + stages[-1].steps if stages else 0
        stages.append(Stage(stage.name, weights, count, first, stage.max_response_tokens))
    return stages
