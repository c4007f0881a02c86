"""`make ui`: a store that is not there, a port that is taken, the links of a real store."""

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from ringexp.config.schema import TrackingConfig
from ringexp.errors import RecordError
from ringexp.tracking import ui, views
from ringexp.tracking.run import Store


def test_a_folder_without_runs_gets_one_line(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-m", "ringexp.tracking.ui", str(tmp_path / "nowhere"), "5000"],
                          capture_output=True, text=True, check=False, timeout=120)  # fmt: skip
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("ringexp: STORE=") and "nowhere" in done.stderr and done.stderr.count("\n") == 1
    assert not (tmp_path / "nowhere").exists()


def test_a_file_that_is_no_store_gets_one_line(tmp_path: Path) -> None:
    (tmp_path / "mlflow.db").write_text("this is not a database, and long enough to be looked at as one" * 20)
    with pytest.raises(RecordError, match="not a store that MLflow can read"):
        ui.links(ui.database(tmp_path), "http://127.0.0.1:5000")


def test_a_taken_port_is_named() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(RecordError, match=f"PORT={taken.getsockname()[1]}"):
            ui.require_free(taken.getsockname()[1])


def test_links_of_the_experiments_that_have_a_view(tmp_path: Path) -> None:
    config = TrackingConfig("sqlite", f"sqlite:///{tmp_path}/mlflow.db", f"{tmp_path}/artifacts", "ring_tiny", False,
                            f"{tmp_path}/outbox")
    store = Store(config)
    assert ui.links(ui.database(tmp_path), "http://127.0.0.1:5000") == []
    views.introduce(store.client, store.experiment_id, ["math"])
    assert ui.links(ui.database(tmp_path), "http://127.0.0.1:5000") == [
        f"ring_tiny: {views.link('http://127.0.0.1:5000', store.experiment_id)}"
    ]
