"""The spine of a run in one figure: SFT's entropy with the chosen checkpoint on the left, RL from it on the right."""

from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure

from ringexp.figures.selection import CHOSEN, ENTROPY, FORCED, INK, PASS

Curve = Sequence[tuple[int, float]]
SFT_CURVES = (
    ("val/loss", "validation cross-entropy", INK),
    ("entropy/teacher_forced", "teacher-forced entropy", FORCED),
    ("entropy/rollout", "rollout entropy", ENTROPY),
)


def spine_figure(
    sft: Mapping[str, Curve], rl: Mapping[str, Curve], selected_step: int, tests: tuple[float, float],
    band: tuple[float, float] | None, title: str,
) -> Figure:
    """`sft` and `rl`: curves by metric name, (step, value) pairs; `tests`: test pass@1 before and after RL.

    Needs val/loss, entropy/teacher_forced, entropy/rollout, eval/mean/pass_at_1 of SFT; entropy/rollout and
    reward/mean of RL.
    """
    figure = Figure(figsize=(9.2, 5.0), layout="constrained")
    axes = figure.subplots(2, 2, sharex="col", sharey="row", width_ratios=[3, 2])
    for name, label, colour in SFT_CURVES:
        axes[0, 0].plot(*zip(*sft[name], strict=True), color=colour, label=label, marker="o", markersize=3)
    axes[0, 1].plot(*zip(*rl["entropy/rollout"], strict=True), color=ENTROPY)
    axes[1, 0].plot(*zip(*sft["eval/mean/pass_at_1"], strict=True), color=PASS, marker="o", markersize=3,
                    label="pass@1, validation")  # fmt: skip
    axes[1, 1].plot(*zip(*rl["reward/mean"], strict=True), color=PASS, linewidth=1.2, label="mean reward of the step")
    steps = [step for step, _ in rl["reward/mean"]]
    for axis, at, value in ((axes[1, 0], selected_step, tests[0]), (axes[1, 1], steps[0] - 1, tests[0]),
                            (axes[1, 1], steps[-1], tests[1])):  # fmt: skip
        axis.scatter([at], [value], color=CHOSEN, zorder=3, s=36, label="pass@1, test" if at == steps[-1] else None)
        axis.annotate(f"{value:.2f}", (at, value), xytext=(0, 8), textcoords="offset points", ha="center", color=CHOSEN)
    for axis in axes[:, 0]:
        axis.axvline(selected_step, color=CHOSEN, linewidth=1.1, linestyle="--")
    for axis in axes.flat:
        axis.spines[["top", "right"]].set_visible(False)
    if band is not None:
        axes[0, 0].axhspan(*band, color=CHOSEN, alpha=0.12, label=f"band {band[0]:g} to {band[1]:g}")
    axes[0, 0].set(yscale="log", ylabel="nats per token", title="SFT")
    axes[0, 1].set_title("C3PO from the chosen checkpoint")
    axes[1, 0].set(ylim=(0, 1), ylabel="share solved", xlabel="SFT step")
    axes[1, 1].set_xlabel("step of the run (RL)")
    for axis in (axes[0, 0], axes[1, 0], axes[1, 1]):
        axis.legend(frameon=False, fontsize=8)
    figure.suptitle(title, x=0.01, ha="left", fontsize=10)
    return figure
