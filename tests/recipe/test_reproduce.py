"""task=reproduce: a recorded run is run again from its record, and what was changed is found."""

import shutil
from pathlib import Path

import pytest
from pipelines import Done, Store, finished, ringexp, several

SMALL = ("sft.max_steps=6", "sft.checkpoint_every=3", "trainer.max_steps=2", "trainer.checkpoint_every=1",
         "algorithm.warmup_steps=0", "evaluation.prompts=4", "experiment_name=recorded")  # fmt: skip


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Store:
    folder = tmp_path_factory.mktemp("recorded")
    finished((f"paths.store={folder}", "seed=3", *SMALL))
    return Store(folder)


BAD = {
    ("run_id=0123",): "run_id=0123: MLflow at",
    (): "run_id: name the run to reproduce",
    ("steps=0", "run_id=x"): "steps=0: a positive number",
    ("algorithm=grpo",): "algorithm: task=reproduce takes algorithm from the record",
    ("debug=fast",): "debug: task=reproduce takes debug from the record",
}
RECORDED = (("algorithm=grpo",), ("debug=fast",))
"""Those that are given with the recorded run's id."""


@pytest.fixture(scope="module")
def again(recorded: Store) -> list[Done]:
    """The recorded run once more, in another process; then bad input, each as in BAD."""
    task, own = ("task=reproduce", f"paths.store={recorded.folder}"), (f"run_id={recorded.pipeline.info.run_id}",)
    bad = ((*task, *(own if given in RECORDED else ()), *given) for given in BAD)
    return several((*task, *own), *bad)


def test_the_whole_run_is_repeated_from_its_id_alone(recorded: Store, again: list[Done]) -> None:
    """No override of the run is given again: they come from the record. Both runs get the verdict."""
    done = again[0]
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-3000:]
    assert done.stdout.splitlines()[0] == "differs now: nothing that the record knows of"
    assert done.stdout.splitlines()[-1].startswith("identical: ")
    after = Store(recorded.folder)
    (repeated,) = after.kind("reproduction")
    assert repeated.data.tags["ringexp.verdict"] == after.pipeline.data.tags["ringexp.verdict"] == "identical"
    assert after.pipeline.data.tags["ringexp.reproduced_by"] == repeated.info.run_id
    assert {run.info.status for run in after.runs} == {"FINISHED"}
    assert len([run for run in after.kind("stage") if run.data.tags["ringexp.stage"] == "sft"]) == 2


def test_changed_code_versions_and_seed_are_named_and_found(recorded: Store, tmp_path: Path) -> None:
    """A copy of the package with another learning-rate schedule, one more distribution, another seed; three steps."""
    package = Path(__file__).parents[2]
    shutil.copytree(package / "src/ringexp", tmp_path / "ringexp")
    shutil.copytree(package / "conf", tmp_path / "ringexp/conf")
    optim = tmp_path / "ringexp/training/optim.py"
    optim.write_text(optim.read_text() + "\nPLANTED = True\n")
    planted = tmp_path / "planted-1.0.dist-info"
    planted.mkdir()
    (planted / "METADATA").write_text("Metadata-Version: 2.1\nName: planted\nVersion: 1.0\n")
    run_id = recorded.pipeline.info.run_id
    done = ringexp("task=reproduce", f"run_id={run_id}", f"paths.store={recorded.folder}", "steps=3", "seed=4",
                   PYTHONPATH=str(tmp_path))  # fmt: skip
    assert done.returncode == 4, done.stdout[-2000:] + done.stderr[-3000:]
    differs = [line for line in done.stdout.splitlines() if line.startswith("differs now: ")]
    assert differs[0] == "differs now: configuration: seed 3 then, 4 now"
    assert differs[1].startswith("differs now: code: training/optim.py changed (recorded at commit ")
    assert differs[2] == "differs now: installed: planted None then, 1.0 now"
    assert len(differs) == 3
    last = done.stdout.splitlines()[-1]
    assert last.startswith("different: ")
    assert " step 1: " in last
    assert "stopped after step 3, as asked" in done.stderr


@pytest.mark.parametrize("number", range(len(BAD)), ids=lambda number: " ".join(list(BAD)[number]) or "no run")
def test_bad_input_is_told(again: list[Done], number: int) -> None:
    done, says = again[1 + number], list(BAD.values())[number]
    assert done.returncode == 2, done.stderr[-2000:]
    assert says in done.stderr
