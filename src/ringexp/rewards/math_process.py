"""The parent's side of the Math-Verify process: starting, asking, limiting, ending it."""

import json
import os
import select
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from typing import IO, Any

import psutil

from ringexp.errors import RingexpError
from ringexp.records import Outcome, Verdict

_ENVIRONMENT = ("PATH", "PYTHONPATH", "PYTHONHOME", "LD_LIBRARY_PATH", "LANG", "TMPDIR")
_RECYCLE_AFTER = 20_000  # items: the parser's grammar caches only grow
_POLL_SECONDS = 0.05
_START_SECONDS = 300.0


class WorkerDied(Exception):
    """The process ended by itself in the middle of an item."""


class MathProcess:
    """One Math-Verify process, started when first asked, and again when it is gone. Not thread-safe: see its owner.

    Limits: `cpu_seconds` per item, of the process's own CPU time, so that a busy machine changes no verdict;
    `wall_seconds` per item only against a process that does not run at all; `memory_bytes` of address space.
    `options` are further arguments of its program.
    """

    def __init__(
        self, cpu_seconds: float, wall_seconds: float, memory_bytes: int, options: Sequence[str] = ()
    ) -> None:
        self._cpu_seconds = cpu_seconds
        self._wall_seconds = wall_seconds
        self._memory_bytes = memory_bytes
        self._options = tuple(options)
        self._process: subprocess.Popen[bytes] | None = None
        self._owner = 0
        self._unread = b""
        self._served = 0

    @property
    def pid(self) -> int | None:
        """The process's id while one is held."""
        return self._process.pid if self._process else None

    def ask(self, gold: str, answer: str) -> Verdict:
        """The verdict on one boxed answer. An item whose process dies is asked once more, of a new process."""
        item = json.dumps({"gold": gold, "answer": answer}).encode() + b"\n"
        for _ in range(2):
            process = self._running()
            try:
                return self._ask(process, item)
            except WorkerDied:
                self.stop()
        return Verdict(Outcome.ERROR, "the Math-Verify process died twice on this answer")

    def stop(self) -> None:
        """End the process, if any, and reap it."""
        process, self._process = self._process, None
        if process is None or self._owner != os.getpid():
            return
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe:
                pipe.close()

    def _running(self) -> subprocess.Popen[bytes]:
        """A live process that is ready for an item."""
        if self._owner != os.getpid():
            self._process = None  # a fork: the process belongs to the parent
        if self._process is None or self._process.poll() is not None or self._served >= _RECYCLE_AFTER:
            self.stop()
            return self._start()
        return self._process

    def _start(self) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "ringexp.rewards.math_worker"]
        command += ["--memory-bytes", str(self._memory_bytes), "--cpu-seconds", str(self._cpu_seconds), *self._options]
        environment = {k: os.environ[k] for k in _ENVIRONMENT if k in os.environ}
        environment |= {"PYTHONHASHSEED": "0", "PYTHONUTF8": "1", "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
        with tempfile.TemporaryFile() as complaints:
            process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=complaints, env=environment, bufsize=0
            )
            self._process, self._owner, self._unread, self._served = process, os.getpid(), b"", 0
            try:
                ready = self._receive(process, None, _START_SECONDS)
            except WorkerDied:
                ready = None
            if ready is None:
                self.stop()
                raise RingexpError(f"the Math-Verify process did not start ({_tail(complaints)}): install math-verify")
        return process

    def _ask(self, process: subprocess.Popen[bytes], item: bytes) -> Verdict:
        """Send one item and wait for its verdict within the limits."""
        assert process.stdin is not None
        before = _cpu_seconds(process)
        try:
            process.stdin.write(item)
        except BrokenPipeError as error:
            raise WorkerDied from error
        reply = self._receive(process, before + self._cpu_seconds, self._wall_seconds)
        self._served += 1
        slow = Verdict(Outcome.TIMEOUT, f"more than {self._cpu_seconds:g} s of CPU time")
        if reply is None:
            starved = _cpu_seconds(process) <= before + self._cpu_seconds
            self.stop()
            return Verdict(Outcome.TIMEOUT, f"no reply in {self._wall_seconds:g} s") if starved else slow
        if reply["cpu"] > self._cpu_seconds:
            return slow
        return Verdict(Outcome(reply["outcome"]), reply["detail"])

    def _receive(self, process: subprocess.Popen[bytes], cpu_end: float | None, wall: float) -> dict[str, Any] | None:
        """The next reply, or None when the CPU or wall limit is reached first."""
        assert process.stdout is not None
        wall_end = time.monotonic() + wall
        while b"\n" not in self._unread:
            if select.select([process.stdout], [], [], _POLL_SECONDS)[0]:
                chunk = os.read(process.stdout.fileno(), 65536)
                if not chunk:
                    raise WorkerDied
                self._unread += chunk
            elif (cpu_end is not None and _cpu_seconds(process) > cpu_end) or time.monotonic() > wall_end:
                return None
        line, self._unread = self._unread.split(b"\n", 1)
        reply: dict[str, Any] = json.loads(line)
        return reply


def _cpu_seconds(process: subprocess.Popen[bytes]) -> float:
    """User and system time that the process has used."""
    try:
        times = psutil.Process(process.pid).cpu_times()
    except psutil.NoSuchProcess as error:
        raise WorkerDied from error
    return float(times.user + times.system)


def _tail(complaints: IO[bytes]) -> str:
    """The last line that a process wrote to its standard error."""
    complaints.seek(0)
    lines = complaints.read().decode(errors="replace").strip().splitlines()
    return lines[-1] if lines else "it gave no reason"
