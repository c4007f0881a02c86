"""Candidates judged, several at a time, each in a fresh sandbox of its own; and whether sandboxes work here at all."""

import os
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from ringexp.code_tests import CodeTests, FunctionTests
from ringexp.errors import RingexpError
from ringexp.records import Outcome, Verdict
from ringexp.rewards.sandbox.functions import judge_function
from ringexp.rewards.sandbox.limits import Limits
from ringexp.rewards.sandbox.process import SandboxFailed
from ringexp.rewards.sandbox.programs import judge_program
from ringexp.rewards.sandbox.root import BUBBLEWRAP, PROCESS, WEAKER, Command, command

_DETAIL_CHARS = 300


class Job(NamedTuple):
    """A candidate's source and the tests that judge it."""

    source: str
    tests: CodeTests


class Sandbox:
    """Runs jobs, each in a sandbox of its own, `workers` at a time; thread-safe.

    No process outlives its job. Threads are started when first needed, and again after a close or a fork.
    """

    def __init__(self, limits: Limits | None = None, workers: int = 2, isolation: str = BUBBLEWRAP) -> None:
        self._limits = limits or Limits()
        self._workers = workers
        self._isolation = isolation
        self._pool: ThreadPoolExecutor | None = None
        self._owner = 0
        self._lock = threading.Lock()

    def run(self, jobs: Sequence[Job]) -> list[Verdict]:
        """One verdict per job, in order. A sandbox that fails by itself is tried once more, then it is an error.

        Raises:
            RingexpError: bubblewrap is not installed.
        """
        start = command(self._isolation, self._limits.tmp_bytes)
        with self._lock:
            pool = self._threads()
            waiting = [pool.submit(_verdict, start, job, self._limits, self._isolation) for job in jobs]
        try:
            return [future.result() for future in waiting]
        finally:
            for future in waiting:
                future.cancel()

    def close(self) -> None:
        """End the threads, once the jobs that were asked for are done."""
        with self._lock:
            pool, self._pool = self._pool, None
            if pool is not None and self._owner == os.getpid():
                pool.shutdown()

    def _threads(self) -> ThreadPoolExecutor:
        if self._pool is None or self._owner != os.getpid():
            self._pool, self._owner = ThreadPoolExecutor(self._workers, "sandbox"), os.getpid()
        return self._pool


def require(limits: Limits | None = None, isolation: str = BUBBLEWRAP) -> None:
    """Check that sandboxes work here, by judging one trivial candidate.

    Raises:
        RingexpError: one line that says what is missing and how to get it.
    """
    limits = limits or Limits()
    tests = FunctionTests("f", "", "def check(f):\n    assert f(1) == 2\n")
    start = command(isolation, limits.tmp_bytes)
    try:
        verdict = _once(start, Job("def f(x):\n    return x + 1\n", tests), limits, isolation)
    except SandboxFailed as error:
        if isolation == PROCESS:
            raise RingexpError(f"code rewards cannot start the interpreter in a process of its own: {error}") from error
        raise RingexpError(f"code rewards run in bubblewrap, which fails here: {error}: {_mend(str(error))}; "
                           f"{WEAKER}") from error  # fmt: skip
    if verdict.outcome is Outcome.ERROR:
        raise RingexpError(f"code rewards cannot confine a process here: {verdict.detail}")
    if verdict.outcome is not Outcome.CORRECT:
        why = f"{verdict.outcome}: {verdict.detail}"
        raise RingexpError(f"a trivial program fails in the sandbox ({why}): raise the limits of code rewards")


def _mend(complaint: str) -> str:
    """What to do about bubblewrap's own message."""
    if any(word in complaint for word in ("namespace", "uid map", "RTM_NEWADDR", "pivot_root", "slave", "old root")):
        return ("allow unprivileged user namespaces (sysctl user.max_user_namespaces; of a container, its seccomp and "
                "AppArmor profiles, see docs/docker.md)")  # fmt: skip
    if "nknown option" in complaint:
        return "version 0.7 or newer is needed"
    return "`bwrap --unshare-all --ro-bind / / true` may show why"


def _verdict(start: Command, job: Job, limits: Limits, isolation: str) -> Verdict:
    """Judge a job; try again once if the sandbox fails."""
    reason = ""
    for _ in range(2):
        try:
            return _once(start, job, limits, isolation)
        except SandboxFailed as error:
            reason = str(error)
    return Verdict(Outcome.ERROR, f"sandbox: {reason}")


def _once(start: Command, job: Job, limits: Limits, isolation: str) -> Verdict:
    """Judge a job in one sandbox. Raises SandboxFailed."""
    if isinstance(job.tests, FunctionTests):
        found = judge_function(start, job.source, job.tests, limits, read_only=isolation == PROCESS)
    else:
        found = judge_program(start, job.source, job.tests, limits)
    return Verdict(found.outcome, printable(found.detail))


def printable(text: str) -> str:
    """The text as it may stand in a table: one line, nothing that a terminal or a browser obeys, not too long."""
    shown = "".join(char if char.isprintable() else repr(char)[1:-1] for char in text[: 2 * _DETAIL_CHARS])
    return shown if len(shown) <= _DETAIL_CHARS else shown[: _DETAIL_CHARS - 3] + "..."
