"""Reading many runs at once gives what MLflow's client gives one by one, from a database and through a server."""

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest
from mlflow import MlflowClient
from recorded import SFT, Recorded

from store import Reader, StoredRun, without_password


@pytest.mark.parametrize(("uri", "shown"), [
    ("http://me:secret@host:5000/mlflow?token=x", "http://host:5000/mlflow"),
    ("postgresql://me:secret@db/mlflow", "postgresql://db/mlflow"),
    ("sqlite:///runs/mlflow.db", "sqlite:///runs/mlflow.db"),
])  # fmt: skip
def test_passwords_are_not_shown(uri: str, shown: str) -> None:
    assert without_password(uri) == shown


def experiment(reader: Reader) -> list[str]:
    return [reader.experiments()["tests"]]


def test_pipelines_of_every_status_and_of_a_sweep(recorded: Recorded) -> None:
    reader = Reader(recorded.uri)
    found = reader.pipelines(experiment(reader))
    assert sorted(run.status for run in found) == ["FAILED", *["FINISHED"] * 6, "KILLED"]
    assert [run.started for run in found] == sorted((run.started for run in found), reverse=True)
    assert sum(run.superseded for run in found) == 1
    grpo = {recorded.ids["grpo", seed, "FINISHED"] for seed in (1, 2)}
    assert {run.run_id for run in reader.pipelines(experiment(reader), recorded.sweep)} == grpo


def test_pages_join(recorded: Recorded, monkeypatch: pytest.MonkeyPatch) -> None:
    reader = Reader(recorded.uri)
    whole = reader.pipelines(experiment(reader))
    monkeypatch.setattr("store.PAGE", 3)
    assert reader.pipelines(experiment(reader)) == whole


def one_by_one(uri: str) -> dict[str, dict[str, list[tuple[int, float]]]]:
    client = MlflowClient(uri)
    tests = client.get_experiment_by_name("tests").experiment_id
    found = client.search_runs([tests], "tags.`ringexp.kind` = 'pipeline'")
    return {run.info.run_id: {key: sorted((p.step, p.value) for p in client.get_metric_history(run.info.run_id, key))
                              for key in run.data.metrics} for run in found}  # fmt: skip


def test_histories_from_a_database(recorded: Recorded, monkeypatch: pytest.MonkeyPatch) -> None:
    reader = Reader(recorded.uri)
    monkeypatch.setattr("store.BATCH", 3)
    found = reader.histories(reader.pipelines(experiment(reader)), lambda _: True)
    assert found == one_by_one(recorded.uri)
    killed = found[recorded.ids["grpo", 3, "KILLED"]]
    assert killed["entropy/rollout"] == [(step, 4 / step) for step in SFT]


def test_the_first_of_a_stage_is_the_pipelines_own(recorded: Recorded) -> None:
    reader = Reader(recorded.uri)
    pipeline = recorded.ids["c3po", 1, "FINISHED"]
    first = reader.stages(experiment(reader), "select")[pipeline]["select"]
    client = MlflowClient(recorded.uri)
    tags = {"ringexp.kind": "stage", "ringexp.stage": "select", "mlflow.parentRunId": pipeline}
    later = client.create_run(experiment(reader)[0], tags=tags).info.run_id
    client.set_terminated(later)
    try:
        assert reader.stages(experiment(reader), "select")[pipeline]["select"] == first
    finally:
        client.delete_run(later)
    assert set(reader.stages(experiment(reader), "rl-%")[pipeline]) == {"rl-math", "rl-code"}


@pytest.fixture(scope="module")
def server(recorded: Recorded) -> Iterator[str]:
    """`mlflow server` over the same database, on this machine's loopback."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        uri = f"http://127.0.0.1:{free.getsockname()[1]}"
    command = [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", recorded.uri, "--workers", "1",
               "--artifacts-destination", f"{recorded.folder}/served", "--host", "127.0.0.1",
               "--port", uri.rpartition(":")[2]]  # fmt: skip
    environment = os.environ | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment)
    try:
        while not answers(uri):
            assert process.poll() is None, "the server ended"
            time.sleep(0.2)
        yield uri
    finally:
        process.terminate()
        process.wait()


def answers(uri: str) -> bool:
    try:
        with urllib.request.urlopen(f"{uri}/health", timeout=5) as response:
            return bool(response.status == 200)
    except (urllib.error.URLError, ConnectionError):
        return False


def test_a_server_gives_the_same(recorded: Recorded, server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    local, remote = Reader(recorded.uri), Reader(server)
    runs = remote.pipelines(experiment(remote))
    assert runs == local.pipelines(experiment(local))
    expected = local.histories(runs, lambda _: True)
    assert remote.histories(runs, lambda _: True) == expected
    monkeypatch.setattr("store.POINTS", 10)  # answers are cut, down to a single run's
    wanted = {"reward/mean", "entropy/rollout", "final/rl/mean/pass_at_1"}
    cut = remote.histories(runs, wanted.__contains__)
    assert cut == {run: {k: v for k, v in own.items() if k in wanted} for run, own in expected.items()}


def test_texts_that_a_server_hands_out(server: str) -> None:
    reader = Reader(server)
    served = reader.client.create_experiment("served", artifact_location="mlflow-artifacts:/")
    run, other = (reader.client.create_run(served, tags={"ringexp.kind": "pipeline"}) for _ in range(2))
    reader.client.log_text(run.info.run_id, "seed: 1\n", "config.yaml")
    assert reader.texts([StoredRun.of(run), StoredRun.of(other)], "config.yaml") == ["seed: 1\n", None]
