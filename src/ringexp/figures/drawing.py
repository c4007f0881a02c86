"""What the figures over seeds draw alike: a mean with its band, points with intervals, frame and legend."""

import math
from collections.abc import Iterable, Mapping, Sequence
from textwrap import shorten
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator

from ringexp.figures.intervals import Curve, Interval, band
from ringexp.figures.pipeline import COLOURS

MANY = 4
"""Above this many seeds their own curves are left to the band, above this many groups the bands to one of them."""


def colour(number: int) -> str:
    """The colour of the group, domain or run of that number."""
    return COLOURS[number % len(COLOURS)]


def short(label: str, width: int = 46) -> str:
    """A label that fits a legend."""
    return shorten(label, width, placeholder=" …")


def draw_band(
    axis: Axes, curves: Sequence[Curve], ink: str, label: str | None, linestyle: str = "-", mean_alone: bool = False
) -> None:
    """The mean over seeds with its 95 % t-interval; of few seeds each curve too, thin."""
    if not any(curves):
        return
    found = band(curves)
    axis.plot(found.steps, found.mean, color=ink, linewidth=1.5, label=label, linestyle=linestyle)
    if mean_alone:
        return
    if 1 < len(curves) <= MANY:
        for curve in curves:
            axis.plot(*zip(*curve, strict=True), color=ink, linewidth=0.5, alpha=0.35)
    sure = ~np.isnan(found.low)
    if sure.any():
        axis.fill_between(found.steps, found.low, found.high, where=sure.tolist(), color=ink, alpha=0.15, linewidth=0)


def draw_points(axis: Axes, at: float, values: Mapping[str, Interval], names: Sequence[str], **style: Any) -> None:
    """A point with its interval for every name, at the name's place on the x axis plus `at`."""
    for place, name in enumerate(names):
        if name in values:
            half = values[name].half
            axis.errorbar(place + at, values[name].mean, None if math.isnan(half) else half, capsize=2.5, **style)


def frame(figure: Figure, axes: Iterable[Axes], title: str) -> None:
    """The house's frame: no upper and right spine, plain numbers on logarithmic axes, the title on the left."""
    for axis in axes:
        axis.spines[["top", "right"]].set_visible(False)
        axis.set_title(axis.get_title(), fontsize=10)
        for scale, numbers in ((axis.get_xscale(), axis.xaxis), (axis.get_yscale(), axis.yaxis)):
            if scale == "log":
                numbers.set_minor_locator(LogLocator(subs=(2, 3, 5, 7)))
                numbers.set_major_formatter("{x:g}")
                numbers.set_minor_formatter("{x:g}")
    figure.suptitle(title, x=0.01, ha="left", fontsize=10)


def whole_steps(axis: Axes) -> None:
    """Steps of the x axis as whole numbers."""
    axis.xaxis.set_major_locator(MaxNLocator(integer=True))


def legend_below(figure: Figure, axis: Axes, columns: int = 3) -> None:
    """One legend for the whole figure, from the lines of `axis`."""
    handles, labels = axis.get_legend_handles_labels()
    if handles:
        figure.legend(handles, labels, loc="outside lower left", ncols=columns, frameon=False, fontsize=8)
