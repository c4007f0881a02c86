"""The spine of a run in one figure: SFT's entropy with the chosen checkpoint, then RL's reward, on one step axis."""

from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure

from ringexp.figures.selection import CHOSEN, ENTROPY, FORCED, INK, PASS

Curve = Sequence[tuple[int, float]]


def spine_figure(
    curves: Mapping[str, Curve], selected_step: int, finals: Mapping[int, float], band: tuple[float, float] | None,
    title: str,
) -> Figure:
    """`curves` by metric name, (step, value) pairs; `finals`: pass@1 on test prompts by step.

    Needs entropy/rollout, entropy/teacher_forced, val/loss, eval/mean/pass_at_1 and reward/mean.
    """
    figure = Figure(figsize=(8.4, 5.2), layout="constrained")
    top, bottom = figure.subplots(2, 1, sharex=True)
    for name, label, colour in (("val/loss", "validation cross-entropy", INK),
                                ("entropy/teacher_forced", "teacher-forced entropy", FORCED),
                                ("entropy/rollout", "rollout entropy", ENTROPY)):  # fmt: skip
        top.plot(*zip(*curves[name], strict=True), color=colour, label=label, linewidth=1.4)
    if band is not None:
        top.axhspan(*band, color=CHOSEN, alpha=0.12, label=f"band {band[0]:g} to {band[1]:g}")
    probes = [(step, value) for step, value in curves["eval/mean/pass_at_1"] if step not in finals]
    bottom.plot(*zip(*probes, strict=True), color=PASS, marker="o", markersize=3.5, label="SFT: validation pass@1")
    bottom.plot(*zip(*curves["reward/mean"], strict=True), color=ENTROPY, linewidth=1.2, label="RL: mean reward")
    bottom.scatter(list(finals), list(finals.values()), color=CHOSEN, zorder=3, s=36, label="test pass@1")
    for step, value in finals.items():
        bottom.annotate(f"{value:.2f}", (step, value), xytext=(0, 7), textcoords="offset points", ha="center",
                        fontsize=9, color=CHOSEN)  # fmt: skip
    for axis in (top, bottom):
        axis.axvline(selected_step, color=CHOSEN, linewidth=1.1, linestyle="--")
        axis.axvline(curves["reward/mean"][0][0] - 1, color="#bbbbbb", linewidth=1)
        axis.spines[["top", "right"]].set_visible(False)
        axis.legend(frameon=False, fontsize=8)
    top.set_yscale("log")
    top.set_ylabel("nats per token")
    bottom.set_ylabel("share solved")
    bottom.set_ylim(0, 1)
    bottom.set_xlabel("step (SFT, then RL from the chosen checkpoint)")
    top.set_title(title, loc="left", fontsize=10)
    return figure
