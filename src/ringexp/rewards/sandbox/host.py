"""One untrusted program in one fresh sandbox: started, limited, judged and ended from outside.

The guest program (`guest`) holds the tests' side; here is what gives it a token and believes only the token.
"""

import hmac
import json
import math
import os
import secrets
import select
import signal
import subprocess
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import NamedTuple

from ringexp.code_tests import FunctionTests
from ringexp.errors import RingexpError
from ringexp.records import Outcome, Verdict
from ringexp.rewards.sandbox.root import command, guest_program

_GRACE_SECONDS = 0.7  # the guest keeps its wall limit itself; after that much more it is ended from outside
_REPLY_BYTES = 4096
_STARTED = b"started\n"


@dataclass(frozen=True, slots=True)
class Limits:
    """What one candidate and its tests may use, together where not said otherwise.

    `cpu_seconds` decides; `wall_seconds` is only against a candidate that sleeps. `memory_bytes` is address space, of
    each of the two processes; `tmp_bytes` and `tmp_files` what /tmp holds; `open_files` descriptors of the candidate;
    `value_bytes` the JSON text of one returned value.
    """

    cpu_seconds: float = 4.0
    wall_seconds: float = 20.0
    memory_bytes: int = 512 * 1024**2
    tmp_bytes: int = 16 * 1024**2
    tmp_files: int = 1_000
    open_files: int = 32
    value_bytes: int = 1024**2


class Job(NamedTuple):
    """A candidate's source and the tests that judge it."""

    source: str
    tests: FunctionTests


class SandboxFailed(Exception):
    """The sandbox gave no verdict, by no fault that can be laid on the candidate."""


class Sandbox:
    """Runs jobs, each in a sandbox of its own, `workers` at a time; thread-safe.

    No process outlives its job. Threads are started when first needed, and again after a close or a fork.
    """

    def __init__(self, limits: Limits | None = None, workers: int = 2) -> None:
        self._limits = limits or Limits()
        self._workers = workers
        self._pool: ThreadPoolExecutor | None = None
        self._owner = 0
        self._lock = threading.Lock()

    def run(self, jobs: Sequence[Job]) -> list[Verdict]:
        """One verdict per job, in order. A sandbox that fails by itself is tried once more, then it is an error.

        Raises:
            RingexpError: bubblewrap is not installed.
        """
        words = command(self._limits.tmp_bytes)
        with self._lock:
            pool = self._threads()
            waiting = [pool.submit(_verdict, words, job, self._limits) for job in jobs]
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


def require(limits: Limits | None = None) -> None:
    """Check that sandboxes work here, by judging one trivial candidate.

    Raises:
        RingexpError: one line that says what is missing and how to get it.
    """
    limits = limits or Limits()
    tests = FunctionTests("f", "", "def check(f):\n    assert f(1) == 2\n")
    words = command(limits.tmp_bytes)
    try:
        verdict = _once(words, Job("def f(x):\n    return x + 1\n", tests), limits)
    except SandboxFailed as error:
        raise RingexpError(f"code rewards run in bubblewrap, which fails here: {error}: {_mend(str(error))}") from error
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


def _verdict(words: Sequence[str], job: Job, limits: Limits) -> Verdict:
    """Judge a job; try again once if the sandbox fails."""
    reason = ""
    for _ in range(2):
        try:
            return _once(words, job, limits)
        except SandboxFailed as error:
            reason = str(error)
    return Verdict(Outcome.ERROR, f"sandbox: {reason}")


def _once(words: Sequence[str], job: Job, limits: Limits) -> Verdict:
    """One sandbox, from its start to its end.

    Raises:
        SandboxFailed: it did not start, or ended without a verdict.
    """
    token = secrets.token_hex(16)
    end = time.monotonic() + limits.wall_seconds + _GRACE_SECONDS
    try:
        process = _start(words, guest_program() + _messages(job, limits, token))
    except OSError as error:
        raise SandboxFailed(f"cannot be started: {error.strerror}") from error
    assert process.stdout is not None and process.stderr is not None
    with process.stdout, process.stderr:
        output = _read(process.stdout.fileno(), end)
        if output is None or len(output) > _REPLY_BYTES:
            os.kill(process.pid, signal.SIGKILL)  # bubblewrap takes all that is in the sandbox with it
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if output is None:
            return Verdict(Outcome.TIMEOUT, f"no end in {limits.wall_seconds:g} s")
        if not output.startswith(_STARTED):
            raise SandboxFailed(_complaint(process.stderr.fileno()))
    if usage.ru_utime + usage.ru_stime >= limits.cpu_seconds and not output[len(_STARTED) :]:
        return Verdict(Outcome.TIMEOUT, f"more than {limits.cpu_seconds:g} s of CPU time")
    return _believe(output[len(_STARTED) :], token)


def _start(words: Sequence[str], request: bytes) -> "subprocess.Popen[bytes]":
    """Start a sandbox whose standard input is the request, whole from the beginning."""
    with os.fdopen(os.memfd_create("request"), "w+b") as file:
        file.write(request)
        file.seek(0)
        return subprocess.Popen(
            words, stdin=file, stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0, start_new_session=True
        )


def _messages(job: Job, limits: Limits, token: str) -> bytes:
    """What the guest reads: the candidate and its limits, then, after the fork, the tests and the token."""
    candidate = {"source": job.source, "entry_point": job.tests.entry_point, **asdict(limits)}
    candidate["cpu_ceiling"] = math.ceil(limits.cpu_seconds + 0.5)  # the kernel counts its own limit in coarse ticks
    tests = {"entry_point": job.tests.entry_point, "setup": job.tests.setup, "test": job.tests.test, "token": token}
    bodies = [json.dumps(message).encode() for message in (candidate, tests)]
    return b"".join(str(len(body)).rjust(16).encode() + body for body in bodies)


def _read(fd: int, end: float) -> bytes | None:
    """All that comes until the end of the stream, at most a reply's length; None when time is up first."""
    poll, output = select.poll(), b""
    poll.register(fd)
    while len(output) <= _REPLY_BYTES:
        if not poll.poll(max(0.0, end - time.monotonic()) * 1000):
            return None
        part = os.read(fd, _REPLY_BYTES)
        if not part:
            return output
        output += part
    return output


def _complaint(fd: int) -> str:
    """The last line that bubblewrap, or an interpreter that cannot start, has written."""
    lines = os.read(fd, 65536).decode(errors="replace").strip().splitlines()
    return lines[-1][:200] if lines else "it gave no reason"


def _believe(reply: bytes, token: str) -> Verdict:
    """The verdict of a reply: correct only with the token."""
    try:
        found = json.loads(reply)
        given = str(found.get("token", ""))
        if hmac.compare_digest(given.encode(), token.encode()):
            return Verdict(Outcome.CORRECT)
        outcome, detail = Outcome(found["outcome"]), str(found["detail"])
    except (ValueError, KeyError, AttributeError) as error:
        raise SandboxFailed("the checker ended without a verdict") from error
    if outcome is Outcome.CORRECT:
        raise SandboxFailed("a verdict without its token")
    return Verdict(outcome, detail)
