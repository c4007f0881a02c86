"""The candidate's process inside the sandbox: it runs the code under test and answers calls, and knows no tests.

Whatever the code does here, all that leaves is plain data, as answers to calls. Standard library only.
"""

from __future__ import annotations

import os
import resource
import sys

from ringexp.rewards.sandbox.codec import NotPlain, decode, encode, frame, receive, send
from ringexp.rewards.sandbox.seccomp import Unconfined, confine

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_NAME = "candidate"
_MESSAGE_CHARS = 200
_STACK_BYTES = 8 * 1024**2  # the usual one, so that recursion ends alike everywhere


def serve(request: dict[str, Any], calls: int, answers: int) -> None:
    """Confine this process, execute the source, then answer calls until the checker is gone.

    Args:
        request: the source, the entry point and the limits.
        calls: the descriptor that calls come from.
        answers: the descriptor that answers go to.
    """
    _keep_only(calls, answers)
    limit(
        {
            resource.RLIMIT_AS: request["memory_bytes"],
            resource.RLIMIT_FSIZE: request["tmp_bytes"],
            resource.RLIMIT_CPU: request["cpu_ceiling"],
            resource.RLIMIT_NOFILE: request["open_files"],
            resource.RLIMIT_NPROC: 0,
        }
    )
    try:
        confine()
    except Unconfined as error:
        send(answers, frame(["unconfined", str(error)]))
        return
    send(answers, frame(["confined"]))
    status, function = _load(request["source"], request["entry_point"])
    send(answers, frame(status))
    while status == ["ready"]:
        args, kwargs = decode(receive(calls, sys.maxsize))
        send(answers, _answer(function, args, kwargs, request["value_bytes"]))


def limit(limits: dict[int, int]) -> None:
    """Set this process's limits in the kernel, for good, where they are not lower already."""
    for name, most in {**limits, resource.RLIMIT_STACK: _STACK_BYTES, resource.RLIMIT_CORE: 0}.items():
        present = resource.getrlimit(name)[1]
        least = most if present == resource.RLIM_INFINITY else min(most, present)
        resource.setrlimit(name, (least, least))


def seed() -> None:
    """Make `random`, where it is loaded, the same in every run."""
    if "random" in sys.modules:
        sys.modules["random"].seed(0)


def _keep_only(*kept: int) -> None:
    """Close every descriptor but these; standard input, output and error lead nowhere."""
    null = os.open(os.devnull, os.O_RDWR)
    for fd in range(3):
        os.dup2(null, fd)
    for fd in range(3, 64):
        if fd not in kept:
            try:
                os.close(fd)
            except OSError:
                continue


def _load(source: str, entry_point: str) -> tuple[list[str], Any]:
    """Execute the source as a module of its own: the status to send, and the function."""
    module = sys.modules[_NAME] = type(sys)(_NAME)
    try:
        code = compile(source, "<candidate>", "exec", dont_inherit=True)
    except (SyntaxError, ValueError, OverflowError, RecursionError, MemoryError) as error:
        return ["unparsable", type(error).__name__], None
    seed()
    try:
        exec(code, module.__dict__)
    except BaseException as error:
        return _raised(error), None
    seed()  # a module that the source imports may have loaded it
    function = module.__dict__.get(entry_point)
    return (["ready"], function) if callable(function) else (["missing"], None)


def _answer(function: Any, args: Any, kwargs: Any, most: int) -> bytes:
    """Call the function; the frame to send: `value`, `raised`, `foreign` (no plain data) or `large`."""
    try:
        value = function(*args, **kwargs)
        answer = frame(["value", encode(value)])
        return answer if len(answer) <= most else frame(["large"])
    except NotPlain as error:
        return frame(["foreign", str(error)])
    except BaseException as error:
        return frame(_raised(error))


def _raised(error: BaseException) -> list[str]:
    """An exception as data: the name of the nearest builtin class that it is of, and its message."""
    name = next(c.__name__ for c in type(error).__mro__ if c.__module__ == "builtins")
    try:
        return ["raised", name, str(error)[:_MESSAGE_CHARS]]
    except BaseException:
        return ["raised", name, ""]
