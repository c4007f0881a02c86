"""The host's side of judging a whole program: it gives each input, reads the output, and compares them itself.

So no expected output, and no word on whether one was right, is ever inside the sandbox.
"""

import fcntl
import json
import os
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from ringexp.code_tests import ProgramTests
from ringexp.records import Outcome, Verdict
from ringexp.rewards.outputs import same_output
from ringexp.rewards.sandbox.limits import Limits
from ringexp.rewards.sandbox.process import SandboxFailed, SandboxProcess, TimeUp, framed
from ringexp.rewards.sandbox.root import Command, guest_program

_LEAST_DESCRIPTOR = 16  # the guest has its own use for lower ones
_SHOWN = 80
_LAST_BYTES = 2_000


def judge_program(command: Command, source: str, tests: ProgramTests, limits: Limits) -> Verdict:
    """One sandbox, from its start to its end; the first case that fails is the last one that runs.

    Raises:
        SandboxFailed: it did not start, or ended without a word.
    """
    longest = max(len(expected) for _, expected in tests.cases)
    if longest > limits.value_bytes:
        return Verdict(Outcome.ERROR, f"a case expects {longest} characters of output, more than value_bytes="
                                      f"{limits.value_bytes}")  # fmt: skip
    end = time.monotonic() + limits.patience
    with _descriptors() as (files, cases_out, cases_in):
        request = {"source": source, "files": files, "cases": cases_out, **limits.asked(read_only=True)}
        try:
            with SandboxProcess(
                command, guest_program("program") + framed(request), end, (*files, cases_out)
            ) as process:
                process.begun()
                verdict = _cases(process, tests, files, cases_in, limits)
                os.write(cases_in, b"done")
        except TimeUp:
            return Verdict(Outcome.TIMEOUT, f"no end in {limits.wall_seconds:g} s")
        return verdict


def _cases(process: SandboxProcess, tests: ProgramTests, files: list[int], begin: int, limits: Limits) -> Verdict:
    """The verdict on the first case that fails, or on all."""
    for number, (given, expected) in enumerate(tests.cases, 1):
        _prepare(files, given)
        os.write(begin, b"next")
        verdict = _verdict(process.reply(), files, expected, limits)
        if verdict.outcome in (Outcome.ERROR, Outcome.UNPARSABLE):
            return verdict
        if verdict.outcome is not Outcome.CORRECT:
            return Verdict(verdict.outcome, f"case {number} of {len(tests.cases)}: {verdict.detail}")
    return Verdict(Outcome.CORRECT)


@contextmanager
def _descriptors() -> Iterator[tuple[list[int], int, int]]:
    """The program's three files in memory, and both ends of the pipe that says when a case begins."""
    with ExitStack() as stack:
        made = []
        for fd in (*(os.memfd_create(name) for name in ("input", "output", "errors")), *os.pipe()):
            made.append(fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, _LEAST_DESCRIPTOR))
            stack.callback(os.close, made[-1])
            os.close(fd)
        yield made[:3], made[3], made[4]


def _prepare(files: list[int], given: str) -> None:
    """The input as it has to be; nothing left of the case before."""
    for fd in files:
        fcntl.fcntl(fd, fcntl.F_SETFL, 0)
        os.ftruncate(fd, 0)
        os.lseek(fd, 0, os.SEEK_SET)
    data, written = given.encode(errors="surrogatepass"), 0
    while written < len(data):
        written += os.pwrite(files[0], data[written:], written)


def _verdict(reply: bytes, files: list[int], expected: str, limits: Limits) -> Verdict:
    """The verdict on one case."""
    try:
        found: dict[str, Any] = json.loads(reply)
        if "outcome" in found:
            return Verdict(Outcome(found["outcome"]), str(found["detail"]))
        status = int(found["exit"])
    except (ValueError, KeyError) as error:
        raise SandboxFailed("the sandbox ended without a word") from error
    _, output, errors = files
    if os.fstat(output).st_size > limits.value_bytes:
        return Verdict(Outcome.WRONG, f"printed more than {limits.value_bytes} bytes")
    if status:
        return Verdict(Outcome.WRONG, _ending(status, errors))
    printed = os.pread(output, limits.value_bytes, 0).decode(errors="replace")
    if same_output(printed, expected):
        return Verdict(Outcome.CORRECT)
    return Verdict(Outcome.WRONG, _difference(printed, expected))


def _ending(status: int, errors: int) -> str:
    """How a program failed: its exit status or signal, and the last line that it wrote on its standard error."""
    size = os.fstat(errors).st_size
    lines = os.pread(errors, _LAST_BYTES, max(0, size - _LAST_BYTES)).decode(errors="replace").split("\n")
    last = next((line for line in reversed(lines) if line.strip()), "")
    how = f"exit {status}" if status > 0 else f"signal {-status}"
    return f"{how}: {last}" if last else how


def _difference(printed: str, expected: str) -> str:
    """What was expected and what was printed, each from a little before the first word that differs."""
    found, wanted = printed.split(), expected.split()
    same = 0
    while same < min(len(found), len(wanted)) and same_output(found[same], wanted[same]):
        same += 1
    return f"expected {_excerpt(wanted, same)}, printed {_excerpt(found, same)}"


def _excerpt(words: list[str], at: int) -> str:
    first = max(0, at - 2) if at > 4 else 0
    text = " ".join(words[first : at + 12]) or "nothing"
    return ("... " if first else "") + (text if len(text) <= _SHOWN else text[: _SHOWN - 3] + "...")
