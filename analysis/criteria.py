"""How well a criterion names the SFT checkpoint that RL makes the most of: pure functions over candidates."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from scipy.stats import spearmanr

from ringexp.figures.intervals import Interval, t_interval
from ringexp.records import Checkpoint
from ringexp.selection.rules import Choice

Rule = Callable[[Sequence[Checkpoint]], Choice]


@dataclass(frozen=True)
class Candidate:
    """An SFT checkpoint from which RL was run: its quantities, test pass@1 before and after, and the tokens that RL
    trained as a share of SFT's up to the checkpoint (None: not recorded).
    """

    seed: str
    step: int
    quantities: dict[str, float]
    before: float
    after: float
    token_efficiency: float | None


def by_seed(candidates: Sequence[Candidate]) -> dict[str, list[Candidate]]:
    """The candidates of each seed, by step."""
    ordered = sorted(candidates, key=lambda c: (c.seed, c.step))
    return {seed: list(own) for seed, own in groupby(ordered, key=lambda c: c.seed)}


def rank_correlations(candidates: Sequence[Candidate], criterion: Callable[[Candidate], float],
                      outcome: Callable[[Candidate], float]) -> Interval:  # fmt: skip
    """Spearman's ρ between criterion and outcome over the checkpoints of a seed: mean over seeds with its t-interval.

    Raises ValueError where a seed has fewer than 3 checkpoints: two ranks always agree or disagree.
    """
    found = []
    for seed, own in by_seed(candidates).items():
        if len(own) < 3:
            raise ValueError(f"seed {seed}: {len(own)} checkpoints have no rank correlation; 3 are needed")
        found.append(float(spearmanr([criterion(c) for c in own], [outcome(c) for c in own]).statistic))
    return t_interval(found)


def regrets(candidates: Sequence[Candidate], rule: Rule) -> Interval:
    """How much less than the best checkpoint of the seed the rule's choice has after RL, in pass@1, over seeds."""
    found = []
    for own in by_seed(candidates).values():
        chosen = rule([Checkpoint("", str(c.step), c.step, Path(), c.quantities) for c in own]).checkpoint.step
        found.append(max(c.after for c in own) - next(c.after for c in own if c.step == chosen))
    return t_interval(found)


def regret_of_any(candidates: Sequence[Candidate]) -> Interval:
    """The same for a checkpoint taken at random: the mean over all of them."""
    seeds = by_seed(candidates).values()
    return t_interval(max(c.after for c in own) - sum(c.after for c in own) / len(own) for own in seeds)
