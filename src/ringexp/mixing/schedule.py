"""RL stages: what each mixes, and how many of the run's steps it gets."""

from collections.abc import Mapping
from dataclasses import dataclass

from ringexp.config.schema import ScheduleConfig, StageConfig
from ringexp.mixing.simplex import weights_from_coordinates


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


def stage_weights(stage: StageConfig) -> dict[str, float]:
    """A stage's normalised weights, from its coordinates where it has some (see `mixing.simplex`)."""
    if stage.weights is not None:
        return normalised(stage.weights)
    return dict(zip(stage.domains or [], weights_from_coordinates(stage.coordinates or []), strict=True))


def split_steps(shares: list[float], steps: int) -> list[int]:
    """`steps` divided by the shares: at least 1 each, largest remainders first, summing to `steps` exactly.

    Raises ValueError where there are fewer steps than shares.
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
    firsts = [sum(counts[:i]) for i in range(len(counts))]
    return [
        Stage(stage.name, stage_weights(stage), count, first, stage.max_response_tokens)
        for stage, count, first in zip(config.stages, counts, firsts, strict=True)
    ]
