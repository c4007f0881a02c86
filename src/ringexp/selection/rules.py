"""Selection rules: pure functions from candidates to a choice with its reason.

A rule gets the candidates and returns a `Choice`. Ties break deterministically: the earlier step wins.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ringexp.errors import RecordError
from ringexp.records import Checkpoint


@dataclass(frozen=True, slots=True)
class Choice:
    """The chosen checkpoint, why, and whether no candidate really met the rule (`fallback`)."""

    checkpoint: Checkpoint
    reason: str
    fallback: bool = False


def entropy_band(
    candidates: Sequence[Checkpoint], *, low: float, high: float, quantity: str = "entropy/rollout"
) -> Choice:
    """The checkpoint whose entropy lies nearest the centre of [low, high] (nats).

    The paper asks for an entropy inside 0.3–0.5 and does not say which of several to take: nearest to the centre is
    our resolution. Where none lies inside, the nearest is taken and flagged.
    Raises RecordError without a candidate that has the quantity, ValueError on an empty band.
    """
    if not 0 <= low < high:
        raise ValueError(f"selection.rule: low={low}, high={high} is not a band")
    centre = (low + high) / 2
    chosen = _best(candidates, quantity, lambda value: abs(value - centre))
    value = chosen.metrics[quantity]
    if low <= value <= high:
        inside = sum(low <= c.metrics.get(quantity, math.nan) <= high for c in candidates)
        return Choice(chosen, f"{quantity} {value:.4f} is nearest to {centre:.4f}, the centre of [{low}, {high}] "
                              f"({inside} of {len(candidates)} checkpoints inside)")
    return Choice(chosen, f"no checkpoint has {quantity} in [{low}, {high}]; {value:.4f} is nearest", fallback=True)


def best_validation_loss(candidates: Sequence[Checkpoint]) -> Choice:
    """The lowest cross-entropy on validation traces: the guide the paper warns of."""
    chosen = _best(candidates, "val/loss", lambda value: value)
    return Choice(chosen, f"lowest val/loss, {chosen.metrics['val/loss']:.4f}")


def best_pass_at_1(candidates: Sequence[Checkpoint]) -> Choice:
    """The highest pass@1 on validation prompts."""
    chosen = _best(candidates, "eval/mean/pass_at_1", lambda value: -value)
    return Choice(chosen, f"highest eval/mean/pass_at_1, {chosen.metrics['eval/mean/pass_at_1']:.4f}")


def last(candidates: Sequence[Checkpoint]) -> Choice:
    """The last checkpoint."""
    if not candidates:
        raise RecordError("no checkpoint to select from: run task=sft first")
    chosen = max(candidates, key=lambda c: c.step)
    return Choice(chosen, f"the last of {len(candidates)} checkpoints")


def at_step(candidates: Sequence[Checkpoint], *, step: int) -> Choice:
    """The checkpoint of a certain SFT step: to train from each in turn. Raises RecordError where there is none."""
    for candidate in candidates:
        if candidate.step == step:
            return Choice(candidate, f"step {step}, as asked")
    known = ", ".join(str(c.step) for c in sorted(candidates, key=lambda c: c.step))
    raise RecordError(f"selection.rule.step={step}: no checkpoint of that step; there are {known or 'none'}")


def _best(candidates: Sequence[Checkpoint], quantity: str, cost: Callable[[float], float]) -> Checkpoint:
    measured = [c for c in candidates if math.isfinite(c.metrics.get(quantity, math.nan))]
    if not measured:
        raise RecordError(f"no checkpoint has {quantity}: run task=sft first, or select by another quantity")
    return min(measured, key=lambda c: (cost(c.metrics[quantity]), c.step))
