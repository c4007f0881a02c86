"""The parent's side of one Math-Verify process: starting it, giving it items, its limits, ending it."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import psutil

from ringexp.errors import RingexpError
from ringexp.records import Outcome, Verdict
from ringexp.rewards.memory import Pair

_ENVIRONMENT = ("PATH", "PYTHONPATH", "PYTHONHOME", "LD_LIBRARY_PATH", "LANG", "TMPDIR")
_START_SECONDS = 300.0


class WorkerDied(Exception):
    """The process has ended by itself."""


@dataclass(frozen=True, slots=True)
class MathLimits:
    """Limits of one item: CPU time of the process, so that a busy machine changes no verdict; address space; and
    wall time, only against a process that does not run at all.
    """

    cpu_seconds: float
    wall_seconds: float
    memory_bytes: int

    @property
    def slow(self) -> Verdict:
        """The verdict on an item that takes too much CPU time."""
        return Verdict(Outcome.TIMEOUT, f"more than {self.cpu_seconds:g} s of CPU time")


class MathProcess:
    """One process, from its start to its end; it takes a chunk of items when it is free and answers them in order.

    `waiting` holds the indices of items that it was given and has not answered; it works on the first. `served`
    counts answers. `options` are further arguments of its program. Not thread-safe: see its owner.
    """

    def __init__(self, limits: MathLimits, options: Sequence[str] = ()) -> None:
        command = [sys.executable, "-m", "ringexp.rewards.math_worker", *options]
        command += ["--memory-bytes", str(limits.memory_bytes), "--cpu-seconds", str(limits.cpu_seconds)]
        environment = {k: os.environ[k] for k in _ENVIRONMENT if k in os.environ}
        environment |= {"PYTHONHASHSEED": "0", "PYTHONUTF8": "1", "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
        self._limits = limits
        self._complaints = tempfile.TemporaryFile()  # noqa: SIM115, closed by stop
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._complaints, env=environment, bufsize=0
        )
        self._unread = b""
        self._ready = False
        self._since, self._cpu_before = time.monotonic(), 0.0
        self.waiting: deque[int] = deque()
        self.served = 0

    @property
    def pid(self) -> int:
        """The process's id."""
        return self._process.pid

    @property
    def free(self) -> bool:
        """Whether it has started and has nothing to do."""
        return self._ready and not self.waiting

    @property
    def alive(self) -> bool:
        """Whether it has not ended."""
        return self._process.poll() is None

    def fileno(self) -> int:
        """Where its answers come from, to wait for."""
        assert self._process.stdout is not None
        return self._process.stdout.fileno()

    def give(self, items: Iterable[tuple[int, Pair]]) -> None:
        """Give a free process a chunk of items, in one message: it is reading, so this does not block.

        Raises:
            WorkerDied: it has ended meanwhile.
        """
        assert self._process.stdin is not None and self.free
        chunk = list(items)
        self.waiting.extend(index for index, _ in chunk)
        self._since, self._cpu_before = time.monotonic(), self._cpu_seconds()
        message = memoryview(json.dumps([pair for _, pair in chunk]).encode() + b"\n")
        try:
            while message:
                message = message[self._process.stdin.write(message) or 0 :]
        except BrokenPipeError as error:
            raise WorkerDied from error

    def hear(self) -> Iterator[tuple[int, Verdict]]:
        """The answers that have come, each with the item's index; to be called when there is something to read.

        Raises:
            WorkerDied: it has ended, after the answers that it still gave.
        """
        news = os.read(self.fileno(), 65536)
        *lines, self._unread = (self._unread + news).split(b"\n")
        for line in lines:
            self._since = time.monotonic()
            if not self._ready:
                self._ready = True
                continue
            reply = json.loads(line)
            self._cpu_before = reply["total"]
            self.served += 1
            slow = reply["cpu"] > self._limits.cpu_seconds
            verdict = self._limits.slow if slow else Verdict(Outcome(reply["outcome"]), reply["detail"])
            yield self.waiting.popleft(), verdict
        if not news:
            raise WorkerDied

    def overdue(self) -> Verdict | None:
        """The verdict on the item that it works on, if that is beyond its limits; None while it is not.

        Raises:
            WorkerDied: it has ended.
            RingexpError: it has not started within minutes.
        """
        waited = time.monotonic() - self._since
        if not self._ready:
            if waited > _START_SECONDS:
                raise RingexpError(self.no_start())
            return None
        if self._cpu_seconds() > self._cpu_before + self._limits.cpu_seconds:
            return self._limits.slow
        if waited > self._limits.wall_seconds:
            return Verdict(Outcome.TIMEOUT, f"no reply in {self._limits.wall_seconds:g} s")
        return None

    def stop(self) -> None:
        """End the process and reap it."""
        self._process.kill()
        self._process.wait()
        for file in (self._process.stdin, self._process.stdout, self._complaints):
            if file:
                file.close()

    def cause(self) -> Verdict | None:
        """Of a process that has died: the verdict on its item where the kernel's CPU limit ended it.

        Raises:
            RingexpError: it never started.
        """
        if not self._ready:
            raise RingexpError(self.no_start())
        return self._limits.slow if self._process.wait() == -signal.SIGXCPU else None

    def no_start(self) -> str:
        """Why it did not start: the last line that it wrote to its standard error."""
        self._complaints.seek(0)
        lines = self._complaints.read().decode(errors="replace").strip().splitlines()
        reason = lines[-1] if lines else "it gave no reason"
        return f"the Math-Verify process did not start ({reason}): install math-verify"

    def _cpu_seconds(self) -> float:
        """User and system time that the process has used."""
        try:
            times = psutil.Process(self._process.pid).cpu_times()
        except psutil.NoSuchProcess as error:
            raise WorkerDied from error
        return float(times.user + times.system)
