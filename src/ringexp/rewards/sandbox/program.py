"""What runs a whole program inside the sandbox: a process for each input, forked from one that has seen none.

Input, output and errors are files in memory that the host fills and reads; neither this process nor the program's ever
holds an expected output, and this one no input either. The host says when the next case begins, and is told how it
ended. Standard library only.
"""

from __future__ import annotations

import _signal as signal  # type: ignore[import-not-found]  # `signal` itself would load `enum`
import posix as os
import resource
import sys
import time

from ringexp.rewards.sandbox.bounds import complete_builtins, limit, load_mentioned, point_nowhere, seed, shut_in
from ringexp.rewards.sandbox.codec import dumps, loads, read
from ringexp.rewards.sandbox.execution import NOT_PYTHON
from ringexp.rewards.sandbox.seccomp import Unconfined, confine, end_with_parent, give_up_capabilities, hide
from ringexp.rewards.sandbox.watch import Stopped, Watched

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_REPLIES, _CASES, _STATUS = 3, 4, 8
_FILES = (5, 6, 7)
_STATUS_BYTES = 64
_NEXT = b"next"


def main() -> None:
    """Run the one program that standard input describes, once for each case that the host begins."""
    wall_end, host = time.monotonic(), os.getppid()
    request: dict[str, Any] = loads(read(0, int(read(0, 16))))
    wall_end += request["wall_seconds"]
    _arrange(request)
    end_with_parent(host)
    os.write(_REPLIES, b"started\n")  # fails where the host was gone before all
    give_up_capabilities()
    complete_builtins()
    load_mentioned(request["source"])
    compile("", "", "exec")  # the first call makes the types of syntax trees: once, not in each case's process
    hide()
    limit({resource.RLIMIT_CPU: request["cpu_ceiling"]})
    confine(read_only=request["read_only"], forks=True)
    spent, watcher = 0.0, os.getpid()
    while os.read(_CASES, len(_NEXT)) == _NEXT:
        status_out, status_in = os.pipe()
        pid = os.fork()
        if pid == 0:
            _run(request, status_in, watcher)
        os.close(status_in)
        program = Watched(pid, request, wall_end, spent)
        reply = _ending(program, status_out)
        os.close(status_out)
        spent = program.spent
        os.write(_REPLIES, dumps(reply).encode() + b"\n")
    os._exit(0)


def _arrange(request: dict[str, Any]) -> None:
    """Give the descriptors their numbers: replies, the host's word for the next case, the program's three files."""
    for fd, number in zip((1, request["cases"], *request["files"]), (_REPLIES, _CASES, *_FILES)):
        os.dup2(fd, number)  # the host's numbers are higher than these
        if fd != 1:
            os.close(fd)
    point_nowhere(0, 1, 2)


def _ending(program: Watched, status: int) -> dict[str, Any]:
    """How a case ended, for the host: the exit status (minus a signal), or what stopped it and why."""
    try:
        program.watch()
        word = _word(status)
        code = program.wait()
        program.rest()
    except Stopped as stopped:
        program.end()
        return stopped.reply
    if word.startswith("unconfined"):
        return {"outcome": "error", "detail": word}
    if word.startswith("not Python"):
        return {"outcome": "unparsable", "detail": word}
    return {"exit": code}


def _word(status: int) -> str:
    """What the program's process says before the program's own code runs, to its end."""
    word = b""
    while part := os.read(status, _STATUS_BYTES):
        word += part
    return word.decode()


def _run(request: dict[str, Any], status: int, watcher: int) -> None:
    """The program's process, to its end: confined, then the program as `__main__`."""
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    for number, fd in enumerate(_FILES):
        os.dup2(fd, number)
    os.dup2(status, _STATUS)
    try:
        shut_in(request, (0, 1, 2, _STATUS), watcher)
        code = compile(request["source"], "program.py", "exec", dont_inherit=True)
    except Unconfined as error:
        os.write(_STATUS, f"unconfined: {error}"[:_STATUS_BYTES].encode())
        os._exit(1)
    except NOT_PYTHON as error:
        os.write(_STATUS, f"not Python: {type(error).__name__}".encode())
        os._exit(1)
    os.close(_STATUS)
    sys.stdin, sys.stdout = _text(0, "r"), _text(1, "w")
    vars(sys).update(__stdin__=sys.stdin, __stdout__=sys.stdout)
    sys.argv = ["program.py"]
    module = sys.modules["__main__"] = type(sys)("__main__")
    seed()
    status = 1
    try:
        status = _status(code, module.__dict__)
    finally:
        os._exit(status)


def _text(fd: int, mode: str) -> Any:
    """A text stream as the interpreter opens its own."""
    return open(fd, mode, encoding="utf-8", errors="surrogateescape", closefd=False)


def _status(code: Any, space: dict[str, Any]) -> int:
    """Execute a program and end it as the interpreter would, only faster; its exit status."""
    status = 0
    try:
        exec(code, space)
    except SystemExit as error:
        if isinstance(error.code, int):
            status = error.code & 0xFF
        elif error.code is not None:
            sys.stderr.write(f"{error.code}\n")
            status = 1
    except BaseException as error:
        sys.excepthook(type(error), error, error.__traceback__)
        status = 1
    if "atexit" in sys.modules:
        sys.modules["atexit"]._run_exitfuncs()
    space.clear()  # files that were left open are flushed
    sys.stdout.flush()
    sys.stderr.flush()
    return status
