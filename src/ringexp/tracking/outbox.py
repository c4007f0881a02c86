"""What is on its way to MLflow: on disk first, delivered in order in the background, however long the store is away.

Training never waits for the store. An entry is a line of JSON in `<folder>/<run id>.jsonl` before `put` returns; one
thread delivers, many entries at once, and tries again for as long as the store cannot be reached. A run's file goes
when all of it is delivered; what a killed process left is delivered when the run is opened again. Delivering an entry
twice must change nothing.
"""

import errno
import json
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from io import FileIO
from pathlib import Path
from typing import Any

from mlflow.exceptions import MlflowException

from ringexp.errors import RecordError

Entry = Mapping[str, Any]
Deliver = Callable[[str, Sequence[Entry]], None]
"""Delivers entries of one run, in order. Raises MlflowException where the store cannot or will not take them."""

PAUSE = 1.0
"""Seconds between deliveries: what comes meanwhile travels together."""

LONGEST_PAUSE = 15.0
"""Seconds between two attempts at a store that cannot be reached, at most."""

REFUSED = ("INVALID_PARAMETER_VALUE", "RESOURCE_DOES_NOT_EXIST", "RESOURCE_ALREADY_EXISTS", "PERMISSION_DENIED",
           "UNAUTHENTICATED", "INVALID_STATE", "BAD_REQUEST")  # fmt: skip
"""MLflow's error codes that trying again does not mend."""


class Outbox:
    """One for each store; `folder` holds the files of its runs."""

    def __init__(self, folder: Path, deliver: Deliver) -> None:
        self.folder, self._deliver = folder, deliver
        self._files: dict[str, FileIO] = {}
        self._waiting: deque[tuple[str, Entry]] = deque()
        self._changed = threading.Condition()
        self._open: dict[str, int] = {}
        self._errors: dict[str, BaseException] = {}
        self._hurry = threading.Event()
        self._trouble = ""
        self._thread: threading.Thread | None = None

    def left(self, run_id: str) -> list[Entry]:
        """What an earlier process left undelivered, oldest first; a last line that a kill cut off is not counted."""
        path = self._path(run_id)
        if run_id in self._files or not path.is_file():
            return []
        whole = path.read_bytes()
        whole = whole[: whole.rfind(b"\n") + 1]
        with path.open("r+b") as file:
            file.truncate(len(whole))
        return [json.loads(line) for line in whole.splitlines()]

    def again(self, run_id: str, entries: Sequence[Entry]) -> None:
        """Deliver entries that are in the run's file already."""
        self._enqueue(run_id, entries)

    def put(self, run_id: str, entry: Entry) -> None:
        """Write the entry down and have it delivered. Raises OSError where the disk is full."""
        if run_id not in self._files:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._files[run_id] = self._path(run_id).open("ab", buffering=0)
        line = (json.dumps(entry) + "\n").encode()
        if self._files[run_id].write(line) != len(line):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self._path(run_id)))
        self._enqueue(run_id, [entry])

    def sync(self, run_id: str) -> None:
        """Everything put so far outlives a crash of the machine. Raises RecordError for what the store refused."""
        if run_id in self._files:
            os.fsync(self._files[run_id].fileno())
        self._raise_refusal(run_id)

    def drain(self, run_id: str, patience: float, say: Callable[[str], None] = lambda _: None) -> None:
        """Wait until everything of the run is delivered, `patience` seconds at most while the store is away.

        Raises RecordError where the store stays away (what is left stays on disk), or refused something.
        """
        deadline, told = time.monotonic() + patience, time.monotonic() + 3
        self._hurry.set()
        with self._changed:
            while self._open.get(run_id, 0) and run_id not in self._errors:
                now = time.monotonic()
                if now >= deadline:
                    raise RecordError(f"MLflow has been away for {patience:.0f} s ({self._trouble}); "
                                      f"{self._open[run_id]} entries wait in {self._path(run_id)}: the same command "
                                      "sends them")  # fmt: skip
                if now >= told and self._trouble:
                    say(f"waiting for MLflow ({self._trouble}); {self._open[run_id]} entries are safe on disk")
                    told = now + 15
                self._changed.wait(min(1.0, deadline - now))
            if not any(self._open.values()):
                self._hurry.clear()
        self._raise_refusal(run_id)
        if run_id in self._files:
            self._files.pop(run_id).close()
        self._path(run_id).unlink(missing_ok=True)

    def _path(self, run_id: str) -> Path:
        return self.folder / f"{run_id}.jsonl"

    def _raise_refusal(self, run_id: str) -> None:
        if run_id in self._errors:
            error = self._errors[run_id]
            raise RecordError(f"MLflow refused what run {run_id} logged: {error}") from error

    def _enqueue(self, run_id: str, entries: Sequence[Entry]) -> None:
        with self._changed:
            self._waiting.extend((run_id, entry) for entry in entries)
            self._open[run_id] = self._open.get(run_id, 0) + len(entries)
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="ringexp-outbox", daemon=True)
                self._thread.start()
            self._changed.notify_all()

    def _work(self) -> None:
        """The delivering thread."""
        while True:
            with self._changed:
                while not self._waiting:
                    self._changed.wait()
                batch = list(self._waiting)
                self._waiting.clear()
            by_run: dict[str, list[Entry]] = {}
            for run_id, entry in batch:
                by_run.setdefault(run_id, []).append(entry)
            for run_id, entries in by_run.items():
                self._send(run_id, entries)
            self._hurry.wait(PAUSE)

    def _send(self, run_id: str, entries: Sequence[Entry]) -> None:
        """Deliver one run's entries, trying again until the store has taken or refused them."""
        pause = 1.0
        while True:
            error: BaseException | None = None
            try:
                self._deliver(run_id, entries)
            except Exception as failure:  # whatever a lost connection raises; only a refusal is final
                if not refused(failure):
                    self._trouble = str(failure).splitlines()[0][:200]
                    time.sleep(pause)
                    pause = min(2 * pause, LONGEST_PAUSE)
                    continue
                error = failure
            self._trouble = ""
            with self._changed:
                if error is not None:
                    self._errors[run_id] = error
                self._open[run_id] -= len(entries)
                self._changed.notify_all()
            return


def refused(error: BaseException) -> bool:
    """Whether the store answered and will not take it; an error that is not MLflow's own is one of ours."""
    if isinstance(error, MlflowException):
        return error.error_code in REFUSED
    return not isinstance(error, OSError)
