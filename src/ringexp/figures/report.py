"""The interactive figures of the HTML report: headline curves of pipelines, final pass@1 with intervals."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from ringexp.figures.drawing import colour, short
from ringexp.figures.intervals import Curve, Interval
from ringexp.figures.selection import INK

POINTS = 400
"""Points drawn of one curve; a longer one is thinned evenly, first and last kept."""
FONT = {"family": "system-ui, sans-serif", "size": 12, "color": INK}
GRID, ASIDE = "#e8e8e8", "#a0a0a0"


@dataclass(frozen=True)
class RunCurves:
    """One pipeline: its group (None: it counts in no mean), its name, its curves by metric name over steps."""

    group: str | None
    name: str
    curves: Mapping[str, Curve]


def thinned(curve: Curve, points: int = POINTS) -> Curve:
    """At most `points` of the curve, evenly spaced, the first and the last among them."""
    if len(curve) <= points:
        return curve
    return [curve[round(i * (len(curve) - 1) / (points - 1))] for i in range(points)]


def curves_figure(runs: Sequence[RunCurves], panels: Sequence[tuple[str, str]]) -> go.Figure:
    """A panel for each (metric, title). Runs of a group share a colour and a legend entry that hides them all."""
    rows = math.ceil(len(panels) / 2)
    figure = make_subplots(rows, 2, subplot_titles=[title for _, title in panels], horizontal_spacing=0.07,
                           vertical_spacing=0.2 / rows)  # fmt: skip
    groups = list(dict.fromkeys(run.group for run in runs if run.group is not None))
    named: set[str | None] = set()
    for place, (metric, _) in enumerate(panels):
        for run in runs:
            if metric in run.curves:
                ink = ASIDE if run.group is None else colour(groups.index(run.group))
                figure.add_trace(_line(run, metric, ink, run.group not in named),
                                 row=place // 2 + 1, col=place % 2 + 1)  # fmt: skip
                named.add(run.group)
    figure.update_layout(_layout(height=60 + 250 * rows), hovermode="closest")
    figure.update_annotations(font_size=13)
    figure.update_layout(legend={"orientation": "h", "y": -0.06, "yanchor": "top", "groupclick": "togglegroup"})
    return figure


def _line(run: RunCurves, metric: str, ink: str, named: bool) -> go.Scatter:
    group = "in no mean" if run.group is None else run.group
    steps, values = zip(*thinned(run.curves[metric]), strict=True)
    return go.Scatter(
        x=np.array(steps, dtype=np.int32), y=np.array(values, dtype=np.float32),
        mode="lines+markers" if len(steps) < 20 else "lines", marker={"size": 4},
        line={"color": ink, "width": 1.3}, opacity=0.8, name=short(group), legendgroup=group,
        showlegend=named, meta=short(run.name, 90),
        hovertemplate="%{meta}<br>step %{x}: %{y:.4g}<extra></extra>",
    )  # fmt: skip


def finals_figure(groups: Sequence[tuple[str, Mapping[str, Interval], Mapping[str, Interval]]]) -> go.Figure:
    """Test pass@1: a row for each (label, before RL, after RL), a panel for each domain and the mean."""
    names = sorted({name for _, *both in groups for scores in both for name in scores}, key=lambda n: (n == "mean", n))
    figure = make_subplots(1, len(names), subplot_titles=names, shared_yaxes=True, horizontal_spacing=0.03)
    heights = [len(groups) - i for i in range(len(groups))]
    before = [(label, scores) for label, scores, _ in groups]
    after = [(label, scores) for label, _, scores in groups]
    for place, name in enumerate(names):
        for rows, shift, which, face in ((before, 0.13, "SFT", "white"), (after, -0.13, "after RL", INK)):
            figure.add_trace(_points(rows, name, shift, which, face, place == 0), row=1, col=place + 1)
    figure.update_layout(_layout(height=150 + 34 * len(groups)), hovermode="closest")
    figure.update_annotations(font_size=13)
    figure.update_yaxes(range=[0.4, len(groups) + 0.6], showgrid=True)
    figure.update_yaxes(tickvals=heights, ticktext=[short(label, 60) for label, *_ in groups], automargin=True, col=1)
    figure.update_layout(legend={"orientation": "h", "x": 0, "y": -34 / (60 + 34 * len(groups)), "yanchor": "top"})
    return figure


def _points(
    rows: Sequence[tuple[str, Mapping[str, Interval]]], name: str, shift: float, label: str, face: str, named: bool
) -> go.Scatter:
    heights = range(len(rows), 0, -1)
    found = [(height + shift, own[name], text)
             for height, (text, own) in zip(heights, rows, strict=True) if name in own]  # fmt: skip
    return go.Scatter(
        x=[interval.mean for _, interval, _ in found], y=[height for height, _, _ in found], mode="markers",
        error_x={"type": "data", "array": [0.0 if math.isnan(i.half) else i.half for _, i, _ in found],
                 "thickness": 1.2, "width": 3, "color": INK},
        marker={"size": 8, "color": face, "line": {"color": INK, "width": 1.3}}, name=label, legendgroup=label,
        showlegend=named, customdata=[f"{short(text, 90)}<br>{label}: {i}, n = {i.count}" for _, i, text in found],
        hovertemplate="%{customdata}<extra></extra>",
    )  # fmt: skip


def _layout(height: int) -> go.Layout:
    axis = {"gridcolor": GRID, "zeroline": False, "linecolor": "#bbbbbb"}
    names = [f"{letter}axis{number}" for letter in "xy" for number in ("", *range(2, 21))]
    return go.Layout(height=height, font=FONT, plot_bgcolor="white", paper_bgcolor="white", template="none",
                     margin={"l": 60, "r": 20, "t": 50, "b": 40}, **dict.fromkeys(names, axis))  # fmt: skip
