"""MLflow's own database: there and whole, or not there."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from mlflow import MlflowClient

from ringexp.tracking.database import ensure

MAKE = "import sys; from ringexp.tracking.database import ensure; print('ready', flush=True); ensure(sys.argv[1])"


def started(uri: str) -> subprocess.Popen[str]:
    process = subprocess.Popen([sys.executable, "-c", MAKE, uri], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                               text=True)  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def test_a_kill_while_it_is_made_leaves_none(tmp_path: Path) -> None:
    path = tmp_path / "runs" / "mlflow.db"
    process = started(f"sqlite:///{path}")
    while not [half for half in tmp_path.glob("runs/.mlflow.db-*") if half.stat().st_size > 0]:
        assert process.poll() is None
        time.sleep(0.005)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert not path.exists()
    (left,) = path.parent.glob(".mlflow.db-*[0-9]")
    os.utime(left, (0, 0))
    (path.parent / ".mlflow.db-0").touch()
    ensure(f"sqlite:///{path}")
    assert not left.exists()
    assert (path.parent / ".mlflow.db-0").exists()  # which may be another process's that is at it
    client = MlflowClient(f"sqlite:///{path}")
    run = client.create_run(client.create_experiment("here"))
    assert client.get_run(run.info.run_id).info.status == "RUNNING"


def test_two_at_once_make_one_and_what_is_there_stays(tmp_path: Path) -> None:
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    assert [process.wait() for process in (started(uri), started(uri))] == [0, 0]
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["mlflow.db"]
    client = MlflowClient(uri)
    client.create_experiment("here")
    ensure(uri)
    assert client.get_experiment_by_name("here") is not None


def test_another_uri_is_left_alone(tmp_path: Path) -> None:
    ensure("http://127.0.0.1:1")
    assert list(tmp_path.iterdir()) == []
