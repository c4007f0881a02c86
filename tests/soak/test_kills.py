"""SIGKILL at twenty points of the pipeline: the same command goes on as if nothing had been."""

import json
import os
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
from pipelines import Store, command, ringexp

POINTS = 20
SEED = "seed=3"


@dataclass(frozen=True)
class Whole:
    """The uninterrupted run: its store, its seconds, and when each file of it appeared."""

    store: Store
    seconds: float
    appeared: list[tuple[float, str]]

    def moment(self, share: float) -> tuple[str, float]:
        """The file last seen before a share of the run was over, and the seconds that had passed since."""
        at = share * self.seconds
        when, name = [(seconds, name) for seconds, name in self.appeared if seconds <= at][-1]
        return name, at - when


def watched(folder: Path) -> set[str]:
    """The files and folders of a run, those left out that are named by a run's id."""
    found = (path.relative_to(folder) for path in folder.glob("*/**/*"))
    return {str(path) for path in found if path.parts[0] not in ("artifacts", "outbox")}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Whole:
    folder = tmp_path_factory.mktemp("whole")
    process = subprocess.Popen(command(f"paths.store={folder}", SEED), stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL)  # fmt: skip
    started, seen, appeared = time.monotonic(), set[str](), [(0.0, "")]
    while process.poll() is None:
        new = watched(folder) - seen
        seen |= new
        appeared += [(time.monotonic() - started, name) for name in sorted(new)]
        time.sleep(0.02)
    assert process.returncode == 0
    return Whole(Store(folder), time.monotonic() - started, appeared)


def weights(folder: Path) -> dict[str, str]:
    """The checksum of every checkpoint's weights."""
    return {str(path.parent.relative_to(folder)): json.loads(path.read_text())["model.safetensors"]
            for path in folder.glob("*/*/step-*/checksums.json")}  # fmt: skip


def kill_at(folder: Path, name: str, seconds: float) -> bool:
    """Start the command, wait for the file, then the seconds, kill it with all its processes; False: it had ended."""
    folder.mkdir(exist_ok=True)
    with (folder / "said.txt").open("w") as said:
        process = subprocess.Popen(command(f"paths.store={folder}", SEED), stdout=subprocess.DEVNULL, stderr=said,
                                   start_new_session=True)  # fmt: skip
    while name and not (folder / name).exists():
        assert process.poll() is None, f"ended before {name} appeared: {(folder / 'said.txt').read_text()[-3000:]}"
        time.sleep(0.01)
    time.sleep(seconds)
    if process.poll() is not None:
        return False
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    return True


@pytest.mark.parametrize("point", range(POINTS))
def test_a_killed_pipeline_ends_as_the_uninterrupted_one(whole: Whole, tmp_path: Path, point: int) -> None:
    share = (point + 0.5) / POINTS
    name, seconds = whole.moment(share)
    while not kill_at(tmp_path, name, seconds):  # faster than the whole was: a little earlier, in a new store
        tmp_path, seconds = tmp_path / "again", seconds / 2
    started = time.monotonic()
    done = ringexp(f"paths.store={tmp_path}", SEED)
    needed = (time.monotonic() - started) / whole.seconds
    assert done.returncode == 0, done.stderr[-3000:]
    print(f"killed at {share:.3f} of {whole.seconds:.0f} s; the rest took {needed:.3f} of the whole")
    store = Store(tmp_path)
    assert {run.info.status for run in store.runs} == {"FINISHED"}
    assert len(store.kind("pipeline")) == 1
    assert store.histories() == whole.store.histories()
    assert weights(tmp_path) == weights(whole.store.folder)


@pytest.mark.parametrize("share", [0.8])
def test_a_run_that_is_killed_late_ends_soon(tmp_path: Path, share: float) -> None:
    """`ring_tiny` whole, then killed when four fifths of that time are over: the rest takes two fifths of it at most.

    At `debug=fast` starting up is nearly half of everything, so that it says little there.
    """
    whole, started = tmp_path / "whole", time.monotonic()
    done = subprocess.run(tiny(whole), capture_output=True, text=True, check=False)
    seconds = time.monotonic() - started
    assert done.returncode == 0, done.stderr[-3000:]
    process = subprocess.Popen(tiny(tmp_path / "killed"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                               start_new_session=True)  # fmt: skip
    time.sleep(share * seconds)
    assert process.poll() is None, "ended before it was killed"
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    started = time.monotonic()
    done = subprocess.run(tiny(tmp_path / "killed"), capture_output=True, text=True, check=False)
    needed = (time.monotonic() - started) / seconds
    assert done.returncode == 0, done.stderr[-3000:]
    print(f"killed at {share} of {seconds:.0f} s; the rest took {needed:.3f} of the whole")
    assert Store(tmp_path / "killed").histories() == Store(whole).histories()
    assert needed <= 0.4


def tiny(folder: Path) -> list[str]:
    return [word for word in command(f"paths.store={folder}") if word != "debug=fast"]
