"""Code of published datasets: the solutions that come with our fixture rows pass their own tests."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from sandboxed import needs_sandbox

from ringexp.code_tests import FunctionTests, ProgramTests, read_tests
from ringexp.domains.adapters import ADAPTERS, Fields, Unusable
from ringexp.records import Outcome, Prompt
from ringexp.rewards.code import CodeVerifier

FIXTURES = Path(__file__).parents[1] / "domains" / "fixtures"


def kept(name: str) -> list[Fields]:
    found = []
    for line in (FIXTURES / f"{name}.jsonl").read_text("utf-8").splitlines():
        try:
            found.append(ADAPTERS[name](json.loads(line)))
        except Unusable:
            continue
    return found


@pytest.fixture(scope="module")
def code() -> Iterator[CodeVerifier]:
    verifier = CodeVerifier(workers=1)
    yield verifier
    verifier.close()


def passes(code: CodeVerifier, fields: Fields, programs: list[str]) -> list[bool]:
    """Which programs the sandbox finds right."""
    prompts = [Prompt("a", "code", fields.question, fields.answer)] * len(programs)
    verdicts = code.score(prompts, [f"```python\n{program}\n```" for program in programs])
    assert {v.outcome for v in verdicts} <= {Outcome.CORRECT, Outcome.WRONG}
    return [v.reward == 1 for v in verdicts]


@needs_sandbox
def test_a_called_function_has_its_arguments_and_accepts_what_the_published_judges_accept(code: CodeVerifier) -> None:
    above, pairs = kept("apps")[2], kept("livecodebench")[1]
    right = "return [v for v in values if v > limit]"
    wrapped = "return [[v for v in values if v > limit]]"  # APPS wraps expected values in a list
    bodies = [right, wrapped, "return values"]
    assert passes(code, above, [f"def above(values, limit):\n    {b}" for b in bodies]) == [True, True, False]
    counts = ["sum(a == b for i, a in enumerate(nums) for b in nums[:i])", "1"]
    assert passes(code, pairs, [f"def equalPairs(nums, least):\n    return {c}" for c in counts]) == [True, False]


@needs_sandbox
@pytest.mark.parametrize("name", ["apps", "humaneval", "mbpp"])
def test_the_trace_of_a_function_passes_its_own_tests_in_the_sandbox(name: str, code: CodeVerifier) -> None:
    fields = [f for f in kept(name) if isinstance(read_tests(f.answer), FunctionTests)]
    verdicts = code.score([Prompt("a", "code", f.question, f.answer) for f in fields], [f.trace or "" for f in fields])
    assert fields and [v.outcome for v in verdicts] == [Outcome.CORRECT] * len(fields)


@pytest.mark.parametrize("name", ["apps", "code_contests", "ring_lite_rl_code"])
def test_the_trace_of_a_program_prints_what_its_cases_expect(name: str) -> None:
    for fields in kept(name):
        tests = read_tests(fields.answer)
        program = (fields.trace or "").removeprefix("```python\n").removesuffix("```")
        for given, expected in tests.cases if isinstance(tests, ProgramTests) else ():
            done = subprocess.run(
                [sys.executable, "-I", "-S", "-c", program], input=given, text=True, capture_output=True
            )
            assert done.stdout.split() == expected.split(), done.stderr
