"""The MLflow record against a real store: steps once, true status, runs found again."""

import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from ringexp.config.schema import TrackingConfig
from ringexp.domains.pool import Pool
from ringexp.errors import RecordError
from ringexp.records import Prompt
from ringexp.selection.catalog import Catalog
from ringexp.selection.rules import entropy_band
from ringexp.tracking.loggers import RecordLogger
from ringexp.tracking.meters import Meters
from ringexp.tracking.run import Store


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    folder = tmp_path_factory.mktemp("store")
    return Store(TrackingConfig("sqlite", f"sqlite:///{folder}/mlflow.db", f"{folder}/artifacts", "tests", False,
                                f"{folder}/outbox"))


def history(store: Store, run_id: str, key: str) -> list[tuple[int, float]]:
    return [(p.step, p.value) for p in store.client.get_metric_history(run_id, key)]


def test_a_resumed_run_stores_no_step_twice(store: Store) -> None:
    record = store.create("r", {"ringexp.kind": "stage"})
    for step in (1, 2, 3):
        record.log({"train/loss": step / 2}, step)
    record.finish("KILLED")
    again = store.resume(store.client.get_run(record.run_id))
    for step in (2, 3, 4):
        again.log({"train/loss": step / 2, "train/lr": 1.0}, step)
    again.finish("FINISHED")
    assert history(store, record.run_id, "train/loss") == [(1, 0.5), (2, 1.0), (3, 1.5), (4, 2.0)]
    assert [step for step, _ in history(store, record.run_id, "train/lr")] == [2, 3, 4]


def test_infinities_are_left_out_and_undeclared_names_refused(store: Store) -> None:
    record = store.create("r", {})
    record.log({"train/loss": float("inf"), "train/lr": float("nan"), "train/grad_norm": 1.0}, 1)
    with pytest.raises(KeyError, match="not declared"):
        record.log({"train/los": 1.0}, 1)
    record.finish("FINISHED")
    assert store.client.get_run(record.run_id).data.metrics == {"train/grad_norm": 1.0}


@pytest.mark.parametrize(
    ("error", "status"),
    [(None, "FINISHED"), (KeyboardInterrupt, "KILLED"), (SystemExit, "KILLED"), (ValueError, "FAILED")],
)
def test_true_status(store: Store, error: type[BaseException] | None, status: str) -> None:
    record = store.create("r", {})

    def body() -> None:
        with record.running():
            if error is not None:
                raise error

    if error is None:
        body()
    else:
        with pytest.raises(error):
            body()
    assert store.client.get_run(record.run_id).info.status == status


def test_superseded_runs_are_not_found(store: Store) -> None:
    old = store.create("old", {"ringexp.identity": "x"})
    new = store.create("new", {"ringexp.identity": "x"})
    assert {run.info.run_id for run in store.find({"ringexp.identity": "x"})} == {old.run_id, new.run_id}
    old.set_tags({"ringexp.superseded": "true"})
    old.drain()
    assert [run.info.run_id for run in store.find({"ringexp.identity": "x"})] == [new.run_id]


def test_headlines_are_mirrored(store: Store) -> None:
    stage, pipeline = store.create("s", {}), store.create("p", {})
    RecordLogger(stage, pipeline).log_metrics({"reward/mean": 0.5, "reward/math": 0.5}, step=7)
    stage.finish("FINISHED")
    pipeline.finish("FINISHED")
    assert history(store, pipeline.run_id, "reward/mean") == [(7, 0.5)]
    assert store.client.get_run(pipeline.run_id).data.metrics.keys() == {"reward/mean"}
    assert store.client.get_run(stage.run_id).data.metrics.keys() == {"reward/mean", "reward/math"}


@pytest.fixture
def saved(tmp_path: Path) -> Callable[[int], Path]:
    def save(step: int) -> Path:
        path = tmp_path / f"step-{step:06d}"
        path.mkdir()
        (path / "model.safetensors").touch()
        return path

    return save


def test_catalog_returns_what_was_registered(store: Store, saved: Callable[[int], Path], tmp_path: Path) -> None:
    """Only this run's checkpoints, by step, with their metrics; registering again changes nothing."""
    other = store.create("other", {})
    Catalog(store, other.run_id, tmp_path).register(other, 1, saved(1), {"entropy/rollout": 0.4})
    other.finish("FINISHED")
    record = store.create("sft", {})
    catalog = Catalog(store, record.run_id, tmp_path)
    for step, entropy in ((20, 0.2), (10, 0.42), (30, 0.1)):
        path = saved(step)
        catalog.register(record, step, path, {"entropy/rollout": entropy, "val/loss": entropy / 2})
        catalog.register(record, step, path, {"entropy/rollout": 9.0, "val/loss": 9.0})
    record.drain()
    found = catalog.candidates()
    assert [(c.step, c.metrics["entropy/rollout"], c.metrics["val/loss"]) for c in found] == [
        (10, 0.42, 0.21), (20, 0.2, 0.1), (30, 0.1, 0.05)
    ]  # fmt: skip
    assert entropy_band(found, low=0.3, high=0.5).checkpoint.step == 10
    assert sorted(history(store, record.run_id, "entropy/rollout")) == [(10, 0.42), (20, 0.2), (30, 0.1)]


def test_catalog_says_where_weights_are_missing(store: Store, saved: Callable[[int], Path], tmp_path: Path) -> None:
    record = store.create("sft", {})
    catalog = Catalog(store, record.run_id, tmp_path)
    path = saved(5)
    catalog.register(record, 5, path, {"val/loss": 1.0})
    record.drain()
    (path / "model.safetensors").unlink()
    with pytest.raises(RecordError, match="step-000005"):
        catalog.candidates()


@pytest.mark.parametrize(("keep", "left"), [(0, [20]), (1, [20, 40]), (2, [20, 30, 40]), (9, [10, 20, 30, 40])])
def test_retiring_never_deletes_what_is_selected_and_is_not_an_error_afterwards(
    store: Store, saved: Callable[[int], Path], tmp_path: Path, keep: int, left: list[int]
) -> None:
    record = store.create("sft", {})
    catalog = Catalog(store, record.run_id, tmp_path)
    paths = {step: saved(step) for step in (10, 20, 30, 40)}
    for step, path in paths.items():
        catalog.register(record, step, path, {"val/loss": 1.0})
    record.drain()
    gone = catalog.retire(catalog.candidates(), keep, {paths[20]})
    assert [c.step for c in catalog.candidates()] == left
    assert sorted([c.step for c in gone] + left) == [10, 20, 30, 40]
    assert [step for step, path in paths.items() if path.is_dir()] == left


def test_system_metrics_go_on_where_a_resumed_run_ended(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sampled four times a second here; declared names, numbered without a gap or a repetition."""
    monkeypatch.setattr(Meters.__init__, "__defaults__", (0.25,))
    monkeypatch.setattr(store, "system_metrics", True)
    record = store.create("r", {})
    for _ in range(2):
        with record.running(system_metrics=True):
            time.sleep(1.2)
        record = store.resume(store.client.get_run(record.run_id))
    record.finish("FINISHED")
    run = store.client.get_run(record.run_id)
    assert {"system/cpu_utilization_percentage", "system/system_memory_usage_megabytes"} <= run.data.metrics.keys()
    for key in run.data.metrics:
        steps = [step for step, _ in history(store, record.run_id, key)]
        assert steps == list(range(len(steps))), key
        assert len(steps) >= 4


def test_a_pool_says_in_mlflow_where_its_rows_come_from(store: Store) -> None:
    prompt = Prompt("a", "math", "What is 1+1?", "2")
    origin = {"hub": "own/set", "revision": "0" * 40, "fingerprints": {"own/set": {"train": "c0ffee"}}}
    record = store.create("r", {})
    record.log_datasets({"math": Pool("math", (prompt,), origin=origin)}, "own", {"path": "https://u:secret@host/x"})
    record.finish("FINISHED")
    (logged,) = store.client.get_run(record.run_id).inputs.dataset_inputs
    source = json.loads(logged.dataset.source)
    assert (logged.dataset.name, source["origin"]) == ("own/math", origin)
    assert "secret" not in logged.dataset.source
