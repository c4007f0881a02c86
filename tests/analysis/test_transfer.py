"""Transfer between domains: exact where the truth is linear, from numbers and from a store; what is left out."""

from collections.abc import Callable
from pathlib import Path

import matplotlib.image
import pytest
from mlflow.entities import Metric
from omegaconf import DictConfig
from recorded import Recorded

import transfer
from ringexp.config.validate import typed
from ringexp.tracking.run import TAG, Store
from transfer import Mixed, fits, lateness

TRUTH = {"code": (0.04, -0.02, 0.01), "math": (0.0, 0.2, 0.1), "science": (-0.06, 0.08, 0.12)}
"""By gaining domain: what prompts of code, math, science alone would do to it."""
LATER = {"code": 0.02, "math": -0.04, "science": 0.0}
FIRST, SECOND = ((6, 2, 2), (0, 10, 0), (2, 2, 6), (4, 4, 2), (1, 8, 1)), ((0, 5, 5), (2, 2, 6), (10, 0, 0), (3, 3, 4))
"""Tenths of the prompts in either half of RL; every pair is a run."""
STEPS = 10


def mixtures() -> list[list[list[float]]]:
    """Of every run, of every step, the shares of code, math and science."""
    return [[[part / 10 for part in first]] * (STEPS // 2) + [[part / 10 for part in second]] * (STEPS // 2)
            for first in FIRST for second in SECOND]  # fmt: skip


def run(mixture: list[list[float]]) -> Mixed:
    names = list(TRUTH)
    share = {name: sum(step[i] for step in mixture) / STEPS for i, name in enumerate(names)}
    later = {name: lateness([step[i] for step in mixture]) for i, name in enumerate(names)}
    gain = {name: sum(own * share[other] for own, other in zip(TRUTH[name], names, strict=True))
            + LATER[name] * later[name] for name in names}  # fmt: skip
    return Mixed(share, later, gain | {"mean": sum(gain.values()) / 3})


def test_a_linear_truth_is_found() -> None:
    found = fits([run(mixture) for mixture in mixtures()], list(TRUTH))
    for name, truth in TRUTH.items():
        assert [c.mean for c in found[name].coefficients] == pytest.approx([*truth, LATER[name]], abs=1e-9)
        assert found[name].explained == pytest.approx(1.0)
    assert len(found["mean"].coefficients) == 3


def test_lateness_by_hand() -> None:
    assert lateness([0.2] * 7) == pytest.approx(0.0)
    assert lateness([0.0, 0.0, 1.0]) == pytest.approx(1 / 3)
    assert lateness([1.0, 0.0, 0.0]) == pytest.approx(-1 / 3)
    early, late = lateness([1.0] * 50 + [0.0] * 50), lateness([0.0] * 50 + [1.0] * 50)
    assert late - early == pytest.approx(0.5, abs=0.01)  # half of all prompts moved from one half to the other
    assert lateness([1.0]) == lateness([]) == 0.0


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory, composed: Callable[..., DictConfig]) -> Path:
    """A store of pipelines as a search leaves them: scores in the stages alone; the last one pruned."""
    folder = tmp_path_factory.mktemp("searched")
    store = Store(typed(composed(f"paths.store={folder}", "tracking.experiment=mix")).tracking)
    every = mixtures()
    for number, mixture in enumerate([*every, every[0]]):
        pruned = number == len(every)
        gain, tags = run(mixture).gain, {TAG + "kind": "pipeline", TAG + "seed": "0"}
        pipeline = store.create(f"trial {number}", tags | ({TAG + "pruned": "after 5 RL steps"} if pruned else {}))
        half = STEPS // 2
        stage(store, pipeline.run_id, "evaluate-sft", [(100, dict.fromkeys(gain, 0.3))], "eval/{}/pass_at_1")
        for place, name in enumerate(("rl-first", "rl-second")):
            own = [(101 + at, dict(zip(TRUTH, mixture[at], strict=True)))
                   for at in range(place * half, (place + 1) * half)]  # fmt: skip
            stage(store, pipeline.run_id, name, own, "mixture/realised/{}")
            if not pruned or place == 0:
                rise = {key: 0.3 + (value if place else 0.01) for key, value in gain.items()}
                stage(store, pipeline.run_id, f"evaluate-{name}", [(own[-1][0], rise)], "eval/{}/pass_at_1")
        store.client.log_param(pipeline.run_id, "stages", str(number))
        pipeline.finish("FINISHED")
    return folder


def stage(store: Store, parent: str, name: str, points: list[tuple[int, dict[str, float]]], key: str) -> None:
    made = store.create(name, {TAG + "kind": "stage", TAG + "stage": name}, parent)
    store.client.log_batch(made.run_id, [Metric(key.format(what), value, 1000 + step, step)
                                         for step, values in points for what, value in values.items()])  # fmt: skip
    made.finish("FINISHED")


def test_the_command_over_a_store(searched: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "transfer.png"
    transfer.main(["--store", str(searched), "--out", str(out)])
    assert matplotlib.image.imread(out).std() > 0.01
    said = capsys.readouterr()
    rows = {line.split()[0]: " ".join(line.split()[1:]) for line in said.out.splitlines() if line.split()}
    assert rows["science"].startswith("-0.060 ± 0.000 +0.080 ± 0.000 +0.120 ± 0.000")
    assert "over 20 runs" in said.out
    assert "1 of 21 finished pipelines have no score at the end of RL (pruned)" in said.err


def test_equal_mixtures_say_nothing(recorded: Recorded, tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"experiment tests: .*always changes together"):
        transfer.main(["--store", str(recorded.folder), "--out", str(tmp_path / "transfer.png")])
    assert not (tmp_path / "transfer.png").exists()
