"""How steady algorithms are: their RL curves, mean over seeds with a band."""

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ringexp.figures.drawing import colour, draw_band, frame, short
from ringexp.figures.intervals import Curve

PANELS = (
    ("reward/mean", "mean reward", "linear"),
    ("train/grad_norm", "gradient norm before clipping", "log"),
    ("length/mean", "mean response length, tokens", "linear"),
    ("budget/tokens", "tokens trained per step", "linear"),
    ("throughput/tokens_per_second", "trained tokens per second", "linear"),
)


def stability_figure(groups: Mapping[str, Sequence[Mapping[str, Curve]]], title: str) -> Figure:
    """`groups`: by label, the curves of every seed by metric name over RL steps."""
    figure = Figure(figsize=(13, 6.4), layout="constrained")
    places = figure.subplots(2, 3)
    axes: list[Axes] = list(places.flat)
    for axis, (name, label, scale) in zip(axes, PANELS, strict=False):
        for number, (group, seeds) in enumerate(groups.items()):
            curves = [curves[name] for curves in seeds if name in curves]
            draw_band(axis, curves, colour(number), f"{short(group)} (n = {len(seeds)})")
        axis.set(yscale=scale, title=label, xlabel="RL step")
        if scale == "linear":
            axis.set_ylim(0, 1.05 * axis.get_ylim()[1])
            axis.ticklabel_format(axis="y", useOffset=False)
    axes[-1].set_axis_off()
    handles, labels = axes[0].get_legend_handles_labels()
    axes[-1].legend(handles, labels, loc="upper left", frameon=False, fontsize=9)
    frame(figure, axes[: len(PANELS)], title)
    return figure
