"""What is said of the first test that failed: its statement, and what the candidate's last call returned.

Everything here is plain data and the tests' own text, so showing it runs nothing of the candidate's. Part of the
program inside the sandbox, in the checker's process. Standard library only.
"""

from __future__ import annotations

from ringexp.rewards.sandbox.proxy import Candidate

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

_STATEMENT_CHARS = 120
_ARGUMENTS_CHARS = 80
_VALUE_CHARS = 60


def failed(error: BaseException, candidate: Candidate, name: str, sources: Mapping[str, str]) -> str:
    """`assert f(3) == 4: f(3) returned 5`, as far as it can be had.

    Args:
        error: what the tests raised.
        candidate: the function under test.
        name: what the function is called.
        sources: the tests' texts by the file names that they were compiled under.
    """
    return ": ".join(part for part in (_statement(error, sources), _last_call(candidate, name)) if part)


def shortened(text: str, most: int) -> str:
    """The text, its end left out beyond `most` characters."""
    return text if len(text) <= most else text[: most - 3] + "..."


def _statement(error: BaseException, sources: Mapping[str, str]) -> str:
    """The innermost statement of the tests that the error came from, in one line."""
    found = ""
    trace = error.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        if code.co_filename in sources:
            first, last, _, _ = [*code.co_positions()][trace.tb_lasti // 2]
            lines = sources[code.co_filename].splitlines()[(first or trace.tb_lineno) - 1 : last or trace.tb_lineno]
            found = " ".join(" ".join(lines).split())
        trace = trace.tb_next
    return shortened(found, _STATEMENT_CHARS)


def _last_call(candidate: Candidate, name: str) -> str:
    if candidate.called is None or not candidate.returned:
        return ""
    args, kwargs = candidate.called
    given = ", ".join([*map(_text, args), *(f"{key}={_text(value)}" for key, value in kwargs.items())])
    value = shortened(_text(candidate.returned[0]), _VALUE_CHARS)
    return f"{shortened(name, 40)}({shortened(given, _ARGUMENTS_CHARS)}) returned {value}"


def _text(value: Any) -> str:
    try:
        return repr(value)
    except Exception:  # an integer of too many digits, or values nested too deeply
        return f"some {type(value).__name__}"
