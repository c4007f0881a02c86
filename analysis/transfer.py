"""Do prompts of one domain help or harm the others? A fit over the mixtures of a search's runs.

    python analysis/transfer.py [--store runs] [--experiment NAME] [--parent RUN_ID] [--out transfer.png]

For each domain, its gain in pass@1 from the SFT checkpoint to the end of RL, by least squares on the shares that the
domains had of the RL prompts (Scheffé's linear mixture model: shares sum to 1, so there is no intercept). `trained on
math` is the gain that the fit gives to RL on maths prompts alone, which may lie outside what was run; in another domain
above 0 it is transfer, below 0 interference. The second table has the differences within a row: what a domain loses
where another's prompts take the place of its own.

Every run is a point, and all begin from one SFT checkpoint: seed and checkpoint are given, not drawn. The score of
that checkpoint, and so its error, is in all gains of a row alike (`all, by the score before`: half its 95 % interval,
of which the part that lies in the choice of prompts cancels); no interval of the fit holds it, and differences within a
row are free of it. When prompts came, early or late, is not in the model. Of a search, give its run with --parent: its
winners are other runs. Pruned runs have no end, are left out and named: what is left has done well early, which
flatters mixtures whose runs vary much. A search without a pruner, of random points, answers the question best.
"""

import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rich import box
from rich.console import Console
from rich.table import Table

from command import Question, ask, complete, parser, say_left_out
from groups import ORIGIN, differing
from results import Stages, by_domain, rl_curves
from ringexp.figures.effects import Effects, effects
from ringexp.figures.intervals import Interval
from ringexp.figures.transfer import DomainGains, transfer_figure
from store import TAG, Curve, StoredRun

REALISED = "mixture/realised/"
MIXTURE = ("schedule", "stages")
"""Parameters that may differ: they are what is compared."""
NORMAL = 1.959964


@dataclass(frozen=True)
class Mixed:
    """A run, by domain: its share of the RL prompts, mean over the steps; pass@1 and its standard error before RL;
    pass@1 after. `mean` is among the scores, not among the shares.
    """

    share: Mapping[str, float]
    before: Mapping[str, float]
    error: Mapping[str, float]
    after: Mapping[str, float]

    def gain(self, name: str) -> float:
        return self.after[name] - self.before[name]


def mixed(stages: Stages, curves: Mapping[str, Curve], steps: int) -> Mixed | str:
    """What a pipeline says that was to take so many RL steps, of its stages by name and its RL curves by metric name;
    in words, why it says nothing.
    """
    taken = {step for curve in curves.values() for step, _ in curve}
    if not steps or taken != set(range(1, steps + 1)):
        return f"the mixtures of {len(taken)} of its {steps} RL steps are recorded"
    last = [name for name in stages if name.startswith("rl-")][-1]
    if "evaluate-sft" not in stages or f"evaluate-{last}" not in stages:
        return "no score before or after RL"
    before, after = stages["evaluate-sft"], stages[f"evaluate-{last}"]
    share = {key.removeprefix(REALISED): sum(value for _, value in curve) / steps for key, curve in curves.items()}
    return Mixed(share, by_domain(before), by_domain(before, "standard_error"), by_domain(after))


def trained(runs: Sequence[Mixed]) -> list[str]:
    """The domains that had prompts in any run."""
    return sorted({name for run in runs for name, share in run.share.items() if share > 0})


def fits(runs: Sequence[Mixed]) -> dict[str, Effects]:
    """Effects on the gain in pass@1 of each domain, and of `mean`: of the shares of the `trained` domains, in order.

    Raises ValueError where the runs do not tell the effects apart.
    """
    shares = [[run.share.get(name, 0.0) for name in trained(runs)] for run in runs]
    return {name: effects(shares, [run.gain(name) for run in runs]) for name in rows(runs)}


def against_own(runs: Sequence[Mixed]) -> dict[str, dict[str, Interval]]:
    """By domain, of each other domain's prompts: their effect less that of its own, which is free of the error of the
    score before. With own + others = 1 it is the coefficient of the other's share beside a constant.
    """
    names, found = trained(runs), {}
    for own in (name for name in rows(runs) if name in names):
        others = [name for name in names if name != own]
        design = [[1.0, *(run.share.get(name, 0.0) for name in others)] for run in runs]
        fit = effects(design, [run.gain(own) for run in runs])
        found[own] = dict(zip(others, fit.coefficients[1:], strict=True))
    return found


def rows(runs: Sequence[Mixed]) -> list[str]:
    """What gains are fitted of: the domains, `mean` last."""
    return sorted(runs[0].before, key=lambda name: (name == "mean", name))


def shared(runs: Sequence[Mixed], name: str) -> float:
    """Half the 95 % interval of the score before RL, of `mean` that of a mean of independent domains; pass@1."""
    error = runs[0].error
    if name != "mean":
        return NORMAL * error[name]
    return NORMAL * math.hypot(*error.values()) / len(error)


def tables(runs: Sequence[Mixed]) -> list[Table]:
    """The fitted gains, then what other domains' prompts do in place of the own; in pass@1."""
    columns = [f"trained on {name}" for name in trained(runs)]
    gains = Table("gain in", *columns, "all, by the score before", "R²", "residual", box=box.SIMPLE,
                  title=f"gain in pass@1 with one domain's prompts alone, fitted over {len(runs)} runs ± half the "
                        "fit's 95 % interval", title_justify="left")  # fmt: skip
    for name, fit in fits(runs).items():
        gains.add_row(name, *(effect.signed for effect in fit.coefficients), f"± {shared(runs, name):.3f}",
                      f"{fit.explained:.2f}", f"{fit.spread:.3f}")  # fmt: skip
    instead = Table("gain in", *columns, box=box.SIMPLE, title="difference from the same domain's own prompts alone",
                    title_justify="left")  # fmt: skip
    for name, others in against_own(runs).items():
        instead.add_row(name, *(others[other].signed if other in others else "" for other in trained(runs)))
    return [gains, instead]


def unlike(runs: Sequence[StoredRun]) -> list[str]:
    """What tells the runs apart besides their mixtures."""
    names = [name for name in differing(runs) if name not in MIXTURE]
    names += ["seed"] * (len({run.seed for run in runs}) > 1)
    return names + [word for word, tag in ORIGIN.items() if len({run.tags.get(TAG + tag) for run in runs}) > 1]


def read(question: Question) -> list[Mixed]:
    """The runs that say something; the others are named on standard error. Ends with one line where runs are unlike."""
    runs = [run for group in complete(question) for run in group.runs]
    say_left_out(question)
    if found := unlike(runs):
        raise SystemExit(f"the runs of {question.title} differ in more than the mixture: {', '.join(found)}; choose "
                         "with --parent (a sweep's run id) or --only NAME=VALUE")  # fmt: skip
    stages = question.reader.stages(question.experiments, "%")
    own = {run.run_id: stages.get(run.run_id, {}) for run in runs}
    rl = [stage for named in own.values() for name, stage in named.items() if name.startswith("rl-")]
    histories = question.reader.histories(rl, lambda key: key.startswith(REALISED))
    kept = []
    for run in runs:
        said = mixed(own[run.run_id], rl_curves(own[run.run_id], histories), int(run.params.get("rl_steps", 0)))
        if isinstance(said, str):
            print(f"left out: {run.name} ({run.run_id[:8]}): {said}", file=sys.stderr)
        else:
            kept.append(said)
    if any(run.before != kept[0].before for run in kept):
        raise SystemExit(f"the runs of {question.title} differ in their scores before RL: they do not begin from one "
                         "checkpoint measured once; choose with --parent or --only NAME=VALUE")  # fmt: skip
    return kept


def main(arguments: Sequence[str] | None = None) -> None:
    question = ask(parser(__doc__, "transfer.png").parse_args(arguments))
    runs = read(question)
    try:
        if not runs:
            raise ValueError("no run has all of RL and a score before and after it")
        found = fits(runs)
    except ValueError as error:
        raise SystemExit(f"{question.title}: {error}") from error
    gains = {name: DomainGains([(run.share.get(name, 0.0), run.gain(name)) for run in runs],
                               dict(zip(trained(runs), found[name].coefficients, strict=True)), shared(runs, name))
             for name in rows(runs) if name != "mean"}  # fmt: skip
    title = f"{question.title}: {len(runs)} runs, 95 % intervals of the fit; grey: of the score before, which all share"
    transfer_figure(gains, title).savefig(question.out, dpi=130)
    Console(width=200).print(*tables(runs))
    print(question.out)


if __name__ == "__main__":
    main()
