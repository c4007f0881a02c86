"""What an adapter gives, and how it reads a row: typed access to fields, with errors that name the field."""

import ast
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ringexp.errors import DataError


class FieldError(DataError):
    """A row does not fit its adapter; the loader adds where the row stands."""

    def __init__(self, name: str, problem: str) -> None:
        super().__init__(f'field "{name}": {problem}')


class Unusable(Exception):
    """A row that fits the published schema and gives no prompt that can be judged; the loader counts it.

    `reason` is one word or several joined by `_`: it becomes part of the metric `data/<reason>`.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


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


def value(row: Mapping[str, Any], *names: str) -> tuple[str, Any]:
    """The first of `names` that the row has, and what stands there. Raises FieldError where it has none."""
    for name in names:
        if name in row:
            return name, row[name]
    others = f' (or "{names[1]}")' if len(names) > 1 else ""
    raise FieldError(names[0], f"missing{others}; the row has {', '.join(map(str, row)) or 'no fields'}")


def text(row: Mapping[str, Any], *names: str) -> str:
    """The non-empty text under the first of `names` that the row has, without the white space around it."""
    name, found = value(row, *names)
    return _as_text(name, found).strip()


def code(row: Mapping[str, Any], *names: str) -> str:
    """As `text`, with its white space."""
    name, found = value(row, *names)
    return _as_text(name, found)


def _as_text(name: str, found: Any) -> str:
    if not isinstance(found, str):
        raise FieldError(name, f"expected text, found {type(found).__name__}")
    if not found.strip():
        raise FieldError(name, "empty")
    return found


def number_text(row: Mapping[str, Any], *names: str) -> str:
    """Text, or a number as text."""
    name, found = value(row, *names)
    if isinstance(found, int | float) and not isinstance(found, bool):
        return str(found)
    return _as_text(name, found).strip()


def maybe(row: Mapping[str, Any], name: str) -> str:
    """The text under `name`; "" where the row has none, null, or blank text."""
    found = row.get(name)
    if found is not None and not isinstance(found, str):
        raise FieldError(name, f"expected text, found {type(found).__name__}")
    return "" if found is None or not found.strip() else found


def sequence(name: str, found: Any) -> Sequence[Any]:
    """A list that stands under `name`."""
    if not isinstance(found, list | tuple):
        raise FieldError(name, f"expected a list, found {type(found).__name__}")
    return found


def texts(row: Mapping[str, Any], name: str) -> list[str]:
    """The list of texts under `name`."""
    found = sequence(name, value(row, name)[1])
    for item in found:
        if not isinstance(item, str):
            raise FieldError(name, f"expected a list of text, found {type(item).__name__} in it")
    return list(found)


def mapping(name: str, found: Any) -> Mapping[str, Any]:
    """An object that stands under `name`."""
    if not isinstance(found, Mapping):
        raise FieldError(name, f"expected an object, found {type(found).__name__}")
    return found


def parsed(name: str, found: Any) -> Any:
    """What a field that holds JSON as text says."""
    try:
        return json.loads(_as_text(name, found))
    except (ValueError, RecursionError) as error:
        raise FieldError(name, f"not JSON: {error}") from error


def whole(name: str, found: Any) -> int:
    """A whole number that stands under `name`, written as text too, as in CSV."""
    if isinstance(found, str) and re.fullmatch(r"\d+", found.strip()):
        found = int(found)
    if not isinstance(found, int) or isinstance(found, bool):
        raise FieldError(name, f"expected a whole number, found {found!r}")
    return found


def optional(row: Mapping[str, Any]) -> dict[str, Any]:
    """`domain`, `split`, `kind` and `level`, where the row has them."""
    found: dict[str, Any] = {n: text(row, n) for n in ("domain", "split", "kind") if row.get(n) not in (None, "")}
    level = row.get("level")
    return found | ({} if level in (None, "") else {"level": whole("level", level)})


def functions(name: str, program: str) -> list[str]:
    """The names of the functions that a program defines at its top level."""
    return [node.name for node in python(name, program).body if isinstance(node, ast.FunctionDef)]


def python(name: str, program: str) -> ast.Module:
    """The syntax tree of a program that stands under `name`."""
    try:
        return ast.parse(program)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise FieldError(name, f"not Python: {error}") from error


def fenced(program: str) -> str:
    """A Python block that the code's own backticks cannot close."""
    longest = max((len(run) for run in re.findall("`+", program)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}python\n{program.rstrip()}\n{fence}"
