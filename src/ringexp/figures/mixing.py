"""What schedules ask for, what was drawn, and what came of it: a row for each schedule."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ringexp.figures.drawing import colour, draw_band, draw_points, frame, short
from ringexp.figures.intervals import Curve, Interval, t_interval
from ringexp.figures.selection import INK


@dataclass(frozen=True)
class ScheduleRuns:
    """The seeds of one schedule: RL curves by metric name, and pass@1 by domain before (SFT) and after RL."""

    label: str
    curves: Sequence[Mapping[str, Curve]]
    before: Sequence[Mapping[str, float]]
    after: Sequence[Mapping[str, float]]


def over_seeds(scores: Sequence[Mapping[str, float]]) -> dict[str, Interval]:
    """Mean and 95 % t-interval of every name, over the seeds that have it."""
    names = {name for one in scores for name in one}
    return {name: t_interval(one[name] for one in scores if name in one) for name in names}


def mixing_figure(schedules: Sequence[ScheduleRuns], domains: Sequence[str], title: str) -> Figure:
    """Mixture (target dashed, realised drawn through), reward by domain, final pass@1 with SFT's as hollow points.

    Means over seeds with 95 % t-intervals; a domain has one colour throughout.
    """
    figure = Figure(figsize=(13, 0.9 + 2.5 * len(schedules)), layout="constrained")
    rows = figure.subplots(len(schedules), 3, squeeze=False, width_ratios=[4, 4, 3])
    for row, schedule in zip(rows, schedules, strict=True):
        for number, domain in enumerate(domains):
            _curves(row[0], schedule, f"mixture/realised/{domain}", colour(number))
            targets = [curves[name] for curves in schedule.curves if (name := f"mixture/target/{domain}") in curves]
            if targets:
                row[0].plot(*zip(*targets[0], strict=True), color=INK, linewidth=0.9, linestyle=(0, (4, 4)))
            _curves(row[1], schedule, f"reward/{domain}", colour(number))
        _scores(row[2], schedule, domains)
        row[0].set(ylabel=f"{short(schedule.label, 30)}\n(n = {len(schedule.curves)})", ylim=(-0.03, 1.03))
        row[1].set_ylim(0, 1)
    for axis, name in zip(rows[0], ("share of prompts", "mean reward", "test pass@1"), strict=True):
        axis.set_title(name)
    for axis in rows[-1][:2]:
        axis.set_xlabel("RL step")
    frame(figure, rows.flat, title)
    handles = [Line2D([], [], color=colour(i), label=domain) for i, domain in enumerate(domains)]
    handles += [Line2D([], [], color=INK, linewidth=0.9, linestyle=(0, (4, 4)), label="target")]
    handles += [_marker("SFT", "white"), _marker("after RL", INK)]
    figure.legend(handles=handles, loc="outside lower left", ncols=len(handles), frameon=False, fontsize=8)
    return figure


def _curves(axis: Axes, schedule: ScheduleRuns, name: str, ink: str) -> None:
    draw_band(axis, [curves[name] for curves in schedule.curves if name in curves], ink, None)


def _marker(label: str, face: str) -> Line2D:
    return Line2D([], [], color=INK, marker="o", linestyle="none", markerfacecolor=face, label=label)


def _scores(axis: Axes, schedule: ScheduleRuns, domains: Sequence[str]) -> None:
    names = [*domains, "mean"]
    for number, name in enumerate(names):
        ink = INK if name == "mean" else colour(number)
        for at, scores, face in ((-0.14, schedule.before, "white"), (0.14, schedule.after, ink)):
            found = over_seeds(scores)
            if name in found:
                draw_points(axis, number + at, {name: found[name]}, [name], color=ink, marker="o", markersize=5,
                            markerfacecolor=face)  # fmt: skip
    axis.set(xlim=(-0.5, len(names) - 0.5), ylim=(0, 1), xticks=range(len(names)), xticklabels=names)
