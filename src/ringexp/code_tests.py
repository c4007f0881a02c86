"""The gold answer of a code problem: what decides whether a program is right, as JSON in `Prompt.answer`."""

import json
from dataclasses import asdict, dataclass, fields
from typing import Any

from ringexp.errors import DataError


@dataclass(frozen=True, slots=True)
class FunctionTests:
    """The tests of one function, in HumanEval's form.

    `entry_point` is the function's name, `test` a program that defines `check(candidate)`, and `setup` the problem's
    own code (its imports and helpers, which tests may use), executed before `test`.
    """

    entry_point: str
    setup: str
    test: str

    def to_json(self) -> str:
        """The text that `read_tests` reads; equal tests give equal text."""
        return json.dumps(asdict(self), sort_keys=True)


@dataclass(frozen=True, slots=True)
class ProgramTests:
    """The tests of a whole program: pairs of standard input and the standard output that it has to print."""

    cases: tuple[tuple[str, str], ...]

    def to_json(self) -> str:
        """The text that `read_tests` reads; equal tests give equal text."""
        return json.dumps({"cases": self.cases})


CodeTests = FunctionTests | ProgramTests
"""What a code problem is judged by."""


def read_tests(text: str) -> CodeTests:
    """Read the answer of a code problem, of either form.

    Raises:
        DataError: not a JSON object with the fields of one form, or an entry point that is no Python name.
    """
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DataError(f"answer of a code problem is not JSON: {error}") from error
    if isinstance(found, dict) and list(found) == ["cases"]:
        return ProgramTests(_cases(found["cases"]))
    names = [f.name for f in fields(FunctionTests)]
    if not isinstance(found, dict) or sorted(found) != sorted(names):
        raise DataError(f"answer of a code problem: give a JSON object with the fields {', '.join(names)}, or with "
                        "cases")  # fmt: skip
    for name in names:
        if not isinstance(found[name], str):
            raise DataError(f'answer of a code problem: field "{name}" has to be text')
    if not found["entry_point"].isidentifier():
        raise DataError(f"answer of a code problem: entry point {found['entry_point']!r} is not a Python name")
    return FunctionTests(**found)


def _cases(found: Any) -> tuple[tuple[str, str], ...]:
    """The pairs of input and output."""
    pairs = found if isinstance(found, list) else []
    if not pairs or not all(isinstance(p, list) and len(p) == 2 and all(isinstance(t, str) for t in p) for p in pairs):
        raise DataError('answer of a code problem: field "cases" has to be a list of [input, output], both text')
    return tuple((given, expected) for given, expected in pairs)
