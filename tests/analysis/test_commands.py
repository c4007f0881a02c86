"""Every command over a real store: the numbers it draws and prints, and who is left out."""

import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import matplotlib.image
import pytest
from matplotlib.figure import Figure
from recorded import AFTER, Recorded

import entropy
import mixing
import seeds
import stability
from command import ask, left_out, parser
from results import accepted, finals, rises, rl_curves, selections
from store import Reader


def asked(recorded: Recorded, *options: str):  # type: ignore[no-untyped-def]
    return ask(parser("", "out.png").parse_args(["--store", str(recorded.folder), *options]))


def test_groups_and_what_no_mean_contains(recorded: Recorded) -> None:
    question = asked(recorded)
    assert {g.label: sorted(run.seed for run in g.runs) for g in question.groups} == {
        "c3po": ["1", "2", "3"], "grpo": ["1", "2"]}  # fmt: skip
    lines = left_out(question)
    assert len(lines) == 3
    for name, reason in (("c3po <b>4</b>", "FAILED"), ("grpo <b>3</b>", "KILLED"), ("c3po <b>3</b>", "superseded")):
        assert sum(line.startswith(name) and line.endswith(reason) for line in lines) == 1


def test_final_scores_over_seeds(recorded: Recorded) -> None:
    c3po = next(g for g in asked(recorded).groups if g.label == "c3po")
    after = finals(c3po.runs, "rl")
    assert list(after) == ["code", "math", "mean"]
    assert after["mean"].mean == pytest.approx(0.5)
    assert after["mean"].half == pytest.approx(4.302653 * 0.1 / 3**0.5, rel=1e-6)  # s of 0.4, 0.5, 0.6 is 0.1
    assert finals(c3po.runs, "sft")["math"].mean == pytest.approx(0.5)
    rise = rises(c3po.runs)
    assert rise is not None
    assert (rise.mean, rise.half) == (pytest.approx(0.1), pytest.approx(0.0, abs=1e-12))


def test_rl_stages_join_and_count_from_one(recorded: Recorded) -> None:
    reader = Reader(recorded.uri)
    stages = reader.stages([reader.experiments()["tests"]], "rl-%")[recorded.ids["c3po", 2, "FINISHED"]]
    curves = rl_curves(stages, reader.histories(stages.values(), lambda _: True))
    assert curves["reward/mean"] == [(step, 0.5) for step in range(1, 9)]
    assert [step for step, _ in curves["reward/math"]] == [1, 2, 3, 4]
    assert [step for step, _ in curves["reward/code"]] == [5, 6, 7, 8]


def test_selections_and_the_rules_band(recorded: Recorded) -> None:
    reader = Reader(recorded.uri)
    found = selections(reader, [reader.experiments()["tests"]])
    assert {chosen.step for chosen in found.values()} == {20}
    assert found[recorded.ids["c3po", 2, "FINISHED"]].fallback
    assert found[recorded.ids["c3po", 1, "FINISHED"]].entropy == pytest.approx(0.1)
    assert accepted("selection:\n  rule:\n    low: 0.12\n    high: 0.16\n") == {"entropy/rollout": (0.12, 0.16)}
    assert accepted("selection:\n  rule:\n    _target_: last\n") == {}


def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """Figures that are saved from here on."""
    kept: list[Figure] = []
    save = Figure.savefig
    monkeypatch.setattr(Figure, "savefig", lambda figure, *a, **k: (kept.append(figure), save(figure, *a, **k))[1])
    return kept


@pytest.mark.parametrize("command", [entropy, stability, mixing, seeds])
def test_every_command_draws(command, recorded: Recorded, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:  # type: ignore[no-untyped-def]
    out = tmp_path / "figure.png"
    command.main(["--store", str(recorded.folder), "--out", str(out)])
    assert matplotlib.image.imread(out).std() > 0.01
    printed = capsys.readouterr()
    assert "left out, 3 of 8 pipelines" in printed.err
    assert str(out) in printed.out.replace("\n", "")


@pytest.mark.parametrize("command", [stability, seeds])
def test_differences_are_taken_on_equal_seeds(  # type: ignore[no-untyped-def]
    command, recorded: Recorded, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """grpo lies 0.1 under c3po with seed 1 and level with seed 2; c3po's seed 3 has no counterpart."""
    given = ["--store", str(recorded.folder), "--out", str(tmp_path / "figure.png"), "--against"]
    kept = drawn(monkeypatch)
    command.main([*given, "c3po"])
    table = capsys.readouterr().out.split("difference from c3po on equal seeds")[1]
    (row,) = [line.split() for line in table.splitlines() if line.split()[:1] == ["grpo"]]
    assert row[1] == "2"
    half = 12.706205 * 0.1 / 2**0.5 / 2**0.5  # s of -0.1 and 0 is 0.1/√2
    assert " ".join(["-0.050", "±", f"{half:.3f}"]) in " ".join(row)
    apart = next(axis for axis in kept[0].axes if axis.get_title().endswith("less c3po (equal seeds)"))
    points = [round(float(y), 9) for line in apart.lines if line.get_marker() == "o" for y in line.get_ydata()]
    assert -0.05 in points
    if command is seeds:
        assert set(points) == {-0.05}
    else:
        command.main([*given, "grpo"])
        assert [figure.axes[0].lines[0].get_label() for figure in kept] == ["c3po (n = 3)", "grpo (n = 2)"]
    with pytest.raises(SystemExit, match="--against dapo: no such configuration; c3po, grpo"):
        command.main([*given, "dapo"])


def test_stability_draws_the_means(recorded: Recorded, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = drawn(monkeypatch)
    stability.main(["--store", str(recorded.folder), "--out", str(tmp_path / "f.png")])
    axes = {axis.get_title(): axis for axis in kept[0].axes}
    means = {line.get_label(): set(line.get_ydata()) for line in axes["mean response length, tokens"].lines}
    assert means["c3po (n = 3)"] == {20.0}
    assert means["grpo (n = 2)"] == {15.0}


def test_steadiness_by_hand(recorded: Recorded) -> None:
    run = next(g for g in asked(recorded).groups if g.label == "c3po").runs[0]
    curves = {"reward/mean": [(i, i / 10) for i in range(1, 9)], "train/grad_norm": [(1, 5.0), (2, 1.0), (3, 2.0)],
              "budget/tokens": [(1, 100), (2, 300)]}  # fmt: skip
    found = stability.steadiness(run, curves)
    assert found == pytest.approx({"pass@1": AFTER["c3po", int(run.seed)], "late reward": 0.75, "late gradient": 2.0,
                                   "max gradient": 5.0, "tokens": 200.0, "tokens spread": 0.5})  # fmt: skip


def test_entropy_marks_selected_checkpoints(
    recorded: Recorded, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = drawn(monkeypatch)
    entropy.main(["--store", str(recorded.folder), "--out", str(tmp_path / "f.png")])
    rollout = next(axis for axis in kept[0].axes if axis.get_title() == "rollout entropy")
    dots = [tuple(point) for line in rollout.lines if line.get_linestyle() == "None" for point in line.get_xydata()]
    assert sorted(dots) == sorted((20.0, (seed + 1) / 20) for _, seed in AFTER)


def test_tables_of_means(recorded: Recorded, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for command in (mixing, seeds):
        command.main(["--store", str(recorded.folder), "--out", str(tmp_path / "f.png")])
        printed = capsys.readouterr().out
        assert "0.500 ± 0.248" in printed  # c3po: 4.302653 · 0.1 / √3
        assert "0.400 ± 1.271" in printed  # grpo: 12.706205 · 0.1


def test_a_sweeps_pipelines_alone(recorded: Recorded) -> None:
    question = asked(recorded, "--parent", recorded.sweep)
    assert [run.params["algorithm"] for run in question.pipelines] == ["grpo", "grpo"]


def test_pipelines_with_a_parameters_value_alone(recorded: Recorded) -> None:
    question = asked(recorded, "--only", "algorithm=c3po", "seed=1")
    assert [(run.params["algorithm"], run.seed) for run in question.pipelines] == [("c3po", "1")]
    assert question.title == "tests, algorithm=c3po, seed=1"


def test_wrong_input_is_one_line(recorded: Recorded, tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="there is no mlflow"):
        ask(parser("", "x").parse_args(["--store", str(tmp_path)]))
    with pytest.raises(SystemExit, match="this store has"):
        asked(recorded, "--experiment", "nowhere")
    with pytest.raises(SystemExit, match="has no pipelines"):
        asked(recorded, "--parent", "0" * 32)
    with pytest.raises(SystemExit, match="no such pipeline; algorithm is c3po, grpo"):
        asked(recorded, "--only", "algorithm=dapo")
    with pytest.raises(SystemExit, match="no such pipeline; parameters are algorithm, experiment"):
        asked(recorded, "--only", "algorithn=c3po")


def test_without_artifacts_parameters_decide_and_it_is_said(
    recorded: Recorded, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copy(recorded.folder / "mlflow.db", tmp_path)
    with sqlite3.connect(tmp_path / "mlflow.db") as database:
        database.execute("UPDATE runs SET artifact_uri = ?", ((tmp_path / "gone").as_uri(),))
    seeds.main(["--store", str(tmp_path), "--out", str(tmp_path / "f.png")])
    printed = capsys.readouterr()
    assert "5 runs are grouped by their parameters alone" in printed.err
    assert "0.500 ± 0.248" in printed.out


def test_help_as_a_command() -> None:
    script = Path(entropy.__file__)
    done = subprocess.run([sys.executable, str(script), "--help"], capture_output=True, text=True, check=True)
    assert "--uri" in done.stdout
