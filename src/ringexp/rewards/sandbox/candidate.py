"""The process of a function under test: it runs the candidate's code and answers calls, and knows no tests.

Whatever the code does here, all that leaves is plain data, as answers to calls. Standard library only.
"""

from __future__ import annotations

import sys

from ringexp.rewards.sandbox.bounds import point_nowhere, seed, shut_in
from ringexp.rewards.sandbox.codec import NotPlain, decode, encode, frame, receive, send
from ringexp.rewards.sandbox.execution import NotPython, execute
from ringexp.rewards.sandbox.seccomp import Unconfined

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_NAME = "candidate"
_MESSAGE_CHARS = 200


def serve(request: dict[str, Any], calls: int, answers: int, checker: int) -> None:
    """Confine this process, execute the source, then answer calls until the checker is gone.

    Args:
        request: the source, the entry point and the limits.
        calls: the descriptor that calls come from.
        answers: the descriptor that answers go to.
        checker: the process that calls.
    """
    point_nowhere(0, 1, 2)
    try:
        shut_in(request, (0, 1, 2, *sorted((calls, answers))), checker)
    except Unconfined as error:
        send(answers, frame(["unconfined", str(error)]))
        return
    send(answers, frame(["confined"]))
    status, function = _load(request["source"], request["entry_point"])
    send(answers, frame(status))
    while status == ["ready"]:
        args, kwargs = decode(receive(calls, sys.maxsize))
        send(answers, _answer(function, args, kwargs, request["value_bytes"]))


def _load(source: str, entry_point: str) -> tuple[list[str], Any]:
    """Execute the source as a module of its own: the status to send, and the function."""
    module = sys.modules[_NAME] = type(sys)(_NAME)
    seed()
    try:
        execute(source, module.__dict__)
    except NotPython as error:
        return ["unparsable", str(error)], None
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
