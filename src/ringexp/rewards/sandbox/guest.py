"""The checker: the program that runs inside the sandbox, the tests' side of it.

It forks the candidate's process before it has read the tests and the token, calls it over a pipe, and gives the token
back only when `check` has returned. Its limits end it as surely as the candidate. Standard library only.
"""

from __future__ import annotations

import marshal
import posix as os
import resource
import time

from ringexp.rewards.sandbox.bounds import complete_builtins, limit, load_mentioned, point_nowhere, seed
from ringexp.rewards.sandbox.candidate import serve
from ringexp.rewards.sandbox.codec import NotPlain, dumps, loads, read
from ringexp.rewards.sandbox.failure import failed
from ringexp.rewards.sandbox.proxy import Candidate, CandidateError
from ringexp.rewards.sandbox.seccomp import confine, end_with_parent, give_up_capabilities, hide
from ringexp.rewards.sandbox.watch import Stopped

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import CodeType
    from typing import Any

FILES = {"setup": "<setup>", "test": "<test>"}
"""The names that the tests' texts are compiled under."""


def main() -> None:
    """Judge the one candidate that standard input describes; the reply goes to standard output."""
    started, host = time.monotonic(), os.getppid()
    request = message()
    replies = os.dup(1)
    point_nowhere(1, 2)
    end_with_parent(host)
    os.write(replies, b"started\n")  # fails where the host was gone before all
    give_up_capabilities()
    complete_builtins()
    load_mentioned(request["source"])
    hide()
    candidate = _fork(request, started + request["wall_seconds"])
    limit(
        {
            resource.RLIMIT_AS: request["memory_bytes"],
            resource.RLIMIT_FSIZE: request["file_bytes"],
            resource.RLIMIT_CPU: request["cpu_ceiling"],
        }
    )
    confine(read_only=request["read_only"], watches=candidate.pid)
    try:
        reply = _judge(candidate, message(), read(0, int(read(0, 16))))
    except Stopped as stopped:  # a tick in the moment before they end
        candidate.end()
        reply = stopped.reply
    os.write(replies, dumps(reply).encode() + b"\n")
    os._exit(0)


def message() -> dict[str, Any]:
    """The next message of the host."""
    found: dict[str, Any] = loads(read(0, int(read(0, 16))))
    return found


def _fork(request: dict[str, Any], wall_end: float) -> Candidate:
    """Start the candidate's process; it shares two pipes with this one, and nothing else."""
    calls_out, calls_in = os.pipe()
    answers_out, answers_in = os.pipe()
    checker = os.getpid()
    pid = os.fork()
    if pid == 0:
        try:
            serve(request, calls_out, answers_in, checker)
        finally:
            os._exit(0)
    os.close(calls_out)
    os.close(answers_in)
    return Candidate(pid, calls_in, answers_out, request, wall_end)


def _judge(candidate: Candidate, tests: dict[str, Any], compiled: bytes) -> dict[str, str]:
    """The reply: the token when `check` has returned and nothing stopped the candidate, else why not."""
    try:
        candidate.watch()
        candidate.start()
        reply = _check(candidate, tests, compiled)
    except Stopped as stopped:
        reply = stopped.reply
    except BaseException as error:
        reply = {"outcome": "error", "detail": f"checker: {type(error).__name__}"}
    candidate.end()
    return candidate.stopped.reply if candidate.stopped else reply


def _check(candidate: Candidate, tests: dict[str, Any], compiled: bytes) -> dict[str, str]:
    """Execute setup and tests, as the host has compiled them if it has, call `check`; Stopped passes through."""
    space: dict[str, Any] = {"__name__": "tests"}
    try:
        setup, test = marshal.loads(compiled) if compiled else codes(tests["setup"], tests["test"])
        exec(setup, space)
        space[tests["entry_point"]] = candidate.call
        exec(test, space)
        check = space["check"]
    except Exception as error:
        return {"outcome": "error", "detail": f"tests cannot be executed: {type(error).__name__}"}
    if "random" in tests["setup"] + tests["test"]:  # `check` may import it
        __import__("random")
    seed()
    try:
        check(candidate.call)
    except Stopped:
        raise
    except BaseException as error:
        candidate.rest()  # what is wrong is known; saying it takes no time of the candidate's
        return _verdict(error, candidate, tests)
    return {"token": tests["token"]}


def codes(setup: str, test: str) -> tuple[CodeType, CodeType]:
    """Both texts, compiled."""
    return (compile(setup, FILES["setup"], "exec", dont_inherit=True, optimize=0),
            compile(test, FILES["test"], "exec", dont_inherit=True, optimize=0))  # fmt: skip


def _verdict(error: BaseException, candidate: Candidate, tests: dict[str, Any]) -> dict[str, str]:
    """The reply for what `check` has raised."""
    if isinstance(error, NotPlain):
        return {"outcome": "error", "detail": f"tests pass a {error}"}
    if isinstance(error, CandidateError):
        return {"outcome": "wrong", "detail": str(error)}
    if isinstance(error, MemoryError):
        return {"outcome": "wrong", "detail": "memory"}
    name = type(error).__name__
    if error is candidate.raised:
        return {"outcome": "wrong", "detail": f"raised {name}"}
    where = failed(error, candidate, tests["entry_point"], {FILES[key]: tests[key] for key in FILES})
    detail = where or "assertion failed" if isinstance(error, AssertionError) else f"{name} in the tests: {where}"
    return {"outcome": "wrong", "detail": detail}
