"""What prompts of a domain do to each domain: every run's gain by its own share of prompts, and the fitted effects."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ringexp.figures.drawing import colour, draw_points, frame
from ringexp.figures.intervals import Interval


@dataclass(frozen=True)
class DomainGains:
    """One domain over all runs: its share of the prompts and its gain in pass@1, a pair for each run; the effect of
    each domain's prompts on that gain, by the domain that was trained.
    """

    points: Sequence[tuple[float, float]]
    effects: Mapping[str, Interval]


def transfer_figure(gains: Mapping[str, DomainGains], title: str) -> Figure:
    """Above, a panel for each domain with a point for each run; below, the effects on it with 95 % intervals."""
    names = list(gains)
    figure = Figure(figsize=(1.2 + 3.9 * len(names), 6.4), layout="constrained")
    above, below = figure.subplots(2, len(names), sharey="row", squeeze=False)
    for number, (name, own) in enumerate(gains.items()):
        axis: Axes = above[number]
        axis.plot(*zip(*own.points, strict=True), color=colour(number), marker="o", markersize=4, linestyle="none",
                  alpha=0.75)  # fmt: skip
        axis.set(title=f"{name}: gain by its own share of the prompts", xlabel=f"share of {name}", xlim=(-0.03, 1.03))
        _effects(below[number], own.effects, names, name)
    above[0].set_ylabel("pass@1 after RL − before")
    below[0].set_ylabel("gain with one domain's prompts alone")
    for axis in (*above, *below):
        axis.axhline(0.0, color="0.6", linewidth=0.8)
    frame(figure, [*above, *below], title)
    return figure


def _effects(axis: Axes, own: Mapping[str, Interval], names: Sequence[str], name: str) -> None:
    for number, trained in enumerate(names):
        draw_points(axis, number, {trained: own[trained]}, [trained], color=colour(number), marker="o", markersize=6)
    axis.set(title=f"{name}: fitted effect of each domain's prompts", xlim=(-0.5, len(names) - 0.5),
             xticks=range(len(names)), xticklabels=[f"on {trained}" for trained in names])  # fmt: skip
