"""The candidate as the tests see it: a function over a pipe.

Part of the program inside the sandbox, in the checker's process. Standard library only.
"""

from __future__ import annotations

import builtins
import posix as os
import time

from ringexp.rewards.sandbox.codec import BadFrame, Ended, decode, encode, frame, receive, send
from ringexp.rewards.sandbox.watch import Stopped, Watched

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_ENDS_LOOPS = (StopIteration, StopAsyncIteration)  # raised in a test's loop, they would end it as if all were well


class CandidateError(Exception):
    """The candidate raised an exception of its own, or returned what is no plain data."""


class Candidate(Watched):
    """The candidate's process as the tests see it: a function, and limits that stop everything."""

    def __init__(self, pid: int, calls: int, answers: int, request: dict[str, Any], wall_end: float) -> None:
        super().__init__(pid, request, wall_end)
        self._calls, self._answers = calls, answers
        self.raised: BaseException | None = None
        self.called: tuple[tuple[Any, ...], dict[str, Any]] | None = None
        """The arguments of the last call."""
        self.returned: list[Any] = []
        """The value of the last call, if it has one."""

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
        self.called, self.returned = (args, kwargs), []
        try:
            send(self._calls, frame(encode([list(args), kwargs])))
        except Ended:
            raise self._ended() from None
        kind, *rest = self._receive()
        if kind == "value" and len(rest) == 1:
            try:
                self.returned = [decode(rest[0])]
            except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError):
                raise self.stop("wrong", "bad reply") from None
            return self.returned[0]
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
            pid, status, usage = os.wait4(self.pid, os.WNOHANG)
            if pid:
                self._reaped = True
                code = os.waitstatus_to_exitcode(status)
                if code < 0 and usage.ru_utime + usage.ru_stime > self._request["cpu_seconds"]:
                    return self._slow()
                return self.stop("wrong", f"ended early ({f'signal {-code}' if code < 0 else f'exit {code}'})")
            time.sleep(0.005)
        return self.stop("wrong", "closed its pipe")


def _name(text: Any) -> str:
    """A type's name as it may stand in a detail."""
    return text[:60] if isinstance(text, str) and text.isidentifier() else "exception"
