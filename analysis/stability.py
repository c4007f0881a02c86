"""How steady the algorithms train: reward, gradient norm, length, tokens per step, throughput over the RL steps.

    python analysis/stability.py [--store runs] [--experiment NAME] [--out stability.png]

Runs that differ by seed alone are one line: their mean, shaded its 95 % t-interval (Student's t over the seeds, from
two seeds on). Lines are named by what differs: the algorithm, and more where that is not all.
"""

from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure

from command import ask, complete, parser, say_left_out
from groups import Group
from results import Stages, rl_curves
from ringexp.figures.stability import PANELS, stability_figure
from store import Histories

METRICS = {name for name, _, _ in PANELS}


def figure(groups: Sequence[Group], stages: Mapping[str, Stages], histories: Histories, title: str) -> Figure:
    """`stages` by the pipeline's run id, `histories` by the stage's."""
    curves = {g.label: [rl_curves(stages.get(run.run_id, {}), histories) for run in g.runs] for g in groups}
    return stability_figure(curves, title)


def main(arguments: Sequence[str] | None = None) -> None:
    question = ask(parser(__doc__, "stability.png").parse_args(arguments))
    groups, reader = complete(question), question.reader
    stages = reader.stages(question.experiments, "rl-%")
    mine = [stage for group in groups for run in group.runs for stage in stages.get(run.run_id, {}).values()]
    histories = reader.histories(mine, METRICS.__contains__)
    title = f"{question.title}: RL, mean over seeds and 95 % t-interval"
    figure(groups, stages, histories, title).savefig(question.out, dpi=130)
    say_left_out(question)
    print(question.out)


if __name__ == "__main__":
    main()
