"""How steady algorithms are: their RL curves over seeds, and how far each ends from one of them."""

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ringexp.figures.drawing import MANY, colour, draw_band, draw_points, frame, legend_below, short, whole_steps
from ringexp.figures.intervals import Curve, Interval

PANELS = (
    ("reward/mean", "mean reward", "linear"),
    ("train/grad_norm", "gradient norm before clipping", "log"),
    ("length/mean", "mean response length, tokens", "linear"),
    ("budget/tokens", "tokens trained per step", "linear"),
    ("throughput/tokens_per_second", "trained tokens per second", "linear"),
)
OUTCOMES = ("pass@1", "late reward")
"""What the last panel compares: in [0, 1] both."""


def stability_figure(
    groups: Mapping[str, Sequence[Mapping[str, Curve]]], title: str,
    apart: Mapping[str, Mapping[str, Interval]] | None = None, compared: str | None = None,
) -> Figure:
    """`groups`: by label, the curves of every seed by metric name over RL steps. Of more than MANY groups the first
    alone has a band; every other line is dashed, so that equal curves show as one line of two colours.

    `apart`: by label, differences in OUTCOMES from the group that `compared` names, over equal seeds.
    """
    figure = Figure(figsize=(13, 6.9), layout="constrained")
    axes: list[Axes] = list(figure.subplots(2, 3).flat)
    for axis, (name, label, scale) in zip(axes, PANELS, strict=False):
        for number, (group, seeds) in enumerate(groups.items()):
            curves = [curves[name] for curves in seeds if name in curves]
            draw_band(axis, curves, colour(number), f"{short(group)} (n = {len(seeds)})",
                      linestyle="--" if number % 2 else "-", mean_alone=number > 0 and len(groups) > MANY)  # fmt: skip
        axis.set(yscale=scale, title=label, xlabel="RL step")
        whole_steps(axis)
        if scale == "linear":
            axis.set_ylim(0, 1.05 * axis.get_ylim()[1])
            axis.ticklabel_format(axis="y", useOffset=False)
    if compared is None:
        axes[-1].set_axis_off()
    else:
        _ends(axes[-1], list(groups), apart or {}, compared)
    shaded = f" (of {next(iter(groups))} alone)" if len(groups) > MANY else ""
    frame(figure, axes, f"{title}{shaded}")
    legend_below(figure, axes[0], columns=4)
    return figure


def _ends(axis: Axes, labels: Sequence[str], apart: Mapping[str, Mapping[str, Interval]], compared: str) -> None:
    axis.axhline(0.0, color="0.6", linewidth=0.8)
    for number, label in enumerate(labels):
        at = 0.7 * ((number + 0.5) / len(labels) - 0.5)
        draw_points(axis, at, apart.get(label, {}), OUTCOMES, color=colour(number), marker="o", markersize=5)
    axis.set(title=f"less {short(compared, 30)} (equal seeds)", xlim=(-0.5, len(OUTCOMES) - 0.5),
             xticks=range(len(OUTCOMES)), xticklabels=("test pass@1 after RL", "reward, last quarter"))  # fmt: skip
