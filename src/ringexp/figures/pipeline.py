"""A whole run in one figure: SFT with the chosen checkpoint, RL stage by stage, test pass@1 of every domain."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ringexp.figures.selection import CHOSEN, ENTROPY, FORCED, INK

Curve = Sequence[tuple[int, float]]
SFT_CURVES = (
    ("val/loss", "validation cross-entropy", INK),
    ("entropy/teacher_forced", "teacher-forced entropy", FORCED),
    ("entropy/rollout", "rollout entropy", ENTROPY),
)
COLOURS = ("#c8553d", "#1f6f8b", "#e0a030", "#7a5195", "#2a9d4b", "#8c564b", "#d16ba5", "#6b6b6b")
"""Domains take these in the order of their names."""


@dataclass(frozen=True)
class StageCurves:
    """An RL stage: its name, and its curves by metric name."""

    name: str
    curves: Mapping[str, Curve]


def pipeline_figure(
    sft: Mapping[str, Curve], rl: Sequence[StageCurves], tests: Sequence[tuple[str, Mapping[str, float]]],
    selected_step: int, band: tuple[float, float] | None, title: str,
) -> Figure:
    """`sft`: curves by metric name, (step, value) pairs; `rl`: the stages in order; `tests`: test pass@1 by domain.

    Needs val/loss, entropy/teacher_forced, entropy/rollout and eval/<domain>/pass_at_1 of SFT; entropy/rollout/<domain>
    and reward/<domain> of RL. `tests` starts with the SFT checkpoint and has an entry after each stage.
    """
    domains = sorted(tests[0][1].keys() - {"mean"})
    colours = {domain: COLOURS[i % len(COLOURS)] for i, domain in enumerate(domains)}
    figure = Figure(figsize=(11.5, 5.4), layout="constrained")
    places = [["sft", "entropy", "tests"], ["solved", "reward", "tests"]]
    axes: dict[str, Axes] = figure.subplot_mosaic(places, width_ratios=[4, 3, 3])
    _sft(axes["sft"], axes["solved"], sft, selected_step, band, colours)
    _rl(axes["entropy"], axes["reward"], rl, colours)
    _tests(axes["tests"], tests, colours)
    for axis in axes.values():
        axis.spines[["top", "right"]].set_visible(False)
    figure.suptitle(title, x=0.01, ha="left", fontsize=10)
    return figure


def _sft(
    top: Axes, bottom: Axes, sft: Mapping[str, Curve], selected_step: int, band: tuple[float, float] | None,
    colours: Mapping[str, str],
) -> None:
    for name, label, colour in SFT_CURVES:
        top.plot(*zip(*sft[name], strict=True), color=colour, label=label, marker="o", markersize=3)
    if band is not None:
        top.axhspan(*band, color=CHOSEN, alpha=0.12, label=f"band {band[0]:g} to {band[1]:g}")
    for domain, colour in colours.items():
        curve = sft[f"eval/{domain}/pass_at_1"]
        bottom.plot(*zip(*curve, strict=True), color=colour, marker="o", markersize=3, label=domain)
    for axis in (top, bottom):
        axis.axvline(selected_step, color=CHOSEN, linewidth=1.1, linestyle="--")
    top.set(yscale="log", ylabel="nats per token", title="SFT")
    bottom.set(ylim=(0, 1), ylabel="validation pass@1", xlabel="SFT step")
    for axis in (top, bottom):
        axis.legend(frameon=False, fontsize=8)


def _rl(top: Axes, bottom: Axes, rl: Sequence[StageCurves], colours: Mapping[str, str]) -> None:
    for number, stage in enumerate(rl):
        for domain, colour in colours.items():
            for axis, name in ((top, f"entropy/rollout/{domain}"), (bottom, f"reward/{domain}")):
                if name in stage.curves:
                    axis.plot(*zip(*stage.curves[name], strict=True), color=colour, linewidth=1.2)
        steps = [step for curve in stage.curves.values() for step, _ in curve]
        if number:
            top.axvline(min(steps) - 0.5, color=INK, linewidth=0.8, linestyle=":")
            bottom.axvline(min(steps) - 0.5, color=INK, linewidth=0.8, linestyle=":")
        top.annotate(stage.name, ((min(steps) + max(steps)) / 2, 1), xycoords=("data", "axes fraction"), ha="center",
                     va="top", fontsize=8, color=INK)  # fmt: skip
    top.set(ylim=(0, 1.15 * top.get_ylim()[1]), ylabel="rollout entropy, nats", title="C3PO, stage by stage")
    bottom.set(ylim=(0, 1), ylabel="mean reward of the step", xlabel="step of the run")


def _spread(values: Mapping[str, float], gap: float) -> dict[str, float]:
    """Heights for labels in the order of their values, at least `gap` apart."""
    heights: dict[str, float] = {}
    for name in sorted(values, key=lambda n: values[n]):
        heights[name] = max([values[name], *(height + gap for height in heights.values())])
    return heights


def _tests(axis: Axes, tests: Sequence[tuple[str, Mapping[str, float]]], colours: Mapping[str, str]) -> None:
    every = {**colours, "mean": INK}
    last = len(tests) - 1
    for name, colour in every.items():
        values = [scores[name] for _, scores in tests]
        axis.plot(values, color=colour, marker="o", markersize=4, linestyle="--" if name == "mean" else "-")
    for at in (0, last):
        scores = tests[at][1]
        for name, height in _spread({name: scores[name] for name in every}, 0.028).items():
            side: dict[str, Any] = {"fontsize": 8, "textcoords": "offset points", "va": "center", "color": every[name]}
            axis.annotate(f"{scores[name]:.2f}", (at, height), xytext=(-6 if at == 0 else 6, 0),
                          ha="right" if at == 0 else "left", **side)  # fmt: skip
            if at == last:
                axis.annotate(name, (at, height), xytext=(34, 0), **side)
    axis.set(xlim=(-0.45, len(tests) - 0.35), ylim=(0, 1), title="test pass@1", xticks=range(len(tests)))
    labels = [f"after\n{name}" if number else name for number, (name, _) in enumerate(tests)]
    axis.set_xticklabels(labels, fontsize=8)
