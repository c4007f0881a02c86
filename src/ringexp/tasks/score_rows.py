"""The rows that task=score reads: a response and what it is judged by, each checked against what its verifier needs."""

import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ringexp.code_tests import read_tests
from ringexp.domains.adapters import ADAPTERS
from ringexp.errors import DataError
from ringexp.records import CHOICE, Prompt
from ringexp.rewards.registry import judged_by

ADDED = ("reward", "outcome", "detail")
"""What scoring adds to a row."""

_PYTHON = ("python", "python3", "py")


@dataclass(frozen=True, slots=True)
class ScoreRow:
    """A row as it stands in the file, the prompt that it is judged by, and its response."""

    content: Mapping[str, Any]
    prompt: Prompt
    response: str


def read_rows(path: Path, verifiers: Collection[str]) -> Iterator[ScoreRow]:
    """The rows of a JSONL file, one after the other; blank lines are skipped.

    Raises:
        DataError: a line that does not fit, or one of a domain that has none of the `verifiers`; the message names
            file, line and field.
    """
    with path.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            try:
                text = line.decode("utf-8-sig" if number == 1 else "utf-8").strip()
                if text:
                    yield read_row(json.loads(text), f"row {number}", verifiers)
            except UnicodeDecodeError as error:
                raise DataError(f"{path}, line {number}: not UTF-8 at byte {error.start}: save it as UTF-8") from error
            except (json.JSONDecodeError, RecursionError) as error:
                raise DataError(f"{path}, line {number}: not JSON: {error}") from error
            except DataError as error:
                raise DataError(f"{path}, line {number}: {error}") from error


def read_row(row: Any, name: str, verifiers: Collection[str]) -> ScoreRow:
    """A row of {domain, response, answer}, or, of code, {domain, response, prompt, tests, entry_point, language}.

    `kind: "choice"` says that the answer is the letter of an option; `label`, if there is one, is the reward that the
    response ought to get, 0 or 1.

    Raises:
        DataError: naming the field.
    """
    if not isinstance(row, dict):
        raise DataError(f"expected a JSON object, found {type(row).__name__}")
    for field in ADDED:
        if field in row:
            raise DataError(f'field "{field}": would be overwritten; give it another name')
    if row.get("label") not in (None, 0, 1):
        raise DataError(f'field "label": expected 0 or 1, found {row["label"]!r}')
    domain, kind = _text(row, "domain"), _text(row, "kind") if row.get("kind") is not None else ""
    prompt = Prompt(name, domain, "", _answer(row, domain), kind)
    if judged_by(prompt) not in verifiers:
        field = "kind" if kind == CHOICE else "domain"
        raise DataError(f'field "{field}": no verifier for {judged_by(prompt)!r}; rewards.verifiers has '
                        f"{', '.join(sorted(verifiers))}")  # fmt: skip
    return ScoreRow(row, prompt, _text(row, "response", empty=True))


def _answer(row: Mapping[str, Any], domain: str) -> str:
    """What the response is judged by, as `Prompt.answer`."""
    if domain != "code":
        answer = row.get("answer")
        number = isinstance(answer, int | float) and not isinstance(answer, bool)
        return str(answer) if number else _text(row, "answer")
    language = row.get("language", "python")
    if language not in _PYTHON:
        raise DataError(f'field "language": {language!r} cannot be judged, only Python')
    if "tests" not in row:
        if "answer" not in row:
            raise DataError('field "tests": missing; give tests, prompt and entry_point, or answer')
        read_tests(_text(row, "answer"))
        return str(row["answer"])
    code = {"prompt": _text(row, "prompt"), "test": _text(row, "tests"), "entry_point": _text(row, "entry_point")}
    try:
        return ADAPTERS["humaneval"](code).answer
    except DataError as error:
        raise DataError(str(error).replace('field "test"', 'field "tests"')) from error


def _text(row: Mapping[str, Any], field: str, empty: bool = False) -> str:
    """The text of a field, as it stands."""
    if field not in row:
        raise DataError(f'field "{field}": missing; the row has {", ".join(map(str, row)) or "no fields"}')
    value = row[field]
    if not isinstance(value, str):
        raise DataError(f'field "{field}": expected text, found {type(value).__name__}')
    if not value.strip() and not empty:
        raise DataError(f'field "{field}": empty')
    return value
