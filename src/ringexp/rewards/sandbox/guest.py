"""The checker: the program that runs inside the sandbox, the tests' side of it.

It forks the candidate's process before it has read the tests and the token, calls it over a pipe, and gives the token
back only when `check` has returned. Its limits end it as surely as the candidate. Standard library only.
"""

from __future__ import annotations

import os
import resource
import time

from ringexp.rewards.sandbox.candidate import limit, seed, serve
from ringexp.rewards.sandbox.codec import NotPlain, dumps, loads, read
from ringexp.rewards.sandbox.proxy import Candidate, CandidateError, Stopped
from ringexp.rewards.sandbox.seccomp import confine, hide

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_LOADED_ONCE = ("typing", "math", "collections", "itertools", "functools", "re", "string", "heapq", "bisect")


def main() -> None:
    """Judge the one candidate that standard input describes; the reply goes to standard output."""
    started = time.monotonic()
    request = _message()
    replies = os.dup(1)
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    os.dup2(null, 2)
    os.write(replies, b"started\n")
    for name in _LOADED_ONCE:
        if f"import {name}" in request["source"] or f"from {name}" in request["source"]:
            __import__(name)
    if "random" in request["source"]:  # also where it is one name of several, or imported late: it has to be seeded
        __import__("random")
    hide()
    candidate = _fork(request, started)
    limit(
        {
            resource.RLIMIT_AS: request["memory_bytes"],
            resource.RLIMIT_FSIZE: request["tmp_bytes"],
            resource.RLIMIT_CPU: request["cpu_ceiling"],
        }
    )
    confine(checker=True)
    try:
        reply = _judge(candidate, _message())
    except Stopped as stopped:  # a tick in the moment before they end
        reply = stopped.reply
    os.write(replies, dumps(reply).encode() + b"\n")
    os._exit(0)  # this process is the first of its name space: the candidate ends with it


def _message() -> dict[str, Any]:
    """The next message of the host."""
    found: dict[str, Any] = loads(read(0, int(read(0, 16))))
    return found


def _fork(request: dict[str, Any], started: float) -> Candidate:
    """Start the candidate's process; it shares two pipes with this one, and nothing else."""
    calls_out, calls_in = os.pipe()
    answers_out, answers_in = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            serve(request, calls_out, answers_in)
        finally:
            os._exit(0)
    os.close(calls_out)
    os.close(answers_in)
    return Candidate(pid, calls_in, answers_out, request, started)


def _judge(candidate: Candidate, tests: dict[str, Any]) -> dict[str, str]:
    """The reply: the token when `check` has returned and nothing stopped the candidate, else why not."""
    try:
        candidate.watch()
        candidate.start()
        reply = _check(candidate, tests)
    except Stopped as stopped:
        reply = stopped.reply
    except BaseException as error:
        reply = {"outcome": "error", "detail": f"checker: {type(error).__name__}"}
    candidate.end()
    return candidate.stopped.reply if candidate.stopped else reply


def _check(candidate: Candidate, tests: dict[str, Any]) -> dict[str, str]:
    """Execute setup and tests, call `check`; Stopped passes through."""
    space: dict[str, Any] = {"__name__": "tests"}
    try:
        exec(compile(tests["setup"], "<setup>", "exec", dont_inherit=True), space)
        space[tests["entry_point"]] = candidate.call
        exec(compile(tests["test"], "<test>", "exec", dont_inherit=True), space)
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
    except NotPlain as error:
        return {"outcome": "error", "detail": f"tests pass a {error}"}
    except AssertionError:
        return {"outcome": "wrong", "detail": "assertion failed"}
    except CandidateError as error:
        return {"outcome": "wrong", "detail": str(error)}
    except MemoryError:
        return {"outcome": "wrong", "detail": "memory"}
    except BaseException as error:
        where = "raised {}" if error is candidate.raised else "{} in the tests"
        return {"outcome": "wrong", "detail": where.format(type(error).__name__)}
    return {"token": tests["token"]}
