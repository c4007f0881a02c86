"""How steady the algorithms train: reward, gradient norm, length, tokens per step, throughput over the RL steps.

    python analysis/stability.py [--store runs] [--experiment NAME] [--against CONFIGURATION] [--out stability.png]

Runs that differ by seed alone are one line: their mean, shaded its 95 % t-interval (Student's t over the seeds, from
two seeds on); of more than four lines only that of the first. Lines are named by what differs: the algorithm, and more
where that is not all. --against adds how far each ends from one of them, on equal seeds. The table has, for each, test
pass@1 after RL, the mean reward and gradient norm of the last quarter of the steps, the largest gradient norm, and
the mean of tokens per step, length and throughput, each with its spread over the steps (standard deviation / mean).
"""

import statistics
from collections.abc import Mapping, Sequence

from rich import box
from rich.console import Console
from rich.table import Table

from command import add_against, ask, complete, parser, reference, say_left_out
from differences import differences, table_of_differences
from groups import Group
from results import final, rl_curves
from ringexp.figures.intervals import over_seeds
from ringexp.figures.stability import PANELS, stability_figure
from store import Curve, StoredRun

METRICS = {name for name, _, _ in PANELS}


Curves = Mapping[str, Sequence[Mapping[str, Curve]]]
"""RL curves by metric name, of every seed of a group, by its label."""


def steadiness(run: StoredRun, curves: Mapping[str, Curve]) -> dict[str, float]:
    """What the table says of one run, by column; a column is missing where its curve is."""
    found = {}
    if "mean" in (after := final(run, "rl")):
        found["pass@1"] = after["mean"]
    values = {name: [value for _, value in curve] for name, curve in curves.items() if curve}
    for label, name in (("late reward", "reward/mean"), ("late gradient", "train/grad_norm")):
        if name in values:
            found[label] = statistics.fmean(values[name][-max(1, len(values[name]) // 4) :])
    if "train/grad_norm" in values:
        found["max gradient"] = max(values["train/grad_norm"])
    for label, name in (("tokens", "budget/tokens"), ("length", "length/mean"),
                        ("tokens/s", "throughput/tokens_per_second")):  # fmt: skip
        if name in values:
            mean = found[label] = statistics.fmean(values[name])
            found[f"{label} spread"] = statistics.pstdev(values[name]) / mean if mean else 0.0
    return found


def measured(groups: Sequence[Group], curves: Curves) -> dict[str, dict[str, dict[str, float]]]:
    """`steadiness` by the group's label and the seed."""
    return {g.label: {run.seed: steadiness(run, own) for run, own in zip(g.runs, curves[g.label], strict=True)}
            for g in groups}  # fmt: skip


def table(found: Mapping[str, Mapping[str, Mapping[str, float]]]) -> Table:
    """Means over seeds with half the 95 % t-interval, of what `measured` gives."""
    columns = list(dict.fromkeys(name for runs in found.values() for run in runs.values() for name in run))
    shown = Table("configuration", "seeds", *columns, box=box.SIMPLE, title_justify="left",
                  title="mean over seeds ± half the 95 % t-interval")  # fmt: skip
    for label, runs in found.items():
        means = over_seeds(runs.values())
        shown.add_row(label, str(len(runs)), *(str(means.get(name, "")) for name in columns))
    return shown


def main(arguments: Sequence[str] | None = None) -> None:
    built = parser(__doc__, "stability.png")
    add_against(built)
    given = built.parse_args(arguments)
    question = ask(given)
    groups = sorted(complete(question), key=lambda group: (group.label != given.against, group.label))
    reader = question.reader
    stages = reader.stages(question.experiments, "rl-%")
    mine = [stage for group in groups for run in group.runs for stage in stages.get(run.run_id, {}).values()]
    histories = reader.histories(mine, METRICS.__contains__)
    curves = {g.label: [rl_curves(stages.get(run.run_id, {}), histories) for run in g.runs] for g in groups}
    found = measured(groups, curves)
    tables, apart = [table(found)], None
    if given.against is not None:
        against = reference(question, given.against)
        apart = differences(groups, against, found)
        tables.append(table_of_differences(against, apart))
    title = f"{question.title}: RL, mean over seeds and 95 % t-interval"
    stability_figure(curves, title, apart, given.against).savefig(question.out, dpi=130)
    Console(width=240).print(*tables)
    say_left_out(question)
    print(question.out)


if __name__ == "__main__":
    main()
