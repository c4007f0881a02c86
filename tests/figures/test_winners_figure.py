"""The figure of a search's winners draws each candidate's mean and its lead where they are."""

import pytest

from ringexp.figures.intervals import t_interval
from ringexp.figures.winners import Contender, winners_figure

BASE = {"gain/code": t_interval([0.1, 0.3]), "gain/mean": t_interval([0.2, 0.2])}
WON = {"gain/code": t_interval([0.4, 0.6]), "gain/mean": t_interval([0.5, 0.7])}
LEAD = {"gain/code": t_interval([0.3, 0.3]), "gain/mean": t_interval([0.3, 0.5])}


def test_means_left_and_leads_right() -> None:
    contenders = [Contender("two_stage", BASE, {}), Contender("trial 12", WON, LEAD)]
    figure = winners_figure(contenders, {"gain": ["gain/code", "gain/mean"]}, "a study")
    left, right = figure.axes
    points = sorted(float(y) for bars in left.containers for y in bars[0].get_ydata())
    assert points == pytest.approx([0.2, 0.2, 0.5, 0.6])
    assert [float(y) for bars in right.containers for y in bars[0].get_ydata()] == pytest.approx([0.3, 0.4])
    assert [text.get_text() for text in left.get_xticklabels()] == ["code", "mean"]
    assert "less that of two_stage" in right.get_title()
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["two_stage (n = 2)", "trial 12 (n = 2)"]
