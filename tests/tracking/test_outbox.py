"""What is logged survives a kill and a store that is away, arrives once, and never waits."""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from ringexp.config.schema import TrackingConfig
from ringexp.errors import RecordError
from ringexp.tracking.outbox import Entry, Outbox
from ringexp.tracking.run import Store


@pytest.fixture
def config(tmp_path: Path) -> TrackingConfig:
    return TrackingConfig("sqlite", f"sqlite:///{tmp_path}/mlflow.db", f"{tmp_path}/artifacts", "tests", False,
                          f"{tmp_path}/outbox", 20.0)  # fmt: skip


class Away:
    """A place that cannot be reached until it is back; keeps what it was given."""

    def __init__(self) -> None:
        self.back = False
        self.taken: list[Any] = []

    def __call__(self, run_id: str, entries: Sequence[Entry]) -> None:
        if not self.back:
            raise ConnectionError("nobody there")
        self.taken += [(run_id, entry["n"]) for entry in entries]


def test_what_is_put_does_not_wait_and_arrives_in_order_when_the_store_is_back(tmp_path: Path) -> None:
    place, said = Away(), []
    outbox = Outbox(tmp_path, place)
    started = time.monotonic()
    for n in range(200):
        outbox.put("a" if n % 2 else "b", {"n": n})
    assert time.monotonic() - started < 1
    with pytest.raises(RecordError, match=r"away for 1 s \(nobody there\); 100 entries wait in .*a\.jsonl"):
        outbox.drain("a", 1.0, said.append)
    place.back = True
    outbox.drain("a", 30.0)
    outbox.drain("b", 30.0)
    assert [n for run, n in place.taken if run == "a"] == list(range(1, 200, 2))
    assert [n for run, n in place.taken if run == "b"] == list(range(0, 200, 2))
    assert not list(tmp_path.iterdir())


def test_a_line_that_a_kill_cut_off_is_left_out_and_the_rest_is_found(tmp_path: Path) -> None:
    whole = "".join(json.dumps({"n": n}) + "\n" for n in range(3))
    (tmp_path / "a.jsonl").write_text(whole + '{"n": 3, "po')
    place = Away()
    place.back = True
    outbox = Outbox(tmp_path, place)
    assert [entry["n"] for entry in outbox.left("a")] == [0, 1, 2]
    outbox.put("a", {"n": 4})
    assert [json.loads(line)["n"] for line in (tmp_path / "a.jsonl").read_text().splitlines()] == [0, 1, 2, 4]


def test_what_a_killed_process_logged_is_there_once_after_the_run_is_opened_again(config: TrackingConfig) -> None:
    """The process dies before anything is delivered but for a half; each kind of entry, one point stored already."""
    store = Store(config)
    record = store.create("r", {"ringexp.kind": "stage"})
    record.log({"train/loss": 0.5}, 1)
    record.drain()
    code = f"""
import os
from ringexp.tracking import outbox
outbox.PAUSE = 600
from ringexp.config.schema import TrackingConfig
from ringexp.tracking.run import Record, Store
store = Store(TrackingConfig({config.name!r}, {config.uri!r}, {config.artifacts!r}, "tests", False, {config.outbox!r}))
store.outbox._deliver = lambda *_: (_ for _ in ()).throw(ConnectionError("gone"))
record = Record(store, store.client.get_run({record.run_id!r}))
for step in (1, 2, 3):
    record.log({{"train/loss": step / 2, "train/lr": 0.1}}, step)
record.log_table({{"a": [1, 2]}}, "table.json")
record.log_checkpoint(3, "x/step-000003", {{"entropy/rollout": 0.25}})
record.set_tags({{"ringexp.steps": "3"}})
os._exit(9)
"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 9
    again = store.resume(store.client.get_run(record.run_id))
    for step in (2, 3, 4):
        again.log({"train/loss": step / 2}, step)
    again.log_table({"a": [1, 2]}, "table.json")
    again.log_checkpoint(3, "x/step-000003", {"entropy/rollout": 0.25})
    again.finish("FINISHED")
    client, run = store.client, store.client.get_run(record.run_id)
    history = {key: [(p.step, p.value) for p in client.get_metric_history(record.run_id, key)]
               for key in run.data.metrics}  # fmt: skip
    assert history == {
        "train/loss": [(1, 0.5), (2, 1.0), (3, 1.5), (4, 2.0)],
        "train/lr": [(1, 0.1), (2, 0.1), (3, 0.1)],
        "entropy/rollout": [(3, 0.25)],
    }
    assert run.data.tags["ringexp.steps"] == "3"
    table = json.loads(Path(client.download_artifacts(record.run_id, "table.json")).read_text())
    assert table["data"] == [[1], [2]]
    models = client.search_logged_models([run.info.experiment_id], filter_string=f"source_run_id = '{record.run_id}'")
    assert [(m.params["step"], [(x.key, x.value) for x in m.metrics]) for m in models] == [
        ("3", [("entropy/rollout", 0.25)])
    ]
    assert not list(Path(config.outbox).iterdir())


def test_what_mlflow_refuses_is_told_and_not_tried_for_ever(config: TrackingConfig) -> None:
    store = Store(config)
    record = store.create("r", {})
    store.client.delete_run(record.run_id)
    record.log({"train/loss": 0.5}, 1)
    with pytest.raises(RecordError, match="MLflow refused"):
        record.drain()
    with pytest.raises(RecordError, match="MLflow refused"):
        record.sync()


def test_a_server_that_goes_away_gets_everything_when_it_is_back(
    tmp_path: Path, tracking_server: Callable[..., Any]
) -> None:
    """A real server, killed while a run logs, started again; tags, tables and checkpoints included."""
    server = tracking_server(tmp_path)
    config = TrackingConfig("server", server.uri, None, "tests", False, f"{tmp_path}/outbox", 120.0)
    store = Store(config)
    record = store.create("r", {})
    record.log({"train/loss": 1.0}, 1)
    record.drain()
    server.kill()
    slowest = 0.0
    for step in range(2, 52):
        started = time.monotonic()
        record.log({"train/loss": 1 / step}, step)
        slowest = max(slowest, time.monotonic() - started)
    record.log_table({"a": [1]}, "table.json")
    record.log_checkpoint(51, "x", {"entropy/rollout": 0.25})
    record.set_tags({"ringexp.steps": "51"})
    record.sync()
    assert slowest < 0.5
    server.start()
    record.finish("FINISHED")
    run = store.client.get_run(record.run_id)
    points = [(p.step, p.value) for p in store.client.get_metric_history(record.run_id, "train/loss")]
    assert points == [(step, 1 / step) for step in range(1, 52)]
    assert run.data.metrics["entropy/rollout"] == 0.25
    assert run.data.tags["ringexp.steps"] == "51"
    assert "table.json" in run.data.tags["mlflow.loggedArtifacts"]
    assert run.info.status == "FINISHED"


def test_a_server_that_is_not_there_is_told_at_once(tmp_path: Path) -> None:
    config = TrackingConfig("server", "http://user:hunter22@127.0.0.1:9", None, "tests", False, f"{tmp_path}/outbox")
    started = time.monotonic()
    with pytest.raises(RecordError, match=r"tracking.uri=http://127.0.0.1:9: no tracking server answers"):
        Store(config)
    assert time.monotonic() - started < 10
