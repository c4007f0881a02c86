"""Who runs a trial, and whether they still do: by the process where it can be looked up, else by its heartbeat.

Clocks are never compared between machines: a heartbeat is dead when it has not changed while we watched for `grace`.
"""

import os
import socket
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from optuna import Trial
from optuna.exceptions import StorageInternalError, UpdateFinishedTrialError
from optuna.trial import FrozenTrial

from ringexp.sweep.storage import in_words

OWNER, BEAT = "owner", "beat"
"""User attributes of a running trial: its process, and the time of its last sign of life (Unix seconds)."""


def me() -> dict[str, Any]:
    """This process: machine (what process ids are valid in), host name, process id, its start in clock ticks."""
    return {"machine": _machine(), "host": socket.gethostname(), "pid": os.getpid(), "started": _started(os.getpid())}


def _machine() -> str:
    """The boot and the namespace of process ids, which two containers of one host do not share."""
    boot = Path("/proc/sys/kernel/random/boot_id")
    space = Path("/proc/self/ns/pid")
    known = boot.is_file() and space.is_symlink()
    return f"{boot.read_text().strip()} {space.readlink()}" if known else socket.gethostname()


def _started(pid: int) -> int | None:
    """When a process started, in clock ticks since boot; None where there is none, or only its remains (a zombie)."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] in ("Z", "X") else int(fields[19])


def lives(owner: Mapping[str, Any]) -> bool | None:
    """Whether the process is there; None where that cannot be seen from here."""
    if owner.get("machine") != _machine():
        return None
    started = _started(int(owner["pid"]))
    return started is not None and started == owner.get("started")


class Watch:
    """Remembers the heartbeats of running trials, and since when each has not changed."""

    def __init__(self, grace: float) -> None:
        self.grace = grace
        self._seen: dict[int, tuple[Any, float]] = {}

    def dead(self, running: Sequence[FrozenTrial]) -> list[tuple[FrozenTrial, str]]:
        """The trials whose process is gone, with the reason in words."""
        return [(trial, why) for trial in running if (why := self._why(trial))]

    def _why(self, trial: FrozenTrial) -> str | None:
        owner = trial.user_attrs.get(OWNER, {})
        who = f"process {owner.get('pid', '?')} on {owner.get('host', 'an unknown host')}"
        if (alive := lives(owner)) is not None:
            return None if alive else f"{who} died"
        beat, now = trial.user_attrs.get(BEAT), time.monotonic()
        before, since = self._seen.get(trial.number, (None, now))
        if before != beat or trial.number not in self._seen:
            since = now
        self._seen[trial.number] = (beat, since)
        return f"{who} gave no sign of life for {self.grace:g} s" if now - since > self.grace else None


@contextmanager
def beating(trial: Trial, every: float) -> Iterator[None]:
    """While the body runs, a thread writes the trial's heartbeat every so many seconds."""
    ended = threading.Event()

    def beat() -> None:
        told = False
        while not ended.wait(every):
            try:
                trial.set_user_attr(BEAT, time.time())
            except UpdateFinishedTrialError:
                return
            except (StorageInternalError, OSError) as error:  # the storage is away: the job may still outlast that
                if not told:
                    print(f"ringexp: trial {trial.number}: no heartbeat written ({in_words(error)})", file=sys.stderr)
                told = True

    thread = threading.Thread(target=beat, name="heartbeat", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
