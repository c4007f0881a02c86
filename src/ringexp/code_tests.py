"""The gold answer of a code problem: what calls its function and decides, as JSON in `Prompt.answer`."""

import json
from dataclasses import asdict, dataclass, fields

from ringexp.errors import DataError


@dataclass(frozen=True, slots=True)
class CodeTests:
    """The tests of one function, in HumanEval's form.

    `entry_point` is the function's name, `test` a program that defines `check(candidate)`, and `setup` the problem's
    own code (its imports and helpers, which tests may use), executed before `test`.
    """

    entry_point: str
    setup: str
    test: str

    def to_json(self) -> str:
        """The text that `from_json` reads; equal tests give equal text."""
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> "CodeTests":
        """Read the answer of a code problem.

        Raises:
            DataError: not a JSON object with the three fields as text, or an entry point that is no Python name.
        """
        try:
            found = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise DataError(f"answer of a code problem is not JSON: {error}") from error
        names = [f.name for f in fields(cls)]
        if not isinstance(found, dict) or sorted(found) != sorted(names):
            raise DataError(f"answer of a code problem: give a JSON object with the fields {', '.join(names)}")
        for name in names:
            if not isinstance(found[name], str):
                raise DataError(f'answer of a code problem: field "{name}" has to be text')
        if not found["entry_point"].isidentifier():
            raise DataError(f"answer of a code problem: entry point {found['entry_point']!r} is not a Python name")
        return cls(**found)
