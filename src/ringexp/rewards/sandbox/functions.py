"""The host's side of judging a function: it gives the checker a token, and believes only the token."""

import hmac
import json
import marshal
import secrets
import time
from functools import lru_cache

from ringexp.code_tests import FunctionTests
from ringexp.records import Outcome, Verdict
from ringexp.rewards.sandbox.execution import NOT_PYTHON
from ringexp.rewards.sandbox.guest import codes
from ringexp.rewards.sandbox.limits import Limits
from ringexp.rewards.sandbox.process import SandboxFailed, SandboxProcess, TimeUp, frame, framed
from ringexp.rewards.sandbox.root import Command, guest_program

_COMPILED_CHARS = 50_000
"""Longer tests are compiled in the sandbox, for each candidate anew."""


def judge_function(command: Command, source: str, tests: FunctionTests, limits: Limits, read_only: bool) -> Verdict:
    """One sandbox, from its start to its end.

    Raises:
        SandboxFailed: it did not start, or ended without a verdict.
    """
    token = secrets.token_hex(16)
    end = time.monotonic() + limits.patience
    try:
        with SandboxProcess(command, _request(source, tests, limits, read_only, token), end) as process:
            process.begun()
            reply = process.reply()
            if reply:
                return _believe(reply, token)
    except TimeUp:
        return Verdict(Outcome.TIMEOUT, f"no end in {limits.wall_seconds:g} s")
    if process.cpu_seconds >= limits.cpu_seconds:
        return Verdict(Outcome.TIMEOUT, f"more than {limits.cpu_seconds:g} s of CPU time")
    raise SandboxFailed("the checker ended without a verdict")


def _request(source: str, tests: FunctionTests, limits: Limits, read_only: bool, token: str) -> bytes:
    """What the guest reads: the candidate and its limits, then, after the fork, the tests and the token."""
    candidate = {"source": source, "entry_point": tests.entry_point, **limits.asked(read_only)}
    judge = {"entry_point": tests.entry_point, "setup": tests.setup, "test": tests.test, "token": token}
    compiled = _compiled(tests.setup, tests.test)
    return guest_program("function") + framed(candidate) + framed(judge) + frame(compiled)


@lru_cache(maxsize=1024)
def _compiled(setup: str, test: str) -> bytes:
    """The tests' code for the checker, whose interpreter is this one; nothing where it has to see for itself."""
    if len(setup) + len(test) > _COMPILED_CHARS:
        return b""
    try:
        return marshal.dumps(codes(setup, test))
    except NOT_PYTHON:  # the checker finds it again, and says so
        return b""


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
