"""A sweep in pictures: how it went, which parameters matter, where the good points lie, the mixtures of each stage."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from itertools import accumulate
from typing import Any

import plotly.graph_objects as go
from plotly.offline import get_plotlyjs

SCALE = "Viridis"
CONTROLS = {"displaylogo": False, "responsive": True, "showSendToCloud": False}


@dataclass(frozen=True, slots=True)
class StudyTrial:
    """A finished trial: its number, state (complete, pruned, failed), value, parameters and stages.

    A stage is its name, its steps and its domain weights. Only a complete trial has a value.
    """

    number: int
    state: str
    value: float | None
    params: Mapping[str, Any]
    stages: Sequence[Mapping[str, Any]]


def complete(trials: Sequence[StudyTrial]) -> list[tuple[StudyTrial, float]]:
    """The complete trials with their values."""
    return [(trial, trial.value) for trial in trials if trial.state == "complete" and trial.value is not None]


def history(trials: Sequence[StudyTrial], *, maximise: bool) -> go.Figure:
    """The value of each trial and the best so far."""
    done = complete(trials)
    numbers, values = [trial.number for trial, _ in done], [value for _, value in done]
    best = list(accumulate(values, max if maximise else min))
    figure = go.Figure([
        go.Scatter(x=numbers, y=values, mode="markers", name="trial", text=[_words(t) for t, _ in done]),
        go.Scatter(x=numbers, y=best, mode="lines", line_shape="hv", name="best so far"),
    ])  # fmt: skip
    return figure.update_layout(xaxis_title="trial", yaxis_title="value", height=380)


def importances(shares: Mapping[str, float]) -> go.Figure:
    """How much of the value's variance each parameter explains."""
    ordered = sorted(shares.items(), key=lambda item: item[1])
    figure = go.Figure(go.Bar(x=[share for _, share in ordered], y=[name for name, _ in ordered], orientation="h"))
    return figure.update_layout(xaxis_title="importance", height=160 + 28 * len(ordered), margin={"l": 220})


def parallel_coordinates(trials: Sequence[StudyTrial]) -> go.Figure:
    """A line for each complete trial through its parameters; of a parameter that is no number, its choices by name."""
    done = complete(trials)
    keys = list(dict.fromkeys(key for trial, _ in done for key in trial.params))
    keys = [key for key in keys if all(key in trial.params for trial, _ in done)]
    values = [value for _, value in done]
    dimensions = [_dimension(key.rpartition(".")[2], [trial.params[key] for trial, _ in done]) for key in keys]
    lines = {"color": values, "colorscale": SCALE, "showscale": True}
    figure = go.Figure(go.Parcoords(line=lines, dimensions=[*dimensions, {"label": "value", "values": values}]))
    return figure.update_layout(height=440, margin={"l": 80, "t": 70})


def _dimension(label: str, values: Sequence[Any]) -> dict[str, Any]:
    if all(isinstance(value, int | float) and not isinstance(value, bool) for value in values):
        return {"label": label, "values": list(values)}
    names = sorted({str(value) for value in values})
    return {"label": label, "values": [names.index(str(value)) for value in values],
            "tickvals": list(range(len(names))), "ticktext": names}  # fmt: skip


def ternary(trials: Sequence[StudyTrial], place: int) -> go.Figure | None:
    """The mixtures of the stage at that place (from 0), a point each; None unless there are three domains."""
    done = [(trial, value) for trial, value in complete(trials) if place < len(trial.stages)]
    weights = [trial.stages[place]["weights"] for trial, _ in done]
    domains = list(dict.fromkeys(domain for own in weights for domain in own))
    if len(domains) != 3:
        return None
    points = {axis: [own.get(domain, 0.0) for own in weights] for axis, domain in zip("abc", domains, strict=True)}
    marker = {"color": [value for _, value in done], "colorscale": SCALE, "showscale": True, "size": 11,
              "line": {"width": 0.5, "color": "#333"}}  # fmt: skip
    words = [_words(trial) for trial, _ in done]
    figure = go.Figure(go.Scatterternary(mode="markers", cliponaxis=False, marker=marker, text=words, **points))
    axes = {f"{axis}axis": {"title": domain} for axis, domain in zip("abc", domains, strict=True)}
    return figure.update_layout(ternary={"sum": 1, **axes}, height=460)


def _words(trial: StudyTrial) -> str:
    params = ", ".join(f"{key.rpartition('.')[2]} {value:.4g}" if isinstance(value, float) else f"{key} {value}"
                       for key, value in trial.params.items())  # fmt: skip
    return f"trial {trial.number}: {params}"


def study_page(
    name: str, trials: Sequence[StudyTrial], shares: Mapping[str, float], *, maximise: bool
) -> str:
    """All of it as one HTML text that loads nothing from elsewhere."""
    figures: list[tuple[str, go.Figure]] = []
    if complete(trials):
        figures = [("History", history(trials, maximise=maximise)), ("Parameters", parallel_coordinates(trials))]
    if shares:
        figures.insert(1, ("Importance", importances(shares)))
    stages = max((trial.stages for trial in trials), key=len, default=())
    for place, stage in enumerate(stages):
        if (figure := ternary(trials, place)) is not None:
            figures.append((f"Mixtures of stage {stage['name']}", figure))
    counts = {state: sum(trial.state == state for trial in trials) for state in ("complete", "pruned", "failed")}
    about = ", ".join(f"{count} {state}" for state, count in counts.items())
    parts = [f"<h2>{escape(title)}</h2>{figure.to_html(full_html=False, include_plotlyjs=False, config=CONTROLS)}"
             for title, figure in figures]  # fmt: skip
    return (f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(name)}</title>'
            "<style>body { font: 15px/1.5 system-ui, sans-serif; margin: 24px auto; max-width: 1100px; "
            "padding: 0 24px; }</style>"
            f"<script>{get_plotlyjs()}</script></head><body><h1>{escape(name)}</h1><p>{about}</p>"
            f"{''.join(parts)}</body></html>")  # fmt: skip
