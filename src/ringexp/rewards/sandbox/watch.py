"""The limits of a candidate's process, kept by the process beside it. Standard library only, as all inside the sandbox.

CPU time decides, so that a busy machine changes no verdict; wall time is only against a process that sleeps.
"""

from __future__ import annotations

import _signal as signal  # type: ignore[import-not-found]  # `signal` itself would load `enum`
import posix as os
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType
    from typing import Any

_TICK_SECONDS = 0.02


class Stopped(BaseException):
    """The candidate is finished, whatever else would be made of it."""

    def __init__(self, outcome: str, detail: str) -> None:
        super().__init__(detail)
        self.reply = {"outcome": outcome, "detail": detail}


class Watched:
    """A candidate's process under its limits.

    Args:
        pid: the process.
        request: the limits.
        wall_end: when wall time is up, on the monotonic clock.
        spent: CPU seconds that earlier processes of the same candidate took.
    """

    def __init__(self, pid: int, request: dict[str, Any], wall_end: float, spent: float = 0.0) -> None:
        self.pid, self._request = pid, request
        self._wall_end, self._spent = wall_end, spent
        self._reaped = False
        self.stopped: Stopped | None = None

    def watch(self) -> None:
        """Look at the limits now and at every tick."""
        signal.signal(signal.SIGALRM, self._tick)
        signal.setitimer(signal.ITIMER_REAL, _TICK_SECONDS, _TICK_SECONDS)

    def rest(self) -> None:
        """No more ticks."""
        signal.setitimer(signal.ITIMER_REAL, 0)

    def end(self) -> None:
        """No more ticks; end the process, if it has not ended, and wait, so that its CPU time is counted."""
        self.rest()
        if not self._reaped:
            try:
                os.kill(self.pid, signal.SIGKILL)
                os.wait4(self.pid, 0)
            except (ProcessLookupError, ChildProcessError):  # reaped in the moment before a tick
                return

    def stop(self, outcome: str, detail: str) -> Stopped:
        """The exception to raise; the first reason stays the verdict even where tests swallow it."""
        self.stopped = self.stopped or Stopped(outcome, detail)
        return self.stopped

    def wait(self) -> int:
        """Wait for the process's end; its exit status, or minus the signal that ended it.

        Raises:
            Stopped: a limit was reached, the CPU time's after the end too.
        """
        _, status, usage = os.wait4(self.pid, 0)
        self._reaped = True
        self._spent += usage.ru_utime + usage.ru_stime
        self._look()
        return os.waitstatus_to_exitcode(status)

    @property
    def spent(self) -> float:
        """CPU seconds of the processes that have ended."""
        return self._spent

    def _slow(self) -> Stopped:
        return self.stop("timeout", f"more than {self._request['cpu_seconds']:g} s of CPU time")

    def _tick(self, signum: int, frame: FrameType | None) -> None:
        self._look()

    def _look(self) -> None:
        """Stop at a limit: CPU time of candidate and tests together, files in /tmp, wall time."""
        spent = time.process_time() + self._spent + self._running()
        if spent > self._request["cpu_seconds"]:
            raise self._slow()
        if not self._request["read_only"]:
            files = os.statvfs("/tmp")
            if files.f_files - files.f_ffree > self._request["tmp_files"]:
                raise self.stop("wrong", f"more than {self._request['tmp_files']} files")
        if time.monotonic() > self._wall_end:
            raise self.stop("timeout", f"no end in {self._request['wall_seconds']:g} s")

    def _running(self) -> float:
        """CPU seconds of the process, 0 once it is gone."""
        try:
            return 0.0 if self._reaped else time.clock_gettime((~self.pid << 3) | 2)  # that process's CPU clock
        except OSError:
            return 0.0
