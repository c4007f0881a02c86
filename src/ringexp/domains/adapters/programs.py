"""Code from contests, mostly whole programs judged by standard input and output: APPS, CodeContests, LiveCodeBench."""

import ast
import base64
import binascii
import io
import pickle
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

from ringexp.code_tests import ProgramTests
from ringexp.domains.adapters.fields import (
    FieldError,
    Fields,
    Unusable,
    fenced,
    mapping,
    maybe,
    parsed,
    sequence,
    text,
    texts,
    value,
    whole,
)
from ringexp.domains.adapters.functions import Case, called_with, function_question, signature

PROGRAM = (
    "Write a Python program that solves this problem: it reads standard input and prints to standard output. Give the "
    "whole program in one ```python block."
)
_PYTHON3 = 3
"""CodeContests' number for Python 3 among the languages of its solutions."""
_SITES = ("unknown", "codechef", "codeforces", "hackerearth", "codejam", "atcoder", "aizu")
"""CodeContests' sources, in the order of their numbers."""
_DIFFICULTIES = {"introductory": 1, "interview": 2, "competition": 3, "easy": 1, "medium": 2, "hard": 3}
MAX_PRIVATE_BYTES = 512 * 1024**2
"""How large LiveCodeBench's private tests of one problem may be, unpacked."""


def program_question(problem: str) -> str:
    """The question for a whole program."""
    return f"{PROGRAM}\n\n{problem}"


def program_tests(pairs: Sequence[tuple[str, str]]) -> str:
    """The gold answer of distinct cases, in order. Raises Unusable where there is none."""
    if not pairs:
        raise Unusable("no_tests")
    return ProgramTests(tuple(dict.fromkeys(pairs))).to_json()


def first_python(programs: Sequence[str]) -> str | None:
    """The first program that is Python 3, fenced, as a trace."""
    for program in programs:
        try:
            ast.parse(program)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            continue
        if program.strip():
            return fenced(program)
    return None


def apps(row: Mapping[str, Any]) -> Fields:
    """APPS (Hendrycks et al. 2021), `codeparrot/apps`: `question`, `input_output`, `solutions`, `difficulty`.

    `input_output` is JSON as text: `inputs`, `outputs` and, for a problem that is a function, `fn_name`. Without it the
    tests are standard input and output (a list is its lines joined). With it each input is a list of arguments, and, as
    in the published harness, an expected list's first element is right too; the question shows the function's first
    line from `starter_code`, of a class `Solution` as a plain function. `solutions` is a JSON list as text: the first
    that is Python 3 is the trace. Rows without tests are left out as `no_tests`.
    """
    problem, level = text(row, "question"), _DIFFICULTIES.get(text(row, "difficulty"), 0)
    name = "input_output"
    value(row, name)
    if not maybe(row, name):
        raise Unusable("no_tests")
    tests = mapping(name, parsed(name, row[name]))
    inputs, outputs = (sequence(f"{name}.{key}", value(tests, key)[1]) for key in ("inputs", "outputs"))
    if len(inputs) != len(outputs):
        raise FieldError(name, f"{len(inputs)} inputs and {len(outputs)} outputs")
    solutions = maybe(row, "solutions")
    programs = texts({"solutions": parsed("solutions", solutions)}, "solutions") if solutions else []
    kind = "apps"
    function = tests.get("fn_name")
    if not function:
        pairs = [(_lines(name, given), _lines(name, expected)) for given, expected in zip(inputs, outputs)]
        return Fields(program_question(problem), program_tests(pairs), first_python(programs), kind=kind, level=level)
    cases = [(sequence(f"{name}.inputs", given), expected) for given, expected in zip(inputs, outputs)]
    question, answer = _function(problem, maybe(row, "starter_code"), _name(name, function), cases, accepts_first=True)
    plain = [p for p in programs if f"def {function}" in p and "class Solution" not in p]
    return Fields(question, answer, first_python(plain), kind=kind, level=level)


def _lines(name: str, found: Any) -> str:
    """Input or output as text; a list is its lines."""
    if isinstance(found, list) and all(isinstance(line, str) for line in found):
        return "\n".join(found)
    if not isinstance(found, str):
        raise FieldError(name, f"expected inputs and outputs as text, found {type(found).__name__}")
    return found


def _name(field: str, function: Any) -> str:
    if not isinstance(function, str) or not function.isidentifier():
        raise FieldError(field, f"{function!r} is not a Python name")
    return function


def _function(
    problem: str, starter: str, function: str, cases: Sequence[Case], accepts_first: bool = False
) -> tuple[str, str]:
    """Question and answer of a problem that is a function."""
    if not cases:
        raise Unusable("no_tests")
    begun = signature("starter_code", starter, function) if starter else None
    tests = called_with(function, cases, accepts_first)
    return function_question(problem, begun or f"def {function}(...):"), tests.to_json()


def code_contests(row: Mapping[str, Any]) -> Fields:
    """CodeContests (Li et al. 2022), `deepmind/code_contests`: `description`, three sets of tests, `solutions`.

    `public_tests`, `private_tests` and `generated_tests` each hold the lists `input` and `output`; all three judge, as
    in the paper, whose false positives fall from 62 % to 4 % by the generated ones. `solutions` holds the lists
    `language` and `solution`: the first in Python 3 (3) is the trace. `cf_rating` is the level (0: none), `source` the
    kind. Rows without tests are left out as `no_tests`. Not used: time and memory limits, incorrect solutions; a
    problem with several right outputs judges by the one that is given.
    """
    problem = text(row, "description")
    pairs = [pair for name in ("public_tests", "private_tests", "generated_tests")
             for pair in _pairs(name, value(row, name)[1])]  # fmt: skip
    solutions = mapping("solutions", value(row, "solutions")[1])
    languages = sequence("solutions.language", value(solutions, "language")[1])
    programs = [p for number, p in zip(languages, texts(solutions, "solution")) if number == _PYTHON3]
    source = whole(*value(row, "source"))
    kind = _SITES[source] if source < len(_SITES) else _SITES[0]
    level = max(0, row["cf_rating"]) if isinstance(row.get("cf_rating"), int) else 0
    return Fields(program_question(problem), program_tests(pairs), first_python(programs), kind=kind, level=level)


def _pairs(name: str, found: Any) -> list[tuple[str, str]]:
    """Cases of two lists, `input` and `output`."""
    lists = mapping(name, found)
    inputs, outputs = texts(lists, "input"), texts(lists, "output")
    if len(inputs) != len(outputs):
        raise FieldError(name, f"{len(inputs)} inputs and {len(outputs)} outputs")
    return list(zip(inputs, outputs))


def livecodebench(row: Mapping[str, Any]) -> Fields:
    """LiveCodeBench (Jain et al. 2024), `livecodebench/code_generation_lite`: all rows are for tests.

    `question_content`; `public_test_cases` and `private_test_cases`, JSON as text, the private ones mostly packed (see
    `unpacked`); both judge. A case has `input`, `output` and `testtype`: "stdin", or "functional" for a function that
    `metadata` names as `func_name`: each line of such an input is an argument, as JSON. The class `Solution` of
    `starter_code` is asked for as a plain function. `platform` is the kind, `difficulty` the level (1 to 3).
    """
    problem, kind = text(row, "question_content"), text(row, "platform")
    level = _DIFFICULTIES.get(text(row, "difficulty"), 0)
    private = unpacked("private_test_cases", text(row, "private_test_cases"))
    cases = [*_cases("public_test_cases", text(row, "public_test_cases")), *_cases("private_test_cases", private)]
    types = {case["testtype"] for case in cases}
    if types == {"functional"}:
        function = mapping("metadata", parsed("metadata", text(row, "metadata"))).get("func_name")
        calls = [([parsed("input", line) for line in case["input"].split("\n") if line.strip()],
                  parsed("output", case["output"])) for case in cases]  # fmt: skip
        question, answer = _function(problem, maybe(row, "starter_code"), _name("metadata.func_name", function), calls)
    elif types <= {"stdin"}:
        question = program_question(problem)
        answer = program_tests([(case["input"], case["output"]) for case in cases])
    else:
        raise FieldError("public_test_cases", f"testtype has to be stdin or functional, one for all; found {types}")
    return Fields(question, answer, split="test", kind=kind, level=level)


def _cases(name: str, content: str) -> list[Mapping[str, str]]:
    found = [mapping(name, case) for case in sequence(name, parsed(name, content))]
    for case in found:
        for key in ("input", "output", "testtype"):
            if not isinstance(case.get(key), str):
                raise FieldError(name, f"a case has no {key} that is text")
    return found


class _OnlyText(pickle.Unpickler):
    """Unpickles plain values; whatever names a class or function, and so could run code, is refused."""

    def find_class(self, module: str, name: str) -> Any:
        raise pickle.UnpicklingError(f"names {module}.{name}")


def unpacked(name: str, content: str) -> str:
    """LiveCodeBench's private tests as JSON: as they stand, or out of base64, zlib and pickle.

    The pickle may hold a text and nothing else: `pickle.loads`, as the published loader does it, would run whatever
    code a file names. At most `MAX_PRIVATE_BYTES` are unpacked.
    """
    if content.lstrip().startswith("["):
        return content
    try:
        unzip = zlib.decompressobj()
        data = unzip.decompress(base64.b64decode(content, validate=True), MAX_PRIVATE_BYTES)
        if unzip.unconsumed_tail:
            raise FieldError(name, f"more than {MAX_PRIVATE_BYTES} bytes unpacked")
        found = _OnlyText(io.BytesIO(data)).load()
    except (binascii.Error, zlib.error, pickle.UnpicklingError, EOFError, ValueError, IndexError) as error:
        raise FieldError(name, f"neither JSON nor text in a pickle, packed by zlib and base64: {error}") from error
    if not isinstance(found, str):
        raise FieldError(name, f"expected text in the pickle, found {type(found).__name__}")
    return found
