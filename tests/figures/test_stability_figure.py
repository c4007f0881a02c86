"""The figure of algorithms side by side: every group can be told from the others, and ends where differences say."""

import pytest
from matplotlib.axes import Axes

from ringexp.figures.drawing import MANY
from ringexp.figures.intervals import t_interval
from ringexp.figures.stability import OUTCOMES, PANELS, stability_figure

NAMES = ("c3po", "c3po_cap", "c3po_constant", "c3po_neither", "dapo", "dr_grpo", "grpo")


def curves(level: float) -> dict[str, list[tuple[int, float]]]:
    return {name: [(step, level) for step in range(1, 21)] for name, _, _ in PANELS}


def shaded(axis: Axes) -> int:
    return len(axis.collections)


def test_seven_groups_look_different_and_one_is_shaded() -> None:
    groups = {name: [curves(1.0 + number), curves(1.5 + number)] for number, name in enumerate(NAMES)}
    figure = stability_figure(groups, "rates")
    for axis in figure.axes[: len(PANELS)]:
        lines = [line for line in axis.lines if not str(line.get_label()).startswith("_")]
        assert [line.get_label() for line in lines] == [f"{name} (n = 2)" for name in NAMES]
        assert [set(line.get_ydata()) for line in lines] == [{1.25 + number} for number in range(len(NAMES))]  # type: ignore[arg-type]
        assert len({line.get_color() for line in lines}) == len(NAMES)
        assert shaded(axis) == 1
        assert all(float(tick).is_integer() for tick in axis.get_xticks())
    assert not figure.axes[-1].axison
    assert figure.get_suptitle() == "rates (of c3po alone)"


def test_few_groups_are_all_shaded() -> None:
    figure = stability_figure({name: [curves(1.0), curves(2.0)] for name in NAMES[:MANY]}, "rates")
    assert [shaded(axis) for axis in figure.axes[: len(PANELS)]] == [MANY] * len(PANELS)
    assert figure.get_suptitle() == "rates"


def test_equal_curves_both_show() -> None:
    """The second lies on the first, dashed."""
    figure = stability_figure({name: [curves(1.0)] for name in NAMES[:2]}, "rates")
    assert [line.get_linestyle() for line in figure.axes[0].lines] == ["-", "--"]


def test_differences_have_the_last_panel() -> None:
    apart = {"grpo": dict(zip(OUTCOMES, (t_interval([0.1, 0.3]), t_interval([-0.1, -0.1])), strict=True))}
    groups = {"c3po": [curves(1.0)], "grpo": [curves(2.0)]}
    axis = stability_figure(groups, "rates", apart, "c3po").axes[-1]
    assert axis.axison and axis.get_title() == "less c3po (equal seeds)"
    points = [float(bars[0].get_ydata()[0]) for bars in axis.containers]
    assert points == pytest.approx([0.2, -0.1])
