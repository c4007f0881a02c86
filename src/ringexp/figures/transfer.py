"""What prompts of a domain do to each domain: every run's gain by its own share of prompts, and the fitted effects."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ringexp.figures.drawing import colour, draw_points, frame
from ringexp.figures.intervals import Interval


@dataclass(frozen=True)
class DomainGains:
    """One domain over all runs: a point for each, its share of the RL prompts and its gain in pass@1; by the domain
    that was trained, the gain that the fit gives to its prompts alone; `shared`, the half width of the 95 % interval of
    the score before RL, an error that all gains of this domain have in common.
    """

    points: Sequence[tuple[float, float]]
    effects: Mapping[str, Interval]
    shared: float


def transfer_figure(gains: Mapping[str, DomainGains], title: str) -> Figure:
    """Above, a panel for each domain with a point for each run; below, the effects with the fit's 95 % intervals."""
    names = list(gains)
    trained = list(dict.fromkeys(name for own in gains.values() for name in own.effects))
    figure = Figure(figsize=(1.2 + 3.9 * len(names), 6.4), layout="constrained")
    above, below = figure.subplots(2, len(names), sharey="row", squeeze=False)
    for number, (name, own) in enumerate(gains.items()):
        above[number].plot(*zip(*own.points, strict=True), color=colour(number), marker="o", markersize=4,
                           linestyle="none", alpha=0.75)  # fmt: skip
        above[number].set(title=f"gain in {name}", xlabel=f"share of {name} among the RL prompts", xlim=(-0.03, 1.03))
        _effects(below[number], own, trained)
        below[number].set_title(f"fitted gain in {name}, one domain's prompts alone")
    above[0].set_ylabel("pass@1 after RL − before")
    below[0].set_ylabel("pass@1 after RL − before")
    for axis in (*above, *below):
        axis.axhline(0.0, color="0.6", linewidth=0.8)
    frame(figure, [*above, *below], title)
    return figure


def _effects(axis: Axes, own: DomainGains, trained: Sequence[str]) -> None:
    axis.axhspan(-own.shared, own.shared, color="0.5", alpha=0.12, linewidth=0)
    for place, name in enumerate(trained):
        if name in own.effects:
            draw_points(axis, place, {name: own.effects[name]}, [name], color=colour(place), marker="o", markersize=6)
    axis.set(xlim=(-0.5, len(trained) - 0.5), xticks=range(len(trained)),
             xticklabels=[f"trained on\n{name}" for name in trained])  # fmt: skip
