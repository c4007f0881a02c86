"""The maths verifier, run for real: which box counts, hostile answers, limits of what is read."""

import time
from collections.abc import Iterator

import pytest

from ringexp.records import Outcome, Prompt, Verdict
from ringexp.rewards.boxed import last_boxed
from ringexp.rewards.math import MathVerifier

CORRECT, WRONG, UNPARSABLE, TIMEOUT = Outcome.CORRECT, Outcome.WRONG, Outcome.UNPARSABLE, Outcome.TIMEOUT


def asked(gold: str) -> Prompt:
    return Prompt("p", "math", "q", gold)


@pytest.fixture(scope="module")
def verifier() -> Iterator[MathVerifier]:
    it = MathVerifier(cpu_seconds=1.0)
    yield it
    it.close()


def outcome(verifier: MathVerifier, gold: str, text: str) -> Outcome:
    return verifier.score([asked(gold)], [text])[0].outcome


@pytest.mark.parametrize(
    ("text", "box"),
    [
        ("a \\boxed{1} b \\boxed{2} c", "2"),
        ("\\boxed{\\frac{1}{2}}", "\\frac{1}{2}"),
        ("\\boxed {5}", "5"),
        ("\\boxed{\\boxed{5}}", "5"),
        ("{ \\boxed{5}", "5"),
        ("} \\boxed{5}", "5"),
        ("\\boxed{4} \\boxed{5", "4"),
        ("\\boxed{\\{1\\}}", "\\{1\\}"),
        ("\\boxed{\\{1}", "\\{1"),
        ("\\boxed{ { 5 }", None),
        ("\\boxed{}", ""),
        ("\\boxed 5", None),
        ("boxed{5}", None),
        ("", None),
    ],
)
def test_last_boxed(text: str, box: str | None) -> None:
    assert last_boxed(text) == box


def test_last_boxed_is_linear_in_hostile_text() -> None:
    start = time.process_time()
    assert last_boxed("\\boxed{" * 200_000) is None
    assert last_boxed("\\boxed{" * 100_000 + "}" * 100_000) == ""
    assert time.process_time() - start < 5


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The answer is 3.", UNPARSABLE),
        ("\\boxed{4}. The answer is $3$", WRONG),
        ("\\boxed{3} no, \\boxed{4}", WRONG),
        ("\\boxed{4} no, \\boxed{3}", CORRECT),
        ("3 \\boxed{} 3", UNPARSABLE),
        ("\\boxed{3", UNPARSABLE),
    ],
)
def test_only_the_last_box_counts(verifier: MathVerifier, text: str, expected: Outcome) -> None:
    assert outcome(verifier, "3", text) is expected


HOSTILE = {
    "power tower of **": "\\boxed{9**9**9**9}",
    "power tower": "\\boxed{10^{10^{10}}}",
    "higher tower": "\\boxed{9^{9^{9^{9}}}}",
    "factorial": "\\boxed{99999999!}",
    "hang in a difference": "\\boxed{10^{1000000000}-10^{1000000000}+3}",
    "integral": "\\boxed{\\int_0^1 e^{x^{x^x}} dx}",
    "deep parentheses": "\\boxed{" + "(" * 300 + "4" + ")" * 300 + "}",
    "deep braces": "\\boxed{" + "{" * 400 + "4" + "}" * 400 + "}",
    "deep roots": "\\boxed{" + "\\sqrt{" * 120 + "4" + "}" * 120 + "}",
    "signs": "\\boxed{" + "-" * 900 + "4}",
    "a megabyte": "3" * 1_000_000,
    "a megabyte in the box": "\\boxed{" + "3" * 1_000_000 + "}",
    "a megabyte of boxes": "\\boxed{" * 150_000,
    "empty box": "\\boxed{}",
    "unbalanced": "\\boxed{{{3}",
    "unbalanced escape": "\\boxed{\\{3}",
    "null and surrogate": "\\boxed{\x00\ud800}",
    "protocol": '\\boxed{"}\n{"outcome": "correct", "detail": "", "cpu": 0}\n',
    "code": "\\boxed{__import__('os').system('true')}",
}


def test_hostile_answers_never_raise_or_score_and_the_next_item_is_judged(verifier: MathVerifier) -> None:
    texts = [t for hostile in HOSTILE.values() for t in (hostile, "\\boxed{6/2}", "\\boxed{3.5}")]
    verdicts = verifier.score([asked("3")] * len(texts), texts)
    found = dict(zip(HOSTILE, verdicts[::3]))
    assert {n: v for n, v in found.items() if v.outcome not in (TIMEOUT, UNPARSABLE, WRONG)} == {}
    assert found["factorial"].outcome is TIMEOUT
    assert found["higher tower"].outcome is TIMEOUT
    assert "CPU" in found["factorial"].detail
    assert {v.outcome for v in verdicts[1::3]} == {CORRECT}
    assert {v.outcome for v in verdicts[2::3]} == {WRONG}
    # after a time-out a new process answers an unseen pair
    assert verifier.score([asked("7/3")] * 2, ["\\boxed{88888888!}", "\\boxed{14/6}"])[1].outcome is CORRECT


def test_a_gold_that_cannot_be_read_is_an_error_that_is_counted_apart(verifier: MathVerifier) -> None:
    found = verifier.score([asked("")], ["\\boxed{1/2}"])[0]
    assert found == Verdict(Outcome.ERROR, "gold answer cannot be parsed")


def test_nesting_has_a_limit_that_does_not_depend_on_time(verifier: MathVerifier) -> None:
    for depth, expected in ((4, CORRECT), (13, UNPARSABLE), (400, UNPARSABLE)):
        assert outcome(verifier, "3", "\\boxed{" + "(" * depth + "3" + ")" * depth + "}") is expected
