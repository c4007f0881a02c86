"""Code that is one function, judged by what it returns: HumanEval, MBPP, and the call-based form of other sets."""

import ast
import builtins
import math
from collections.abc import Mapping, Sequence
from typing import Any

from ringexp.code_tests import FunctionTests
from ringexp.domains.adapters.fields import (
    FieldError,
    Fields,
    Unusable,
    code,
    fenced,
    functions,
    maybe,
    optional,
    python,
    text,
    texts,
)

COMPLETE = (
    "Complete this Python function. Give the whole program, imports and helpers included, in one ```python block."
)
WRITE = "Write a Python function for this task. Give the whole program, imports included, in one ```python block."

Case = tuple[Sequence[Any], Any]
"""The arguments of a call and the value expected."""

_CHECK = """
def plain(value):
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return value

def check(candidate):
    for arguments, accepted in CASES:
        found = plain(candidate(*arguments))
        assert any(found == value for value in accepted)
"""


def humaneval(row: Mapping[str, Any]) -> Fields:
    """HumanEval (Chen et al. 2021), `openai/openai_humaneval`: `prompt`, `test`, `entry_point`, `canonical_solution`.

    `prompt` begins a program, `test` defines `check(candidate)`, `entry_point` names the function. The optional
    `canonical_solution` continues the prompt and gives the trace; `split`, `kind` and `level` as in `records`. Code is
    kept as it stands.
    """
    prompt, test, entry_point = code(row, "prompt"), code(row, "test"), text(row, "entry_point")
    if not entry_point.isidentifier():
        raise FieldError("entry_point", f"{entry_point!r} is not a Python name")
    if entry_point not in functions("prompt", prompt):
        raise FieldError("prompt", f"does not define the function {entry_point}")
    if "check" not in functions("test", test):
        raise FieldError("test", "does not define check(candidate)")
    trace = None
    if row.get("canonical_solution") is not None:
        program = prompt + code(row, "canonical_solution")
        functions("canonical_solution", program)
        trace = fenced(program)
    answer = FunctionTests(entry_point, setup=prompt, test=test).to_json()
    return Fields(f"{COMPLETE}\n\n{fenced(prompt)}", answer, trace, **optional(row))


def mbpp(row: Mapping[str, Any]) -> Fields:
    """MBPP (Austin et al. 2021), `google-research-datasets/mbpp`, both configurations.

    `full`: `text`, `code`, `test_list`, `test_setup_code`; `sanitized`: `prompt`, `code`, `test_list`, `test_imports`.
    The task does not name the function, so the question shows the tests, as the paper's evaluation does, and the same
    tests judge; a program that prints their values by heart passes. `challenge_test_list` is not used. `code` is the
    trace. Asserts that call no function of `code` leave a row out as `no_entry_point`.
    """
    task, program, tests = text(row, "text", "prompt"), code(row, "code"), texts(row, "test_list")
    if not tests:
        raise FieldError("test_list", "empty")
    setup = "\n".join(texts(row, "test_imports")) if row.get("test_imports") is not None else ""
    setup = maybe(row, "test_setup_code") or setup
    python("test_setup_code", setup)
    statements = [node for test in tests for node in python("test_list", test).body]
    name = _called(functions("code", program), statements)
    shown = "\n".join(test.strip() for test in tests)
    question = f"{WRITE}\n\n{task}\n\nIt has to pass these tests:\n\n{fenced(shown)}"
    check = ast.parse(f"def check(candidate):\n    {name} = candidate\n")
    definition = check.body[0]
    assert isinstance(definition, ast.FunctionDef)
    definition.body += statements
    tests_ = FunctionTests(name, setup=setup, test=ast.unparse(ast.fix_missing_locations(check)) + "\n")
    return Fields(question, tests_.to_json(), fenced(program))


def _called(defined: Sequence[str], statements: Sequence[ast.stmt]) -> str:
    """The function, of those that the program defines, that every assert calls; the last defined of several."""
    asserts = [s for s in statements if isinstance(s, ast.Assert)]
    calls = [{n.func.id for n in ast.walk(s) if isinstance(n, ast.Call) and isinstance(n.func, ast.Name)}
             for s in asserts]  # fmt: skip
    common = set.intersection(*calls) if calls else set()
    names = [name for name in defined if name in common and not hasattr(builtins, name)]
    if not names:
        raise Unusable("no_entry_point")
    return names[-1]


def called_with(name: str, cases: Sequence[Case], accepts_first: bool = False) -> FunctionTests:
    """The tests of a function by calls: arguments and expected values become literals of a generated `check`.

    Lists and tuples count as equal, as values cross JSON. With `accepts_first` the first element of an expected list
    is right too. Raises Unusable for values without a literal (NaN, infinity).
    """
    pairs = [(list(arguments), [expected, expected[0]] if accepts_first and isinstance(expected, list) and expected
              else [expected]) for arguments, expected in cases]  # fmt: skip
    if not _has_literal(pairs):
        raise Unusable("unusable_tests")
    return FunctionTests(name, setup="", test=f"CASES = {pairs!r}\n{_CHECK}")


def _has_literal(found: Any) -> bool:
    if isinstance(found, list | tuple):
        return all(_has_literal(item) for item in found)
    if isinstance(found, dict):
        return all(_has_literal(item) for item in found.values())
    return not isinstance(found, float) or math.isfinite(found)


def signature(name: str, starter: str, function: str) -> str | None:
    """The function's first line as a plain function's: the method of a starter's class loses `self`.

    None where the starter does not define `function`. Raises FieldError where the starter is not Python, and Unusable
    where it needs classes that it does not define.
    """
    tree = python(name, _with_body(starter))
    found = [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef) and n.name == function]
    if not found:
        return None
    definition = found[0]
    if definition.args.args and definition.args.args[0].arg == "self":
        del definition.args.args[0]
    names = {n.id for part in (definition.args, definition.returns) if part is not None
             for n in ast.walk(part) if isinstance(n, ast.Name)}  # fmt: skip
    if names & {"ListNode", "TreeNode", "Node"}:
        raise Unusable("needs_classes")
    definition.body, definition.decorator_list = [ast.Pass()], []
    return ast.unparse(definition).rsplit("\n", 1)[0]


def _with_body(starter: str) -> str:
    """A starter ends after a `def …:`; a `pass` under it makes it whole."""
    lines = starter.rstrip().splitlines()
    if not lines or not lines[-1].rstrip().endswith(":"):
        return starter
    indent = len(lines[-1]) - len(lines[-1].lstrip())
    return "\n".join([*lines, " " * (indent + 4) + "pass"])


def function_question(task: str, begun: str) -> str:
    """The question for a function whose first line is given."""
    return f"{WRITE}\n\n{task}\n\nThe function begins so:\n\n{fenced(f'from typing import *{chr(10) * 3}{begun}')}"
