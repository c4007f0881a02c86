"""Answers and traces by the real verifiers; solve rates and the bounds that they are held against."""

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from ringexp.code_tests import FunctionTests
from ringexp.curation.dataset import Row
from ringexp.curation.difficulty import Difficulty
from ringexp.curation.verify import Verify
from ringexp.domains.pool import synthetic_pool
from ringexp.errors import ConfigError
from ringexp.records import Group, Outcome, Prompt, Request, Rollout, Verdict
from ringexp.rewards.code import CodeVerifier
from ringexp.rewards.math import MathVerifier
from ringexp.rewards.registry import VerifierRegistry

sys.path.insert(0, str(Path(__file__).parents[1] / "rewards"))

from sandboxed import needs_sandbox

Make = Callable[..., Row]


@pytest.fixture(scope="module")
def verifier() -> Iterator[VerifierRegistry]:
    registry = VerifierRegistry({"math": MathVerifier(), "science": MathVerifier(units=True)})
    yield registry
    registry.close()


def fates(step: Verify, rows: list[Row]) -> tuple[list[str | None], dict[str, int]]:
    """Why each row was dropped (None: it stays), and the step's counts."""
    judged = step.judge(rows)
    reasons = {own: finding.reason for own, _, dropped, finding in judged.found if dropped}
    kept = {row.prompt.id for row in judged.kept}
    assert kept.isdisjoint(reasons)
    assert len(kept) + len(reasons) == len(rows)
    return [reasons.get(row.prompt.id) for row in rows], dict(judged.counts)


def test_maths_and_science_by_their_own_verifiers(make: Make, verifier: VerifierRegistry) -> None:
    rows = [
        make("What is 3 + 4?", "7", trace="It is \\boxed{7.0}."),
        make("What is 3 + 4?", "7", trace="It is \\boxed{8}."),
        make("What is 3 + 4?", "7", trace="It is 7."),
        make("What is a half?", "\\frac{1}{2}", trace="So \\boxed{0.5}"),
        make("What is it?", "((((((((((((((7))))))))))))))"),
        make("How far?", "9.17 km ± 0.01", domain="science", trace="\\boxed{9175 m}"),
        make("How far?", "9.17 km", domain="science", trace="\\boxed{9.17 s}"),
        make("How far?", "9.17 blorps", domain="science"),
        make("How many?", "11"),
    ]
    found, counts = fates(Verify(verifier, {}, "drop"), rows)
    assert found == [None, "trace_wrong", "trace_unparsable", None, "answer_not_verifiable", None, "trace_wrong",
                     "answer_not_verifiable", None]  # fmt: skip
    assert counts == {"without_solution": 1}
    assert fates(Verify(verifier, {"math": True}, "drop"), rows)[0][-1] == "no_solution"


def test_a_wrong_trace_can_be_removed_alone(make: Make, verifier: VerifierRegistry) -> None:
    rows = [make("What is 3 + 4?", "7", trace="\\boxed{8}"), make("What is 3 + 4?", "7", trace="\\boxed{7}")]
    judged = Verify(verifier, {}, "remove").judge(rows)
    assert [row.prompt.trace for row in judged.kept] == [None, "\\boxed{7}"]
    assert judged.counts == {"wrong_traces_removed": 1}
    assert [(own, dropped, found.reason) for own, _, dropped, found in judged.found] == [("row1", False, "trace_wrong")]
    assert fates(Verify(verifier, {"math": True}, "remove"), rows)[0] == ["trace_wrong", None]
    with pytest.raises(ConfigError, match="wrong_trace=keep: use drop or remove"):
        Verify(verifier, {}, "keep")


@needs_sandbox
def test_code_passes_its_own_tests_in_the_sandbox(make: Make) -> None:
    code = VerifierRegistry({"code": CodeVerifier()})
    tests = FunctionTests("f", "", "def check(candidate):\n    assert candidate(3) == 6\n").to_json()

    def solution(body: str) -> str:
        return f"```python\ndef f(x):\n    return {body}\n```"

    rows = [make("Double it.", tests, "code", solution("2 * x")), make("Double it.", tests, "code", solution("x")),
            make("Double it.", "{}", "code", solution("x")), make("Double it.", tests, "code"),
            make("Double it.", tests.replace("assert", "assert ("), "code", solution("2 * x"))]  # fmt: skip
    found, counts = fates(Verify(code, {"code": True}, "drop"), rows)
    assert found[:4] == [None, "trace_wrong", "malformed_tests", "no_solution"]
    assert found[4] is not None
    assert counts == {}
    code.close()


@needs_sandbox
def test_the_built_in_problems_verify(verifier: VerifierRegistry) -> None:
    code = VerifierRegistry({"code": CodeVerifier()})
    for domain, judge in (("math", verifier), ("science", verifier), ("code", code)):
        rows = [Row(prompt) for prompt in synthetic_pool(domain, 60, 0, 0, 0).train]
        assert fates(Verify(judge, {domain: True}, "drop"), rows) == ([None] * 60, {})
    code.close()


class Table:
    """Responses that are known: of each prompt, how many of four are correct; None: it is too long to be asked."""

    def __init__(self, correct: Mapping[str, int | None]) -> None:
        self._correct = correct

    def groups(self, prompts: Sequence[Prompt]) -> list[Group | None]:
        return [self._group(prompt, self._correct[prompt.id]) for prompt in prompts]

    def _group(self, prompt: Prompt, correct: int | None) -> Group | None:
        if correct is None:
            return None
        rollouts = tuple(Rollout(Request(prompt, i, i), (1,), (0.0,), (0,), "", False) for i in range(4))
        verdicts = tuple(Verdict(Outcome.CORRECT if i < correct else Outcome.WRONG) for i in range(4))
        return Group(prompt, rollouts, verdicts)


CORRECT = {"always": 4, "mostly": 3, "once": 1, "never": 0, "never_both": 0, "never_unknown": 0, "long": None}
STRONGER = {"always": 1.0, "mostly": 1.0, "once": 0.0, "never": 0.5, "never_both": 0.0}


@pytest.mark.parametrize(("easy", "hard", "stronger", "dropped"), [
    (1.0, 0.0, STRONGER, {"always": "too_easy", "never_both": "too_hard"}),
    (1.0, 0.0, None, {"always": "too_easy"}),
    (0.75, 0.25, STRONGER, {"always": "too_easy", "mostly": "too_easy", "once": "too_hard", "never_both": "too_hard"}),
    (None, None, STRONGER, {}),
    (None, 0.0, STRONGER, {"never_both": "too_hard"}),
])  # fmt: skip
def test_too_easy_goes_and_too_hard_only_where_a_stronger_model_agrees(
    make: Make, easy: float | None, hard: float | None, stronger: Mapping[str, float] | None, dropped: dict[str, str]
) -> None:
    rows = [make("What is it?", id=name) for name in CORRECT]
    judged = Difficulty(Table(CORRECT), easy, hard, stronger).judge(rows)
    found = {own: finding.reason for own, _, gone, finding in judged.found if gone}
    assert found == dropped | {"long": "too_long_for_the_model"}
    rates = {name: correct / 4 for name, correct in CORRECT.items() if correct is not None and name not in found}
    assert {row.prompt.id: row.solve_rate for row in judged.kept} == rates
    assert all(row.samples == 4 for row in judged.kept)
    if hard == 0.0:
        asked = {"solved_by_the_stronger_only": 1, "unknown_to_the_stronger": 1}
        assert +judged.counts == (asked if stronger else {"hard_without_a_stronger_model": 3})


@pytest.mark.parametrize(("easy", "hard"), [(0.5, 0.5), (1.5, 0.0), (1.0, -0.1)])
def test_bounds_that_leave_nothing_are_refused(easy: float, hard: float) -> None:
    with pytest.raises(ConfigError, match="hard below easy"):
        Difficulty(Table({}), easy, hard, None)
