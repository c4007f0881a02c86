"""The winners of a search against its baselines: means over seeds, and leads over the first on equal seeds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ringexp.figures.drawing import colour, draw_points, frame, legend_below, short
from ringexp.figures.intervals import Interval


@dataclass(frozen=True)
class Contender:
    """A candidate: means by measured name (`gain/code`), and its lead over the first candidate by the same names."""

    label: str
    means: Mapping[str, Interval]
    leads: Mapping[str, Interval]


def winners_figure(contenders: Sequence[Contender], families: Mapping[str, Sequence[str]], title: str) -> Figure:
    """A row for each family of names: means left, leads right, with 95 % t-intervals."""
    figure = Figure(figsize=(11, 0.9 + 3.1 * max(1, len(families))), layout="constrained")
    axes = figure.subplots(max(1, len(families)), 2, squeeze=False)
    for (left, right), (family, names) in zip(axes, families.items()):
        for number, own in enumerate(contenders):
            at = 0.5 * ((number + 0.5) / len(contenders) - 0.5)
            _points(left, at, own.means, names, number, f"{short(own.label)} (n = {_count(own.means)})")
            _points(right, at, own.leads, names, number, None)
        right.axhline(0.0, color="0.6", linewidth=0.8)
        places = {"xlim": (-0.5, len(names) - 0.5), "xticks": range(len(names)),
                  "xticklabels": [name.rpartition("/")[2] for name in names]}  # fmt: skip
        left.set(title=family, **places)
        right.set(title=f"{family}, less that of {short(contenders[0].label, 30)} (equal seeds)", **places)
    frame(figure, axes.flat, title)
    legend_below(figure, axes[0][0])
    return figure


def _points(axis: Axes, at: float, values: Mapping[str, Interval], names: Sequence[str], number: int,
            label: str | None) -> None:  # fmt: skip
    draw_points(axis, at, values, names, color=colour(number), marker="o", markersize=5)
    if label is not None:
        axis.plot([], [], color=colour(number), marker="o", linestyle="none", label=label)


def _count(means: Mapping[str, Interval]) -> int:
    return max((interval.count for interval in means.values()), default=0)
