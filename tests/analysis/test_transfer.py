"""Transfer between domains: exact where the truth is linear, over a store as a search leaves it; what is refused."""

from collections.abc import Callable
from pathlib import Path

import pytest
from matplotlib.figure import Figure
from mlflow.entities import Metric, Param
from omegaconf import DictConfig
from recorded import Recorded

import transfer
from ringexp.config.validate import typed
from ringexp.tracking.run import TAG, Record, Store
from transfer import Mixed, against_own, fits, shared, trained

DOMAINS = ("code", "math", "science")
TRUTH = {"code": (0.04, -0.02, 0.01), "math": (0.0, 0.2, 0.1), "science": (-0.06, 0.08, 0.12)}
"""By gaining domain: what prompts of code, math, science alone would do to it."""
BEFORE, ERROR = {"code": 0.5, "math": 0.3, "science": 0.4, "mean": 0.4}, {"code": 0.01, "math": 0.02, "science": 0.02}
HALVES = (((6, 2, 2), (2, 2, 6)), ((0, 10, 0), (10, 0, 0)), ((2, 2, 6), (4, 4, 2)), ((1, 8, 1), (0, 5, 5)),
          ((4, 4, 2), (4, 4, 2)))  # fmt: skip
"""Tenths of the prompts of each domain in either half of RL, for every run."""
STEPS = 4
SHARES = ((0.4, 0.2, 0.4), (0.5, 0.5, 0.0), (0.3, 0.3, 0.4), (0.05, 0.65, 0.3), (0.4, 0.4, 0.2))
"""The same over all of RL, by hand."""


def gains(share: tuple[float, ...]) -> dict[str, float]:
    found = {name: sum(effect * part for effect, part in zip(TRUTH[name], share, strict=True)) for name in DOMAINS}
    return found | {"mean": sum(found.values()) / 3}


def runs(level: float = 0.0) -> list[Mixed]:
    """The linear truth without noise; `level` is added to every gain."""
    return [Mixed(dict(zip(DOMAINS, share, strict=True)), BEFORE, ERROR,
                  {name: BEFORE[name] + gain + level for name, gain in gains(share).items()})
            for share in SHARES]  # fmt: skip


def test_a_linear_truth_is_found() -> None:
    found = fits(runs())
    assert list(found) == [*DOMAINS, "mean"]
    for name, truth in TRUTH.items():
        assert [c.mean for c in found[name].coefficients] == pytest.approx(truth, abs=1e-12)
        assert found[name].explained == pytest.approx(1.0)
    assert [c.mean for c in found["mean"].coefficients] == pytest.approx([-0.02 / 3, 0.26 / 3, 0.23 / 3])


def test_an_error_that_all_share_is_not_in_the_differences() -> None:
    """It shifts every fitted gain of a row alike."""
    shifted = fits(runs(0.05))
    assert [c.mean for c in shifted["math"].coefficients] == pytest.approx([0.05, 0.25, 0.15])
    for level in (0.0, 0.05):
        found = {name: effect.mean for name, effect in against_own(runs(level))["science"].items()}
        assert found == pytest.approx({"code": -0.18, "math": -0.04})


def test_the_error_of_the_score_before() -> None:
    assert shared(runs(), "math") == pytest.approx(1.96 * 0.02, rel=1e-4)
    assert shared(runs(), "mean") == pytest.approx(1.96 * 0.01, rel=1e-4)  # √(1 + 4 + 4) / 3 hundredths


def test_a_domain_without_prompts_is_scored_all_the_same() -> None:
    untrained = [Mixed({"code": a, "math": 1 - a, "science": 0.0}, BEFORE, ERROR,
                       BEFORE | {"science": 0.4 + 0.1 * a}) for a in (0.0, 0.5, 1.0)]  # fmt: skip
    assert trained(untrained) == ["code", "math"]
    assert [c.mean for c in fits(untrained)["science"].coefficients] == pytest.approx([0.1, 0.0], abs=1e-12)
    assert list(against_own(untrained)) == ["code", "math"]


def stage(store: Store, parent: str, name: str, points: list[tuple[int, dict[str, float]]]) -> None:
    made = store.create(name, {TAG + "kind": "stage", TAG + "stage": name}, parent)
    store.client.log_batch(made.run_id, [Metric(key, value, 1000 + step, step)
                                         for step, values in points for key, value in values.items()])  # fmt: skip
    made.finish("FINISHED")


def pipeline(store: Store, number: int, steps: int, status: str, seed: str = "0", luck: float = 0.0) -> Record:
    """The run of that number as a search on validation prompts leaves it, as far as so many RL steps.

    `luck` is how much more maths the checkpoint solved, as where other prompts measured it.
    """
    made = store.create(f"trial {number}", {TAG + "kind": "pipeline", TAG + "seed": seed})
    params = {"schedule": "searched", "stages": f"{number} {steps}", "rl_steps": str(STEPS), "seed": seed}
    store.client.log_batch(made.run_id, params=[Param(key, value) for key, value in params.items()])
    evaluation = {f"eval/{name}/pass_at_1": value for name, value in BEFORE.items()}
    evaluation["eval/math/pass_at_1"] += luck
    evaluation |= {f"eval/{name}/standard_error": value for name, value in ERROR.items()}
    stage(store, made.run_id, "evaluate-sft", [(100, evaluation)])
    for half, name in enumerate(("rl-first", "rl-second")):
        own = [(101 + at, {f"mixture/realised/{domain}": HALVES[number][half][i] / 10
                           for i, domain in enumerate(DOMAINS)} | {"eval/math/pass_at_1": 0.9})
               for at in range(2 * half, min(2 * half + 2, steps))]  # fmt: skip
        if not own:
            break
        stage(store, made.run_id, name, own)
        if len(own) == 2:
            after = gains(SHARES[number]) if half else dict.fromkeys(BEFORE, 0.01)
            stage(store, made.run_id, f"evaluate-{name}",
                  [(own[-1][0], {f"eval/{name}/pass_at_1": BEFORE[name] + gain for name, gain in after.items()})])
    made.finish(status)
    return made


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory, composed: Callable[..., DictConfig]) -> Store:
    """Five runs to the end, one that was evaluated without its second stage, one that was pruned."""
    folder = tmp_path_factory.mktemp("searched")
    made = Store(typed(composed(f"paths.store={folder}", "tracking.experiment=mix")).tracking)
    for number in range(len(HALVES)):
        pipeline(made, number, STEPS, "FINISHED")
    pipeline(made, 0, 2, "FINISHED")
    pipeline(made, 1, 3, "KILLED").set_tags({TAG + "pruned": "after 3 RL steps"})
    return made


def draw(store: Store, out: Path, *options: str) -> None:
    transfer.main(["--uri", store.uri, "--experiment", "mix", "--out", str(out), *options])


def test_the_command_over_a_store(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                                  capsys: pytest.CaptureFixture[str]) -> None:  # fmt: skip
    drawn: list[Figure] = []
    save = Figure.savefig
    monkeypatch.setattr(Figure, "savefig", lambda figure, *a, **k: (drawn.append(figure), save(figure, *a, **k))[1])
    draw(store, tmp_path / "transfer.png")
    said = capsys.readouterr()
    rows = {line.split()[0]: " ".join(line.split()[1:]) for line in reversed(said.out.splitlines()) if line.split()}
    assert rows["math"] == "+0.000 ± 0.000 +0.200 ± 0.000 +0.100 ± 0.000 ± 0.039 1.00 0.000"
    assert rows["science"].startswith("-0.060 ± 0.000 +0.080 ± 0.000 +0.120 ± 0.000 ± 0.039")
    assert "fitted over 5 runs" in said.out
    assert "science -0.180 ± 0.000 -0.040 ± 0.000" in " ".join(said.out.split())
    assert said.err.count("left out") == 2
    assert "KILLED" in said.err
    assert "the mixtures of 2 of its 4 RL steps are recorded" in said.err
    above, below = drawn[0].axes[:3], drawn[0].axes[3:]
    assert {tuple(point) for point in above[1].lines[0].get_xydata().round(6)} == {
        (share[1], round(gains(share)["math"], 6)) for share in SHARES}  # fmt: skip
    heights = [line.get_ydata()[0] for line in below[2].lines if line.get_marker() == "o"]
    assert heights == pytest.approx(TRUTH["science"], abs=1e-9)
    assert [label.get_text() for label in below[2].get_xticklabels()] == [f"trained on\n{name}" for name in DOMAINS]


def test_unlike_runs_are_refused(store: Store, recorded: Recorded, tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="differ in more than the mixture: algorithm, seed"):
        transfer.main(["--store", str(recorded.folder), "--experiment", "tests", "--out", str(tmp_path / "own.png")])
    other = pipeline(store, 2, STEPS, "FINISHED", seed="1")
    try:
        with pytest.raises(SystemExit, match="differ in more than the mixture: seed"):
            draw(store, tmp_path / "transfer.png")
        draw(store, tmp_path / "own.png", "--only", "seed=0")
    finally:
        store.client.delete_run(other.run_id)
    other = pipeline(store, 2, STEPS, "FINISHED", luck=0.01)
    try:
        with pytest.raises(SystemExit, match="differ in their scores before RL"):
            draw(store, tmp_path / "transfer.png")
    finally:
        store.client.delete_run(other.run_id)
    assert not (tmp_path / "transfer.png").exists()


def test_a_pipeline_without_rl_is_left_out() -> None:
    assert transfer.mixed({}, {}, 0) == "the mixtures of 0 of its 0 RL steps are recorded"


def test_too_few_runs_are_one_line(store: Store, tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="at least 4 outcomes are needed to tell 3 effects apart, there are 1"):
        draw(store, tmp_path / "transfer.png", "--only", "stages=4 4")
