"""What each schedule asked for and got: mixture over the RL steps, reward by domain, final pass@1.

    python analysis/mixing.py [--store runs] [--experiment NAME] [--rows 8] [--out mixing.png]

A row for each group of runs that differ by seed alone, highest final mean first. Dashed is the schedule's target, drawn
through the share of prompts realised; means over seeds with 95 % t-intervals. Prints the final scores of every group.
"""

from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure
from rich import box
from rich.console import Console
from rich.table import Table

from command import ask, complete, parser, say_left_out
from groups import Group
from results import Stages, domains, final, finals, rl_curves
from ringexp.figures.mixing import ScheduleRuns, mixing_figure
from store import Histories

FAMILIES = ("mixture/target/", "mixture/realised/", "reward/")


def ranked(groups: Sequence[Group]) -> list[Group]:
    """Highest mean pass@1 after RL first; groups without one last."""
    scores = {group.label: finals(group.runs, "rl").get("mean") for group in groups}
    return sorted(groups, key=lambda g: -score.mean if (score := scores[g.label]) is not None else 1.0)


def figure(groups: Sequence[Group], stages: Mapping[str, Stages], histories: Histories, title: str) -> Figure:
    """`stages` by the pipeline's run id, `histories` by the stage's; a row for each group, in this order."""
    rows = [
        ScheduleRuns(g.label, [rl_curves(stages.get(run.run_id, {}), histories) for run in g.runs],
                     [final(run, "sft") for run in g.runs], [final(run, "rl") for run in g.runs])
        for g in groups
    ]  # fmt: skip
    return mixing_figure(rows, domains(run for g in groups for run in g.runs), title)


def table(groups: Sequence[Group]) -> Table:
    """Final pass@1 by schedule: mean over seeds ± half the 95 % t-interval."""
    names = [*domains(run for g in groups for run in g.runs), "mean"]
    found = Table("schedule", "seeds", *names, box=box.SIMPLE, title="pass@1 after RL", title_justify="left")
    for group in groups:
        scores = finals(group.runs, "rl")
        found.add_row(group.label, str(len(group.runs)), *(str(scores.get(name, "")) for name in names))
    return found


def main(arguments: Sequence[str] | None = None) -> None:
    options = parser(__doc__, "mixing.png")
    options.add_argument("--rows", type=int, default=8, help="schedules drawn, the best ones (default: 8)")
    parsed = options.parse_args(arguments)
    question = ask(parsed)
    groups, reader = ranked(complete(question)), question.reader
    drawn = groups[: parsed.rows]
    stages = reader.stages(question.experiments, "rl-%")
    mine = [stage for group in drawn for run in group.runs for stage in stages.get(run.run_id, {}).values()]
    histories = reader.histories(mine, lambda key: key.startswith(FAMILIES))
    count = f"{len(groups)}" if len(drawn) == len(groups) else f"the best {len(drawn)} of {len(groups)}"
    title = f"{question.title}: {count} schedule{'s' * (len(groups) > 1)}, mean over seeds and 95 % t-interval"
    figure(drawn, stages, histories, title).savefig(question.out, dpi=130)
    Console(width=160).print(table(groups))
    say_left_out(question)
    print(question.out)


if __name__ == "__main__":
    main()
