"""The figure of a selection: entropy against pass@1 along SFT, the band and the chosen checkpoint."""

from collections.abc import Sequence

from matplotlib.figure import Figure

from ringexp.records import Checkpoint

INK, ENTROPY, FORCED, PASS, CHOSEN = "#333333", "#1f6f8b", "#8fb8c4", "#c8553d", "#2a9d4b"


def selection_figure(
    candidates: Sequence[Checkpoint], chosen: Checkpoint, reason: str, band: tuple[float, float] | None
) -> Figure:
    """Curves over SFT steps: rollout and teacher-forced entropy, validation loss; pass@1 on its own axis below."""
    figure = Figure(figsize=(7.2, 5.4), layout="constrained")
    top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=[2, 1])
    steps = [c.step for c in candidates]
    for name, label, colour in (("entropy/rollout", "rollout entropy", ENTROPY),
                                ("entropy/teacher_forced", "teacher-forced entropy", FORCED),
                                ("val/loss", "validation cross-entropy", INK)):  # fmt: skip
        top.plot(steps, [c.metrics[name] for c in candidates], marker="o", markersize=3.5, color=colour, label=label)
    if band is not None:
        top.axhspan(*band, color=CHOSEN, alpha=0.12, label=f"band {band[0]:g} to {band[1]:g}")
    bottom.plot(steps, [c.metrics["eval/mean/pass_at_1"] for c in candidates], marker="o", markersize=3.5, color=PASS)
    for axis in (top, bottom):
        axis.axvline(chosen.step, color=CHOSEN, linewidth=1.2, linestyle="--")
        axis.spines[["top", "right"]].set_visible(False)
    top.set_yscale("log")
    top.set_ylabel("nats per token")
    top.legend(frameon=False, fontsize=8)
    top.set_title(f"step {chosen.step}: {reason}", fontsize=8.5, loc="left", wrap=True)
    bottom.set_ylabel("pass@1")
    bottom.set_ylim(bottom=0)
    bottom.set_xlabel("SFT step")
    return figure
