"""Adapters: pure functions from one row of a published dataset to the fields of a prompt."""

import ast
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ringexp.code_tests import FunctionTests
from ringexp.errors import DataError

_COMPLETE = (
    "Complete this Python function. Give the whole program, imports and helpers included, in one ```python block."
)
_CALCULATOR = re.compile(r"<<[^<>]*>>")
_THOUSANDS = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")


class FieldError(DataError):
    """A row does not fit its adapter; the loader adds where the row stands."""

    def __init__(self, name: str, problem: str) -> None:
        super().__init__(f'field "{name}": {problem}')


@dataclass(frozen=True, slots=True)
class Fields:
    """What an adapter reads from a row. None for domain and split: the row does not say."""

    question: str
    answer: str
    trace: str | None = None
    domain: str | None = None
    split: str | None = None
    kind: str = ""
    level: int = 0


Adapter = Callable[[Mapping[str, Any]], Fields]


def _text(row: Mapping[str, Any], *names: str) -> str:
    """The non-empty text under the first of `names` that the row has."""
    for name in names:
        if name in row:
            value = row[name]
            if not isinstance(value, str):
                raise FieldError(name, f"expected text, found {type(value).__name__}")
            if not value.strip():
                raise FieldError(name, "empty")
            return value.strip()
    others = f' (or "{names[1]}")' if len(names) > 1 else ""
    raise FieldError(names[0], f"missing{others}; the row has {', '.join(map(str, row)) or 'no fields'}")


def gsm8k(row: Mapping[str, Any]) -> Fields:
    """GSM8K: `answer` holds the solution, then "####" and the final answer; calculator annotations are removed."""
    question, text = _text(row, "question"), _text(row, "answer")
    solution, mark, final = text.rpartition("####")
    gold = _THOUSANDS.sub("", final.strip())
    if not mark or not gold:
        raise FieldError("answer", 'no final answer after "####"')
    worked = _CALCULATOR.sub("", solution).strip()
    ending = f"The answer is \\boxed{{{gold}}}."
    return Fields(question, gold, f"{worked}\n{ending}" if worked else ending)


def records(row: Mapping[str, Any]) -> Fields:
    """Our own rows: `question` or `prompt`, `answer`; optional `trace`, `domain`, `split`, `kind`, `level`."""
    answer = row.get("answer")
    number = isinstance(answer, int | float) and not isinstance(answer, bool)
    return Fields(
        question=_text(row, "question", "prompt"),
        answer=str(answer) if number else _text(row, "answer"),
        trace=_text(row, "trace") if row.get("trace") is not None else None,
        **_optional(row),
    )


def _optional(row: Mapping[str, Any]) -> dict[str, Any]:
    """`domain`, `split`, `kind` and `level`, where the row has them."""
    found: dict[str, Any] = {n: _text(row, n) for n in ("domain", "split", "kind") if row.get(n) is not None}
    level = row.get("level")
    if level is not None and (not isinstance(level, int) or isinstance(level, bool)):
        raise FieldError("level", f"expected a whole number, found {level!r}")
    return found | ({} if level is None else {"level": level})


def humaneval(row: Mapping[str, Any]) -> Fields:
    """HumanEval: `prompt` begins a program, `test` defines `check(candidate)`, `entry_point` names the function.

    The optional `canonical_solution` continues the prompt and gives the trace; `split`, `kind` and `level` as in
    `records`. Code is kept as it stands.
    """
    prompt, test, entry_point = _code(row, "prompt"), _code(row, "test"), _text(row, "entry_point")
    if not entry_point.isidentifier():
        raise FieldError("entry_point", f"{entry_point!r} is not a Python name")
    if entry_point not in _functions("prompt", prompt):
        raise FieldError("prompt", f"does not define the function {entry_point}")
    if "check" not in _functions("test", test):
        raise FieldError("test", "does not define check(candidate)")
    trace = None
    if row.get("canonical_solution") is not None:
        program = prompt + _code(row, "canonical_solution")
        _functions("canonical_solution", program)
        trace = _fenced(program)
    answer = FunctionTests(entry_point, setup=prompt, test=test).to_json()
    return Fields(f"{_COMPLETE}\n\n{_fenced(prompt)}", answer, trace, **_optional(row))


def _code(row: Mapping[str, Any], name: str) -> str:
    """The code under `name` with its white space, after the checks that any text has."""
    _text(row, name)
    return str(row[name])


def _functions(name: str, code: str) -> list[str]:
    """The names of the functions that a program defines at its top level."""
    try:
        program = ast.parse(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise FieldError(name, f"not Python: {error}") from error
    return [node.name for node in program.body if isinstance(node, ast.FunctionDef)]


def _fenced(code: str) -> str:
    """A Python block that the code's own backticks cannot close."""
    longest = max((len(run) for run in re.findall("`+", code)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}python\n{code.rstrip()}\n{fence}"


ADAPTERS: Mapping[str, Adapter] = {"gsm8k": gsm8k, "humaneval": humaneval, "records": records}
"""Adapters by name, as the configuration names them under `data.adapter`."""
