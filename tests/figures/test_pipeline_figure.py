"""The figure of a run shows every domain at the SFT checkpoint and after each stage."""

from pathlib import Path

import matplotlib.image

from ringexp.figures.pipeline import StageCurves, pipeline_figure


def test_every_domain_and_stage_is_drawn(tmp_path: Path) -> None:
    line = [(1, 0.2), (2, 0.4)]
    names = ("val/loss", "entropy/teacher_forced", "entropy/rollout", "eval/math/pass_at_1", "eval/code/pass_at_1")
    rl = [StageCurves("math", {"reward/math": [(3, 0.3), (4, 0.5)], "entropy/rollout/math": [(3, 0.2), (4, 0.1)]}),
          StageCurves("code", {"reward/code": [(5, 0.3), (6, 0.5)], "entropy/rollout/code": [(5, 0.2), (6, 0.1)]})]
    tests = [("sft", {"math": 0.21, "code": 0.32, "mean": 0.265}), ("math", {"math": 0.4, "code": 0.3, "mean": 0.35}),
             ("code", {"math": 0.43, "code": 0.54, "mean": 0.485})]
    figure = pipeline_figure(dict.fromkeys(names, line), rl, tests, 2, (0.1, 0.2), "a run")
    *_, last = [axis for axis in figure.axes if axis.get_title() == "test pass@1"]
    texts = {text.get_text() for text in last.texts}
    assert {"0.21", "0.43", "0.32", "0.54", "math", "code", "mean"} <= texts
    assert [list(drawn.get_ydata()) for drawn in last.lines] == [[0.32, 0.3, 0.54], [0.21, 0.4, 0.43],
                                                                 [0.265, 0.35, 0.485]]  # fmt: skip
    figure.savefig(tmp_path / "f.png")
    assert matplotlib.image.imread(tmp_path / "f.png").std() > 0.01
