"""The three entropy curves of SFT, pipeline by pipeline, with the band of the rule and the checkpoint each chose."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ringexp.figures.drawing import colour, draw_band, frame, legend_below, short
from ringexp.figures.intervals import Curve
from ringexp.figures.pipeline import SFT_CURVES
from ringexp.figures.selection import CHOSEN


@dataclass(frozen=True)
class EntropyCurves:
    """SFT of one pipeline: curves by metric name over SFT steps, the selected step (None: nothing was selected)."""

    group: str
    curves: Mapping[str, Curve]
    selected: int | None


def entropy_figure(pipelines: Sequence[EntropyCurves], bands: Mapping[str, tuple[float, float]], title: str) -> Figure:
    """A panel for each of the three quantities, nats per token; `bands`: by quantity, the entropies a rule accepts.

    A group of pipelines has one colour: its mean with the 95 % t-interval, each pipeline thin, selected steps as dots.
    """
    figure = Figure(figsize=(12, 4.4), layout="constrained")
    axes: list[Axes] = list(figure.subplots(1, len(SFT_CURVES)))
    groups = list(dict.fromkeys(p.group for p in pipelines))
    for axis, (name, label, _) in zip(axes, SFT_CURVES, strict=True):
        for number, group in enumerate(groups):
            own = [p for p in pipelines if p.group == group and name in p.curves]
            draw_band(axis, [p.curves[name] for p in own], colour(number), f"{short(group)} (n = {len(own)})")
            chosen = [point for p in own for point in p.curves[name] if point[0] == p.selected]
            if chosen:
                axis.plot(*zip(*chosen, strict=True), linestyle="none", marker="o", markersize=6,
                          markerfacecolor=colour(number), markeredgecolor="white", zorder=5)  # fmt: skip
        if name in bands:
            axis.axhspan(*bands[name], color=CHOSEN, alpha=0.12)
            axis.annotate(f"band {bands[name][0]:g} to {bands[name][1]:g}", (0.98, bands[name][1]), ha="right",
                          va="bottom", xycoords=("axes fraction", "data"), fontsize=8, color=CHOSEN)  # fmt: skip
        axis.set(yscale="log", title=label, xlabel="SFT step")
    axes[0].set_ylabel("nats per token")
    frame(figure, axes, title)
    legend_below(figure, axes[-1])
    return figure
