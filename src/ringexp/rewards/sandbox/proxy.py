"""The candidate as the tests see it: a function over a pipe, and the limits that stop everything.

Part of the program inside the sandbox, in the checker's process. Standard library only.
"""

from __future__ import annotations

import _signal as signal  # type: ignore[import-not-found]  # `signal` itself would load `enum`
import builtins
import os
import time

from ringexp.rewards.sandbox.codec import BadFrame, Ended, decode, encode, frame, receive, send

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType
    from typing import Any

_TICK_SECONDS = 0.02
_ENDS_LOOPS = (StopIteration, StopAsyncIteration)  # raised in a test's loop, they would end it as if all were well


class CandidateError(Exception):
    """The candidate raised an exception of its own, or returned what is no plain data."""


class Stopped(BaseException):
    """The candidate is finished, whatever the tests would make of it."""

    def __init__(self, outcome: str, detail: str) -> None:
        super().__init__(detail)
        self.reply = {"outcome": outcome, "detail": detail}


class Candidate:
    """The candidate's process as the tests see it: a function, and limits that stop everything."""

    def __init__(self, pid: int, calls: int, answers: int, request: dict[str, Any], started: float) -> None:
        self._pid, self._calls, self._answers = pid, calls, answers
        self._request = request
        self._wall_end = started + request["wall_seconds"]
        self._reaped = False
        self.stopped: Stopped | None = None
        self.raised: BaseException | None = None

    def watch(self) -> None:
        """Look at the limits now and at every tick."""
        signal.signal(signal.SIGALRM, self._tick)
        signal.setitimer(signal.ITIMER_REAL, _TICK_SECONDS, _TICK_SECONDS)

    def end(self) -> None:
        """No more ticks; end the process, if it has not ended, and wait, so that its CPU time is counted."""
        signal.setitimer(signal.ITIMER_REAL, 0)
        if not self._reaped:
            try:
                os.kill(self._pid, signal.SIGKILL)
                os.wait4(self._pid, 0)
            except (ProcessLookupError, ChildProcessError):  # reaped in the moment before a tick
                return

    def stop(self, outcome: str, detail: str) -> Stopped:
        """The exception to raise; the first reason stays the verdict even where tests swallow it."""
        self.stopped = self.stopped or Stopped(outcome, detail)
        return self.stopped

    def start(self) -> None:
        """Wait until the source is executed."""
        status, *rest = self._receive()
        if status != "confined":  # nothing untrusted has run yet
            raise self.stop("error", str(rest)[:100])
        status, *rest = self._receive()
        if status in ("unparsable", "raised") and not rest:
            raise self.stop("wrong", "bad reply")
        if status == "unparsable":
            raise self.stop("unparsable", f"not Python: {_name(rest[0])}")
        if status == "missing":
            raise self.stop("wrong", f"no function {self._request['entry_point'][:60]}")
        if status == "raised":
            raise self.stop("wrong", "memory" if rest[0] == "MemoryError" else f"{_name(rest[0])} when executed")
        if status != "ready":
            raise self.stop("wrong", "bad reply")

    def call(self, *args: Any, **kwargs: Any) -> Any:
        """The entry point's value for these arguments, as plain data; its builtin exceptions are raised here."""
        if self.stopped:
            raise self.stopped
        try:
            send(self._calls, frame(encode([list(args), kwargs])))
        except Ended:
            raise self._ended() from None
        kind, *rest = self._receive()
        if kind == "value" and len(rest) == 1:
            try:
                return decode(rest[0])
            except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError):
                raise self.stop("wrong", "bad reply") from None
        if kind == "raised" and len(rest) == 2:
            self.raised = self._exception(str(rest[0]), str(rest[1]))
            raise self.raised
        if kind == "large":
            raise self.stop("wrong", f"returned more than {self._request['value_bytes']} bytes")
        if kind == "foreign":
            raise CandidateError(f"returned data of type {_name(rest[0] if rest else '')}")
        raise self.stop("wrong", "bad reply")

    def _exception(self, name: str, message: str) -> BaseException:
        """The exception to raise in the tests: of the builtin class where a test may expect it."""
        found = getattr(builtins, name, None)
        if found is MemoryError:
            return self.stop("wrong", "memory")
        if not (isinstance(found, type) and issubclass(found, Exception)) or found in _ENDS_LOOPS:
            return CandidateError(f"raised {_name(name)}")
        try:
            return found(message)
        except TypeError:  # a few builtin ones want more than a message
            return CandidateError(f"raised {_name(name)}")

    def _receive(self) -> list[Any]:
        """The candidate's next answer, within the limits."""
        try:
            answer = receive(self._answers, self._request["value_bytes"])
        except Ended:
            raise self._ended() from None
        except BadFrame:
            raise self.stop("wrong", "bad reply") from None
        self._look()
        if not (isinstance(answer, list) and answer and isinstance(answer[0], str)):
            raise self.stop("wrong", "bad reply")
        return answer

    def _ended(self) -> Stopped:
        """Why the candidate's process has closed its pipe."""
        for _ in range(100):
            pid, status, usage = os.wait4(self._pid, os.WNOHANG)
            if pid:
                self._reaped = True
                code = os.waitstatus_to_exitcode(status)
                if code < 0 and usage.ru_utime + usage.ru_stime > self._request["cpu_seconds"]:
                    return self._slow()
                return self.stop("wrong", f"ended early ({f'signal {-code}' if code < 0 else f'exit {code}'})")
            time.sleep(0.005)
        return self.stop("wrong", "closed its pipe")

    def _slow(self) -> Stopped:
        return self.stop("timeout", f"more than {self._request['cpu_seconds']:g} s of CPU time")

    def _tick(self, signum: int, frame: FrameType | None) -> None:
        self._look()

    def _look(self) -> None:
        """Stop at a limit: CPU time of candidate and tests together, files in /tmp, wall time."""
        try:
            spent = time.process_time() + time.clock_gettime((~self._pid << 3) | 2)  # that process's CPU clock
        except OSError:
            spent = time.process_time()
        if spent > self._request["cpu_seconds"]:
            raise self._slow()
        files = os.statvfs("/tmp")
        if files.f_files - files.f_ffree > self._request["tmp_files"]:
            raise self.stop("wrong", f"more than {self._request['tmp_files']} files")
        if time.monotonic() > self._wall_end:
            raise self.stop("timeout", f"no end in {self._request['wall_seconds']:g} s")


def _name(text: Any) -> str:
    """A type's name as it may stand in a detail."""
    return text[:60] if isinstance(text, str) and text.isidentifier() else "exception"
