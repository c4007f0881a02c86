"""What do prompts of one domain do to the others: transfer or interference? Over runs with different mixtures.

    python analysis/transfer.py [--store runs] [--experiment NAME] [--parent RUN_ID] [--out transfer.png]

For each domain, its gain in pass@1 from the SFT checkpoint to the end of RL, by least squares on the shares of the RL
prompts that each domain had (Scheffé's linear mixture model: the shares sum to 1, so there is no intercept) and on how
late its own prompts came. `trained on math` is the gain that the fit gives to RL on maths alone: above 0 on another
domain is transfer, below 0 interference. `own prompts later` is the change of a domain's gain for each unit of its
share (1: as many prompts as RL has) that moves from the first half of RL to the second. Every run is a point, whatever
its seed; runs that were pruned have no score at their end and are left out.
"""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rich import box
from rich.console import Console
from rich.table import Table

from command import ask, complete, parser, say_left_out
from results import Stages, rl_curves, scores
from ringexp.figures.effects import Effects, effects
from ringexp.figures.transfer import DomainGains, transfer_figure
from store import TAG, Curve

REALISED = "mixture/realised/"
LATER = "own prompts later"


@dataclass(frozen=True)
class Mixed:
    """A run: by domain its share of all RL prompts, how late these came (`lateness`), and its gain in pass@1."""

    share: Mapping[str, float]
    later: Mapping[str, float]
    gain: Mapping[str, float]


def lateness(shares: Sequence[float]) -> float:
    """How much more of the prompts a domain has late than early, of its `shares` by RL step [T].

    Mean over steps of share × place, the place going evenly from −1 at the first step to 1 at the last: 0 where a
    domain's prompts come evenly, or not at all. Moving a share of all prompts from the first half of RL to the second,
    evenly in both, adds about that share.
    """
    steps = len(shares)
    if steps < 2:
        return 0.0
    return sum(share * (2 * at / (steps - 1) - 1) for at, share in enumerate(shares)) / steps


def mixed(stages: Stages, curves: Mapping[str, Curve]) -> Mixed | None:
    """What a run says, of its stages by name and its mixture's curves by metric name; None without either score."""
    tests = scores(stages)
    steps = max((step for curve in curves.values() for step, _ in curve), default=0)
    if len(tests) < 2 or not steps:
        return None
    before, after = tests[0], tests[-1]
    share, later = {}, {}
    for name in before.keys() - {"mean"}:
        own = dict(curves.get(REALISED + name, ()))
        by_step = [own.get(step, 0.0) for step in range(1, steps + 1)]
        share[name], later[name] = sum(by_step) / steps, lateness(by_step)
    return Mixed(share, later, {name: after[name] - value for name, value in before.items()})


def fits(runs: Sequence[Mixed], names: Sequence[str]) -> dict[str, Effects]:
    """The effects on each domain's gain: of all domains' shares in the order of `names`, then of its own lateness.

    On the mean of all domains: of the shares alone. Raises ValueError where the runs do not tell the effects apart.
    """
    shares = [[run.share[name] for name in names] for run in runs]
    found = {name: effects([[*row, run.later[name]] for row, run in zip(shares, runs, strict=True)],
                           [run.gain[name] for run in runs]) for name in names}  # fmt: skip
    return found | {"mean": effects(shares, [run.gain["mean"] for run in runs])}


def table(found: Mapping[str, Effects], names: Sequence[str], count: int) -> Table:
    """A row for each gain; effects with half their 95 % interval."""
    columns = [f"trained on {name}" for name in names]
    shown = Table("gain in", *columns, LATER, "R²", "residual", box=box.SIMPLE, title_justify="left",
                  title=f"pass@1 by least squares over {count} runs ± half the 95 % interval")  # fmt: skip
    for name, fit in found.items():
        cells = [effect.signed for effect in fit.coefficients]
        cells += [""] * (len(columns) + 1 - len(cells))
        shown.add_row(name, *cells, f"{fit.explained:.2f}", f"{fit.spread:.3f}")
    return shown


def main(arguments: Sequence[str] | None = None) -> None:
    question = ask(parser(__doc__, "transfer.png").parse_args(arguments))
    finished, reader = [run for group in complete(question) for run in group.runs], question.reader
    runs = [run for run in finished if TAG + "pruned" not in run.tags]
    stages = reader.stages(question.experiments, "%")
    rl = [stage for run in runs for name, stage in stages.get(run.run_id, {}).items() if name.startswith("rl-")]
    histories = reader.histories(rl, lambda key: key.startswith(REALISED))
    every = [mixed(own, rl_curves(own, histories)) for own in (stages.get(run.run_id, {}) for run in runs)]
    counted = [one for one in every if one is not None]
    names = sorted({name for run in counted for name in run.share})
    try:
        found = fits(counted, names)
    except ValueError as error:
        raise SystemExit(f"experiment {question.experiment}: {error}") from error
    gains = {name: DomainGains([(run.share[name], run.gain[name]) for run in counted],
                               dict(zip(names, found[name].coefficients, strict=False))) for name in names}  # fmt: skip
    title = f"{question.title}: {len(counted)} runs, 95 % intervals of least squares"
    transfer_figure(gains, title).savefig(question.out, dpi=130)
    Console(width=200).print(table(found, names, len(counted)))
    say_left_out(question)
    if len(counted) < len(finished):
        print(f"{len(finished) - len(counted)} of {len(finished)} finished pipelines have no score at the end of RL "
              "(pruned) or no recorded mixture", file=sys.stderr)  # fmt: skip
    print(question.out)


if __name__ == "__main__":
    main()
