"""Runs of the real command, and what MLflow holds of them."""

import json
import os
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from mlflow import MlflowClient
from mlflow.entities import Run
from several import MARK

from ringexp.tracking.names import NOT_REPEATED

ONE_THREAD = ["trainer.threads=1"] if "PYTEST_XDIST_WORKER" in os.environ else []
"""Of two processes that test on two cores each has one."""


def arguments(*overrides: str) -> list[str]:
    """Flags first; small, but for a reproduction, which is as large as what it repeats."""
    flags = [word for word in overrides if word.startswith("-")]
    keys = [word for word in overrides if not word.startswith("-")]
    small = [] if "task=reproduce" in keys else ["debug=fast", *ONE_THREAD]
    return [*flags, *small, "progress=false", *keys]


def command(*overrides: str) -> list[str]:
    return [sys.executable, "-m", "ringexp.cli", *arguments(*overrides)]


def ringexp(*overrides: str, timeout: float = 600, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command to its end, in a process of its own, with some more environment variables."""
    return subprocess.run(command(*overrides), capture_output=True, text=True, timeout=timeout, check=False,
                          env=os.environ | environment)  # fmt: skip


class Forked:
    """Commands in one process, forked from that of `several.py`, of which each testing process has one."""

    def __init__(self, commands: Sequence[Sequence[str]], stdout: Path | str, stderr: Path | str) -> None:
        request = {"commands": [arguments(*one) for one in commands], "stdout": str(stdout), "stderr": str(stderr)}
        asked = _server().stdin
        assert asked is not None
        asked.write(json.dumps(request).encode() + b"\n")
        process = _said(600)
        if process is None:
            _drop()
            raise AssertionError("several.py has not started")
        self.process = process

    def wait(self, timeout: float) -> int | None:
        """Its exit status, negative for a signal; None where it runs on."""
        return _said(timeout)

    def kill(self) -> None:
        os.killpg(self.process, signal.SIGKILL)
        _drop()


@cache
def _server() -> subprocess.Popen[bytes]:
    """Ends when its standard input does, with the testing process."""
    script = Path(__file__).with_name("several.py")
    return subprocess.Popen([sys.executable, str(script)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)


def _drop() -> None:
    """The next commands get another: what this one still has to say would be taken for an answer to them."""
    _server().kill()
    _server().wait()
    _server.cache_clear()


def _said(timeout: float) -> int | None:
    """The next number that the server says, where it does in so many seconds."""
    stream = _server().stdout
    assert stream is not None
    return int(stream.readline()) if select.select([stream], [], [], timeout)[0] else None


class Done(NamedTuple):
    """How a command has ended, and what it said."""

    returncode: int
    stdout: str
    stderr: str


def several(*commands: Sequence[str], timeout: float = 900) -> list[Done]:
    """Commands one after the other in one process, whatever becomes of each."""
    with TemporaryDirectory() as folder:
        streams = [Path(folder) / name for name in ("stdout", "stderr")]
        running = Forked(commands, *streams)
        if running.wait(timeout) is None:
            running.kill()
            raise AssertionError(f"not ended after {timeout} s: {streams[1].read_text()[-3000:]}")
        whole = [stream.read_text() for stream in streams]
    said = [re.split(f"{MARK}(\\d+)\n", text) for text in whole]
    assert [len(parts) // 2 for parts in said] == [len(commands)] * 2, whole[1][-3000:]
    return [Done(int(said[0][at + 1]), said[0][at], said[1][at]) for at in range(0, 2 * len(commands), 2)]


def finished(*commands: Sequence[str]) -> list[Done]:
    """`several`, none of which may fail."""
    done = several(*commands)
    assert not any(one.returncode for one in done), [one.stderr[-3000:] for one in done if one.returncode]
    return done


def ringexp_killed(*overrides: str, when: Sequence[Path | str], sig: int = signal.SIGKILL, timeout: float = 300) -> int:
    """Run the command and send a signal as soon as a path matching the (folder, pattern) pair exists."""
    folder, pattern = Path(when[0]), str(when[1])
    running = Forked([overrides], os.devnull, os.devnull)
    deadline = time.monotonic() + timeout
    status = None
    while time.monotonic() < deadline and status is None:
        if any(folder.glob(pattern)):
            if sig == signal.SIGKILL:
                os.killpg(running.process, sig)
            else:
                os.kill(running.process, sig)
            status = running.wait(60)
            if status is None:
                running.kill()
                raise AssertionError(f"runs on after {signal.Signals(sig).name}")
            return status
        status = running.wait(0.02)
    if status is None:
        running.kill()
    raise AssertionError(f"{pattern} never appeared under {folder}")


PARENT = "mlflow.parentRunId"


class Store:
    """A finished store, read back; of several pipelines, the one named."""

    def __init__(self, folder: Path, pipeline: str | None = None) -> None:
        self.folder = folder
        self.client = MlflowClient(f"sqlite:///{folder}/mlflow.db")
        experiments = [e.experiment_id for e in self.client.search_experiments()]
        self.runs = list(self.client.search_runs(experiments, order_by=["attributes.start_time ASC"]))
        if pipeline is not None:
            self.runs = [run for run in self.runs if pipeline in (run.info.run_id, run.data.tags.get(PARENT))]

    def kind(self, kind: str) -> list[Run]:
        return [run for run in self.runs if run.data.tags.get("ringexp.kind") == kind]

    def stage(self, name: str) -> Run:
        (run,) = [run for run in self.kind("stage") if run.data.tags["ringexp.stage"] == name]
        return run

    @property
    def pipeline(self) -> Run:
        (run,) = self.kind("pipeline")
        return run

    def history(self, run: Run, key: str) -> list[tuple[int, float]]:
        return [(p.step, p.value) for p in self.client.get_metric_history(run.info.run_id, key)]

    def histories(self) -> dict[tuple[str, str], list[tuple[int, float]]]:
        """Every history that must repeat, by (run's name, metric)."""
        return {
            (run.info.run_name, key): self.history(run, key)
            for run in self.runs
            for key in run.data.metrics
            if not key.startswith(NOT_REPEATED)
        }

    def summary(self) -> dict[str, Any]:
        folder = self.folder / self.pipeline.data.tags["ringexp.folder"]
        return json.loads((folder / "summary.json").read_text())
