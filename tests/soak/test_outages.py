"""A tracking server that is away for a minute, a disk that fills up: nothing is lost, and the user is told."""

import os
import re
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mlflow import MlflowClient
from pipelines import Store, command, ringexp

from ringexp.tracking.names import NOT_REPEATED

LONG = ("sft.max_steps=500", "sft.checkpoint_every=100", "seed=3")
AWAY = 60.0
SECRET = "plantedPw77"


def curves(client: MlflowClient) -> dict[tuple[str, str], list[tuple[int, float]]]:
    runs = client.search_runs([e.experiment_id for e in client.search_experiments()])
    assert {run.info.status for run in runs} == {"FINISHED"}
    return {(run.info.run_name, key): [(p.step, p.value) for p in client.get_metric_history(run.info.run_id, key)]
            for run in runs for key in run.data.metrics if not key.startswith(NOT_REPEATED)}  # fmt: skip


def step_of(folder: Path) -> int:
    """The last checkpoint that is there."""
    return max((int(path.name[5:]) for path in folder.glob("*/sft-*/step-*")), default=0)


def test_a_server_that_is_away_for_a_minute_costs_no_point_and_no_time(
    tmp_path: Path, tracking_server: Callable[..., Any]
) -> None:
    """Training goes on meanwhile; every curve is that of a run on SQLite. The password in the URI is found nowhere."""
    quiet = ringexp(f"paths.store={tmp_path / 'sqlite'}", *LONG)
    assert quiet.returncode == 0, quiet.stderr[-3000:]
    server = tracking_server(tmp_path)
    uri = server.uri.replace("http://", f"http://me:{SECRET}@")
    folder, log = tmp_path / "served", tmp_path / "served.log"
    with log.open("wb") as output:
        process = subprocess.Popen(command(f"paths.store={folder}", "tracking=server", f"tracking.uri={uri}", *LONG),
                                   stdout=output, stderr=subprocess.STDOUT)  # fmt: skip
        while step_of(folder) < 100:
            assert process.poll() is None, log.read_text()[-3000:]
            time.sleep(0.05)
        server.kill()
        time.sleep(AWAY)
        during = step_of(folder)
        server.start()
        assert process.wait(timeout=600) == 0, log.read_text()[-3000:]
    assert during > 200, f"training stood still at step {during}"
    served, expected = curves(MlflowClient(server.uri)), curves(Store(tmp_path / "sqlite").client)
    assert served == expected
    assert not list((folder / "outbox").iterdir())
    for path in tmp_path.rglob("*"):
        assert not path.is_file() or SECRET.encode() not in path.read_bytes(), path


FILLING = """
set -u
store={store}
dd if=/dev/zero of=$store/ballast bs=1M count={ballast} status=none
{command} > {out}/full.log 2>&1; echo $? > {out}/full.status
ls $store/*/*/ > {out}/full.files 2>/dev/null
rm $store/ballast
{command} > {out}/again.log 2>&1; echo $? > {out}/again.status
cp -r $store {out}/kept
"""


def test_a_disk_that_fills_up_ends_the_run_with_one_line_and_it_goes_on_when_there_is_room(tmp_path: Path) -> None:
    """A file system of 150 MB of which a file takes nearly all; the same run elsewhere is the measure."""
    overrides = ("seed=3", "tracking.system_metrics=false")
    whole = ringexp(f"paths.store={tmp_path / 'whole'}", *overrides)
    assert whole.returncode == 0, whole.stderr[-3000:]
    store, out = tmp_path / "small", tmp_path / "out"
    store.mkdir()
    out.mkdir()
    line = subprocess.list2cmdline(command(f"paths.store={store}", *overrides))
    script = FILLING.format(store=store, out=out, command=line, ballast=150 - 45)
    small = ["--size", str(150 << 20), "--tmpfs", str(store)]
    subprocess.run(["bwrap", "--dev-bind", "/", "/", *small, "bash", "-c", script], check=True, timeout=900)
    full = (out / "full.log").read_text()
    assert (out / "full.status").read_text() == "2\n", full[-3000:]
    assert re.search(r"^ringexp: no space left on the disk .*the same command again", full, re.MULTILINE), full[-3000:]
    assert "Traceback" not in full
    assert (out / "again.status").read_text() == "0\n", (out / "again.log").read_text()[-3000:]
    kept = Store(out / "kept")
    assert kept.histories() == Store(tmp_path / "whole").histories()


def test_a_damaged_checkpoint_is_passed_over(tmp_path: Path) -> None:
    """The newest checkpoint of a killed SFT loses a byte: the one before it is taken, the curves are the same."""
    whole = ringexp(f"paths.store={tmp_path / 'whole'}", "seed=3")
    assert whole.returncode == 0
    folder = tmp_path / "damaged"
    process = subprocess.Popen(command(f"paths.store={folder}", "seed=3"), stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL, start_new_session=True)  # fmt: skip
    while step_of(folder) < 15:
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    (newest,) = folder.glob("*/sft-*/step-000015")
    state = (newest / "trainer.pt").read_bytes()
    (newest / "trainer.pt").write_bytes(state[:-1])
    done = ringexp(f"paths.store={folder}", "seed=3")
    assert done.returncode == 0, done.stderr[-3000:]
    assert re.search(r"^ringexp: warning: checkpoint .*step-000015 is damaged", done.stderr, re.MULTILINE)
    assert "sft: continuing from step 10" in done.stderr
    assert Store(folder).histories() == Store(tmp_path / "whole").histories()
