"""Runs that differ by seed alone: headline curves with their bands, and test pass@1 with intervals."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ringexp.figures.drawing import colour, draw_band, draw_points, frame, legend_below, short, whole_steps
from ringexp.figures.intervals import Curve, Interval

PANELS = (
    ("entropy/rollout", "rollout entropy, nats per token", "log"),
    ("eval/mean/pass_at_1", "validation pass@1 (SFT)", "linear"),
    ("reward/mean", "mean reward (RL)", "linear"),
    ("length/mean", "mean response length, tokens (RL)", "linear"),
)


@dataclass(frozen=True)
class SeedRuns:
    """One group: the headline curves of every seed, pass@1 over seeds by domain, before and after RL, and how far the
    latter lies from that of the group it is compared with.
    """

    label: str
    curves: Sequence[Mapping[str, Curve]]
    before: Mapping[str, Interval]
    after: Mapping[str, Interval]
    apart: Mapping[str, Interval] = field(default_factory=dict)


def seeds_figure(groups: Sequence[SeedRuns], title: str, compared: str | None = None) -> Figure:
    """Curves over the steps of the run, mean and 95 % t-interval; pass@1 by domain, SFT hollow, after RL filled; the
    differences from the group whose label is `compared`.
    """
    figure = Figure(figsize=(13, 6.6), layout="constrained")
    places = [["0", "1", "tests"], ["2", "3", "tests" if compared is None else "apart"]]
    axes: dict[str, Axes] = figure.subplot_mosaic(places, width_ratios=[4, 4, 3])
    names = sorted({name for group in groups for name in group.after or group.before}, key=lambda n: (n == "mean", n))
    for number, group in enumerate(groups):
        for panel, (metric, label, scale) in enumerate(PANELS):
            curves = [own[metric] for own in group.curves if metric in own]
            draw_band(axes[str(panel)], curves, colour(number), f"{short(group.label)} (n = {len(group.curves)})")
            axes[str(panel)].set(title=label, yscale=scale)
        at = 0.6 * ((number + 0.5) / len(groups) - 0.5)
        side = 0.12 / len(groups)
        for scores, face, shift in ((group.before, "white", -side), (group.after, colour(number), side)):
            draw_points(axes["tests"], at + shift, scores, names, color=colour(number), marker="o", markersize=5,
                        markerfacecolor=face)  # fmt: skip
        if compared is not None:
            draw_points(axes["apart"], at, group.apart, names, color=colour(number), marker="o", markersize=5)
    for place in "23":
        axes[place].set_xlabel("step of the run")
        whole_steps(axes[place])
    axes["tests"].set(title="test pass@1, SFT hollow", ylim=(0, 1))
    if compared is not None:
        axes["apart"].axhline(0.0, color="0.6", linewidth=0.8)
        axes["apart"].set(title=f"after RL, less {short(compared, 30)} (equal seeds)")
    for place in axes.keys() & {"tests", "apart"}:
        axes[place].set(xlim=(-0.5, len(names) - 0.5), xticks=range(len(names)), xticklabels=names)
    frame(figure, axes.values(), title)
    legend_below(figure, axes["0"])
    return figure
