"""What RL makes of every SFT checkpoint, against what was known of it before."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ringexp.figures.drawing import colour, frame, legend_below
from ringexp.figures.selection import CHOSEN

PANELS = (
    ("entropy/rollout", "rollout entropy, nats per token", "log"),
    ("entropy/teacher_forced", "teacher-forced entropy, nats per token", "log"),
    ("val/loss", "validation cross-entropy, nats per token", "log"),
    ("eval/mean/pass_at_1", "validation pass@1 after SFT", "linear"),
)


@dataclass(frozen=True)
class Outcome:
    """A checkpoint: what was measured of it, by quantity, and test pass@1 before and after RL."""

    quantities: Mapping[str, float]
    before: float
    after: float


def criteria_figure(
    seeds: Mapping[str, Sequence[Outcome]], bands: Mapping[str, tuple[float, float]], title: str
) -> Figure:
    """A panel for each criterion: test pass@1 after RL (filled) and before (hollow), a line for each seed.

    `bands`: by quantity, what the entropy rule accepts.
    """
    figure = Figure(figsize=(13, 4.2), layout="constrained")
    axes: list[Axes] = list(figure.subplots(1, len(PANELS), sharey=True))
    for axis, (name, label, scale) in zip(axes, PANELS, strict=True):
        for number, (seed, outcomes) in enumerate(seeds.items()):
            points = sorted((o.quantities[name], o.after, o.before) for o in outcomes if name in o.quantities)
            for place, alpha, face, what in ((1, 1.0, colour(number), "after RL"), (2, 0.45, "white", "before")):
                axis.plot([p[0] for p in points], [p[place] for p in points], color=colour(number), marker="o",
                          markersize=4, linewidth=1, alpha=alpha, markerfacecolor=face,
                          label=f"seed {seed}, {what}")  # fmt: skip
        if name in bands:
            axis.axvspan(*bands[name], color=CHOSEN, alpha=0.12)
        axis.set(xscale=scale, xlabel=label)
    axes[0].set(ylabel="test pass@1, mean over domains", ylim=(0, None))
    frame(figure, axes, title)
    legend_below(figure, axes[0], columns=5)
    return figure
