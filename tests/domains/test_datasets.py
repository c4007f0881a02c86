"""Published datasets: each adapter on rows of our own in the published schema, what it gives and what it refuses."""

import ast
import base64
import json
import pickle
import re
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ringexp.code_tests import FunctionTests, ProgramTests, read_tests
from ringexp.domains.adapters import ADAPTERS, FieldError, Fields, Unusable, programs
from ringexp.domains.adapters.programs import unpacked
from ringexp.domains.public import load_jsonl
from ringexp.errors import DataError
from ringexp.records import Prompt, Verdict
from ringexp.rewards.math import MathVerifier

FIXTURES = Path(__file__).parent / "fixtures"
CODE = ("apps", "code_contests", "humaneval", "livecodebench", "mbpp", "ring_lite_rl_code")


def rows(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (FIXTURES / f"{name}.jsonl").read_text("utf-8").splitlines()]


def adapted(name: str) -> list[Fields | str]:
    """What the adapter gives for each row; the reason where it leaves one out."""
    found: list[Fields | str] = []
    for row in rows(name):
        try:
            found.append(ADAPTERS[name](row))
        except Unusable as error:
            found.append(error.reason)
    return found


def kept(name: str) -> list[Fields]:
    return [fields for fields in adapted(name) if isinstance(fields, Fields)]


def test_every_adapter_has_rows_and_the_rows_an_adapter() -> None:
    assert {path.stem for path in FIXTURES.glob("*.jsonl")} == set(ADAPTERS)


PLAIN: dict[str, list[Fields | str]] = {
    "gsm8k": [
        Fields("Mina plants 3 rows of 12 tulips and gives 6 tulips away. How many are left?", "30",
               "She plants 3*12=36 tulips.\nShe keeps 36-6=30.\nThe answer is \\boxed{30}."),
        Fields("A mill grinds 1,500 kg of flour a day. How much in two days?", "3000",
               "It grinds 1,500*2=3,000 kg.\nThe answer is \\boxed{3000}."),
    ],
    "math": [
        Fields("What is the value of $\\frac{1}{2}+\\frac{1}{3}$?", "\\frac{5}{6}",
               "With the common denominator $6$ we have $\\frac{3}{6}+\\frac{2}{6}=\\boxed{\\frac{5}{6}}$.",
               kind="Prealgebra", level=2),
        Fields("Solve $x^2=49$ for the positive $x$.", "7", "One root is negative. The other is $x=\\boxed{7}$.",
               kind="Algebra", level=1),
        Fields("How many diagonals has a hexagon?", "9", "Each of the six corners is joined to three others, so there "
               "are $\\frac{6\\cdot 3}{2}=\\boxed{9}$.", kind="Geometry"),
        "no_answer",
    ],
    "math500": [
        Fields("What is $2^{5}-3$?", "29", "$32-3=\\boxed{29}$", split="test", kind="Algebra", level=1),
        Fields("Write $0.125$ as a common fraction.", "\\frac{1}{8}",
               "It is an eighth.\nThe answer is \\boxed{\\frac{1}{8}}.", split="test", kind="Prealgebra", level=3),
    ],
    "aime": [
        Fields("Find the number of positive divisors of $5040$.", "60", split="test", kind="aime"),
        Fields("Find the remainder when $7^{2}$ is divided by $25$.", "24", split="test", kind="aime"),
        Fields("Find the sum of the digits of $999$.", "27", split="test", kind="aime"),
        Fields("An angle of a regular polygon with 30 sides: find it in degrees.", "168", split="test", kind="aime"),
    ],
    "dapo": [*[Fields("How many integers $n$ satisfy $|n|<17$?", "33")] * 2,
             Fields("Find $1-2+3-4+\\dots-100$.", "-50")],
    "deepscaler": [
        Fields("A box holds $4$ red and $6$ blue balls. What is the probability of a red one?", "\\frac{2}{5}",
               "Four of ten balls are red, that is $\\frac{4}{10}$.\nThe answer is \\boxed{\\frac{2}{5}}."),
        Fields("What is $11^2$?", "121"),
        Fields("What is $9\\cdot 9$?", "81", "Nine nines are $\\boxed{81}$"),
    ],
    "ring_lite_sft": [
        Fields("What is $6\\cdot 7$?", "42", "<think>\nSix sevens are forty-two.\n</think>\nIt is $\\boxed{42}$."),
        Fields("What is $\\sqrt{81}$?", "9", "Nine, since $9^2=81$: $\\boxed{9}$"),
        "no_answer",
        "several_turns",
    ],
    "ring_lite_rl_math": [Fields("How many primes are below $20$?", "8", kind="own"),
                          Fields("What is $3!$?", "6", kind="own")],
    "reasoning_gym": [
        Fields("Find the Greatest Common Divisor (GCD) of these numbers: 12, 18. Give only the GCD as your final "
               "answer.", "6", kind="gcd"),
        Fields("How many legs do 2 ants and a spider have?", "20", kind="leg_counting"),
        "other_task",
    ],
    "records": [
        Fields("What is the derivative of $x^2$?", "2x", "The exponent comes down: $\\boxed{2x}$", kind="calculus",
               level=2),
        Fields("What is 5-9?", "-4", split="test"),
    ],
}  # fmt: skip


@pytest.mark.parametrize("name", PLAIN)
def test_maths_rows_become_these_fields(name: str) -> None:
    assert adapted(name) == PLAIN[name]


def test_gpqa_puts_the_options_under_letters_for_tests_alone() -> None:
    first, second, third = adapted("gpqa")
    assert third == "equal_options"
    assert isinstance(first, Fields) and isinstance(second, Fields)
    for fields, right in ((first, "the photon"), (second, "sp3")):
        assert (fields.split, fields.kind, fields.trace) == ("test", "choice", None)
        assert f"\n{fields.answer}) {right}\n" in fields.question
        assert len(re.findall(r"^[A-D]\) ", fields.question, re.MULTILINE)) == 4
    assert ADAPTERS["gpqa"](rows("gpqa")[0]) == first


SUM = ProgramTests((("1 2\n", "3\n"), ("-5 5\n", "0\n")))
PROGRAMS: dict[str, list[tuple[ProgramTests | None, str, int, str | None]]] = {  # tests, kind, level, split
    "apps": [(SUM, "apps", 1, None), (ProgramTests((("a\nb", "2"),)), "apps", 2, None), (None, "apps", 3, None)],
    "code_contests": [(ProgramTests((("4\n", "8\n"), ("-3\n", "-6\n"), ("0\n", "0\n"))), "codeforces", 800, None)],
    "livecodebench": [
        (ProgramTests((("a\nb\n", "b\na\n"), ("x\n", "x\n"), ("1\n2\n3\n", "3\n2\n1\n"))), "atcoder", 1, "test"),
        (None, "leetcode", 3, "test"),
    ],
    "ring_lite_rl_code": [(ProgramTests((("abc\n", "3\n"), ("z\n", "1\n"))), "code_contests", 0, None)],
}
REASONS = {"apps": ["no_tests"], "code_contests": ["no_tests"], "livecodebench": [], "mbpp": ["no_entry_point"],
           "ring_lite_rl_code": ["other_language", "no_tests"], "humaneval": []}  # fmt: skip


@pytest.mark.parametrize("name", CODE)
def test_code_rows_that_cannot_be_judged_are_left_out_by_reason(name: str) -> None:
    assert [fields for fields in adapted(name) if isinstance(fields, str)] == REASONS[name]


@pytest.mark.parametrize("name", PROGRAMS)
def test_programs_have_these_cases_in_order_and_once(name: str) -> None:
    found = kept(name)
    assert len(found) == len(PROGRAMS[name])
    for fields, (tests, kind, level, split) in zip(found, PROGRAMS[name]):
        assert (fields.kind, fields.level, fields.split) == (kind, level, split)
        if tests is not None:
            assert read_tests(fields.answer) == tests
            assert fields.question.startswith("Write a Python program that solves this problem: it reads standard")


def test_the_trace_of_a_program_is_its_first_solution_in_python_3() -> None:
    assert [fields.trace for name in ("apps", "code_contests", "livecodebench", "ring_lite_rl_code")
            for fields in kept(name)] == [
        "```python\na, b = map(int, input().split())\nprint(a + b)\n```",
        "```python\nimport sys\nprint(len(sys.stdin.read().splitlines()))\n```",
        "```python\ndef above(values, limit):\n    return [v for v in values if v > limit]\n```",
        "```python\nprint(2 * int(input()))\n```",
        None,
        None,
        "```python\nprint(len(input()))\n```",
    ]  # fmt: skip


def test_a_class_solution_is_asked_for_as_a_plain_function() -> None:
    above, pairs = kept("apps")[2], kept("livecodebench")[1]
    assert above.question.endswith(
        "```python\nfrom typing import *\n\n\ndef above(values: List[int], limit: int) -> List[int]:\n```"
    )
    assert pairs.question.endswith("def equalPairs(nums: List[int], least: int) -> int:\n```")
    assert "class Solution" not in above.question + pairs.question
    for fields, name in ((above, "above"), (pairs, "equalPairs")):
        tests = read_tests(fields.answer)
        assert isinstance(tests, FunctionTests)
        assert (tests.entry_point, tests.setup) == (name, "")


def test_mbpp_shows_its_tests_and_names_the_function_that_all_of_them_call() -> None:
    gap, length = kept("mbpp")
    shown = "\n".join(rows("mbpp")[0]["test_list"])
    assert gap.question.endswith(f"It has to pass these tests:\n\n```python\n{shown}\n```")
    for fields, name, setup in ((gap, "largest_gap", ""), (length, "whole_length", "import math")):
        tests = read_tests(fields.answer)
        assert isinstance(tests, FunctionTests)
        assert (tests.entry_point, tests.setup) == (name, setup)
        assert len(ast.parse(tests.test).body[0].body) == 1 + fields.question.count("assert ")  # type: ignore[attr-defined]


REQUIRED: dict[str, list[str]] = {
    "aime": ["problem"],
    "apps": ["question", "input_output", "difficulty"],
    "code_contests": ["description", "public_tests", "private_tests", "generated_tests", "solutions", "source"],
    "dapo": ["prompt", "reward_model"],
    "deepscaler": ["problem", "answer"],
    "gpqa": ["Question", "Correct Answer", "Incorrect Answer 1", "Incorrect Answer 2", "Incorrect Answer 3"],
    "gsm8k": ["question", "answer"],
    "humaneval": ["prompt", "test", "entry_point"],
    "livecodebench": ["question_content", "public_test_cases", "private_test_cases", "platform", "difficulty"],
    "math": ["problem", "solution", "level", "type"],
    "math500": ["problem", "solution", "answer", "subject", "level"],
    "mbpp": ["text", "code", "test_list"],
    "reasoning_gym": ["question", "answer", "metadata"],
    "records": ["question", "answer"],
    "ring_lite_rl_code": ["prompt", "groundtruth", "code_test_cases"],
    "ring_lite_rl_math": ["prompt", "groundtruth"],
    "ring_lite_sft": ["messages"],
}
EITHER = {("aime", "problem"), ("mbpp", "text"), ("records", "question"), ("ring_lite_rl_code", "prompt"),
          ("ring_lite_rl_math", "prompt"), ("ring_lite_rl_math", "groundtruth")}  # fmt: skip
"""Fields that have another name too, which the message says."""


@pytest.mark.parametrize(("name", "field"), [(name, field) for name, fields in REQUIRED.items() for field in fields])
def test_a_field_that_is_missing_or_of_another_type_is_named_with_file_and_row(
    tmp_path: Path, name: str, field: str
) -> None:
    path = tmp_path / f"{name}.jsonl"
    good = rows(name)[0]
    for change, problem in (
        ({}, "missing (or " if (name, field) in EITHER else "missing; the row has "),
        ({field: 3.5 if field not in ("answer", "groundtruth") else ["3"]}, "expected "),
    ):
        bad = {key: value for key, value in good.items() if key != field} | change
        path.write_text(f"{json.dumps(good)}\n{json.dumps(bad)}\n")
        with pytest.raises(DataError) as caught:
            load_jsonl(path, name, domain="code" if name in CODE else "math")
        assert f'{path}, line 2: field "{field}": {problem}' in str(caught.value)
        assert "\n" not in str(caught.value)


def broken(name: str, number: int, change: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    row: dict[str, Any] = json.loads(json.dumps(rows(name)[number]))
    change(row)
    return row


@pytest.mark.parametrize(("name", "row", "message"), [
    ("aime", broken("aime", 1, lambda r: r.update(answer="1000")), 'field "answer": expected a whole number from 0 to'),
    ("aime", broken("aime", 0, lambda r: r.update(solution="A sketch.")), 'field "solution": expected a whole number'),
    ("math", broken("math", 0, lambda r: r.update(level="hard")), 'field "level": expected "Level 1" to "Level 5"'),
    ("dapo", broken("dapo", 0, lambda r: r["prompt"][0].update(content="What?")), 'field "prompt": the published inst'),
    ("dapo", broken("dapo", 0, lambda r: r["prompt"].append({})), 'field "prompt": expected one message, found 2'),
    ("dapo", broken("dapo", 0, lambda r: r["reward_model"].pop("ground_truth")), 'field "ground_truth": missing'),
    ("apps", broken("apps", 0, lambda r: r.update(input_output="{")), 'field "input_output": not JSON'),
    ("apps", broken("apps", 0, lambda r: r.update(input_output='{"inputs": ["1"], "outputs": []}')),
     'field "input_output": 1 inputs and 0 outputs'),
    ("apps", broken("apps", 0, lambda r: r.update(input_output='{"inputs": [1], "outputs": [1]}')),
     'field "input_output": expected inputs and outputs as text, found int'),
    ("code_contests", broken("code_contests", 0, lambda r: r["public_tests"].update(output=[])),
     'field "public_tests": 1 inputs and 0 outputs'),
    ("mbpp", broken("mbpp", 0, lambda r: r.update(test_list=["assert ("])), 'field "test_list": not Python'),
    ("mbpp", broken("mbpp", 0, lambda r: r.update(test_list=[1])), 'field "test_list": expected a list of text'),
    ("livecodebench", broken("livecodebench", 0, lambda r: r.update(private_test_cases="bm90IHppcHBlZA==")),
     'field "private_test_cases": neither JSON nor text in a pickle'),
    ("livecodebench", broken("livecodebench", 1, lambda r: r.update(metadata="{}")),
     'field "metadata.func_name": None is not a Python name'),
    ("ring_lite_sft", broken("ring_lite_sft", 0, lambda r: r["messages"].reverse()), 'field "messages": expected a us'),
])  # fmt: skip
def test_content_that_does_not_fit_is_named(tmp_path: Path, name: str, row: dict[str, Any], message: str) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text(json.dumps(row) + "\n")
    with pytest.raises(DataError, match=re.escape(f"{path}, line 1: {message}")):
        load_jsonl(path, name, domain="code" if name in CODE else "math")


class Writes:
    """Pickled, it is a call that makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


def test_private_tests_run_no_code_and_unpack_no_bomb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def packed(found: Any) -> str:
        return base64.b64encode(zlib.compress(pickle.dumps(found))).decode()

    mark = tmp_path / "mark"
    pickle.loads(pickle.dumps(Writes(mark)))
    assert mark.exists()  # so it does what it is meant to do, where it is let
    mark.unlink()
    with pytest.raises(FieldError, match="names pathlib"):
        unpacked("f", packed(Writes(mark)))
    assert not mark.exists()
    with pytest.raises(FieldError, match="expected text in the pickle, found list"):
        unpacked("f", packed(["a"]))
    assert unpacked("f", packed("[1]")) == "[1]"
    monkeypatch.setattr(programs, "MAX_PRIVATE_BYTES", 1000)
    with pytest.raises(FieldError, match="more than 1000 bytes"):
        unpacked("f", packed("a" * 2000))


@pytest.fixture(scope="module")
def score() -> Iterator[Callable[[list[Fields], list[str]], list[Verdict]]]:
    verifier = MathVerifier()

    def judged(fields: list[Fields], texts: list[str]) -> list[Verdict]:
        prompts = [Prompt(str(i), "math", f.question, f.answer, f.kind) for i, f in enumerate(fields)]
        return verifier.score(prompts, texts)

    yield judged
    verifier.close()


@pytest.mark.parametrize("name", sorted(set(ADAPTERS) - set(CODE)))
def test_gold_answers_and_traces_score_1_and_the_next_rows_gold_0(
    name: str, score: Callable[[list[Fields], list[str]], list[Verdict]]
) -> None:
    fields = list({f.answer: f for f in kept(name)}.values())
    golds = [f"\\boxed{{{f.answer}}}" for f in fields]
    assert {v.reward for v in score(fields, golds)} == {1.0}
    assert len(fields) == 1 or {v.reward for v in score(fields, golds[1:] + golds[:1])} == {0.0}
    traced = [f for f in fields if f.trace]
    assert all(v.reward for v in score(traced, [f.trace or "" for f in traced]))
