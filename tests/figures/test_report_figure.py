"""The report's interactive figures: every run where it belongs, thinning, intervals over seeds."""

import numpy as np
import pytest

from ringexp.figures.intervals import t_interval
from ringexp.figures.report import RunCurves, curves_figure, finals_figure, thinned


def test_thinning_keeps_both_ends_and_short_curves() -> None:
    curve = [(step, float(step)) for step in range(1000)]
    kept = thinned(curve, 11)
    assert [step for step, _ in kept] == [0, 100, 200, 300, 400, 500, 599, 699, 799, 899, 999]
    assert thinned(curve[:11], 11) == curve[:11]


def test_a_group_has_one_colour_and_one_legend_entry() -> None:
    runs = [RunCurves("a", "a1", {"x": [(1, 0.5)], "y": [(2, 0.25)]}), RunCurves("a", "a2", {"x": [(1, 0.75)]}),
            RunCurves(None, "killed", {"y": [(2, 0.125)]})]  # fmt: skip
    traces = curves_figure(runs, [("x", "x"), ("y", "y")]).data
    assert [(t.meta, t.xaxis, list(np.asarray(t.y))) for t in traces] == [
        ("a1", "x", [0.5]), ("a2", "x", [0.75]), ("a1", "x2", [0.25]), ("killed", "x2", [0.125])]  # fmt: skip
    assert [t.showlegend for t in traces] == [True, False, False, True]
    assert len({t.line.color for t in traces[:3]}) == 1
    assert traces[3].line.color != traces[0].line.color


def test_final_scores_carry_their_intervals() -> None:
    before, after = {"math": t_interval([0.2, 0.4])}, {"math": t_interval([0.5])}
    figure = finals_figure([("a", before, after), ("b", {}, {"math": t_interval([0.1])})])
    sft, rl = figure.data
    assert list(sft.x) == [pytest.approx(0.3)]
    assert list(sft.error_x.array) == [pytest.approx(1.2706205, rel=1e-6)]
    assert list(rl.x) == [0.5, 0.1]
    assert list(rl.error_x.array) == [0.0, 0.0]
    assert sft.y[0] > rl.y[0] > rl.y[1]
