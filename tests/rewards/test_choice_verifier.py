"""Multiple choice: one letter counts, in the ways that it is written; anything else does not."""

import pytest

from ringexp.domains.choice import shuffled
from ringexp.records import Outcome, Prompt, Verdict
from ringexp.rewards.choice import ChoiceVerifier


def judged(gold: str, text: str) -> Verdict:
    return ChoiceVerifier().score([Prompt("p", "science", "q", gold, kind="choice")], [text])[0]


@pytest.mark.parametrize(
    "box",
    ["B", "b", " B ", "(B)", "( B )", "B)", "B.", "(B).", "\\text{B}", "\\text{(B)}", "\\mathrm{B}", "\\textbf{B}",
     "$B$", "Option B", "\\text{Option B}", "Answer: B", "Choice (B)", "(\\text{B})"],
)  # fmt: skip
def test_a_letter_is_read_however_it_is_written(box: str) -> None:
    text = f"A is not right, so C? No. \\boxed{{C}} I mean \\boxed{{{box}}}."
    assert judged("B", text).outcome is Outcome.CORRECT
    assert judged("\\text{(B)}", text).outcome is Outcome.CORRECT
    assert judged("C", text) == Verdict(Outcome.WRONG, "another option")


@pytest.mark.parametrize(
    "box",
    ["A, B", "A or B", "AB", "A/B", "ABCD", "B and C", "not B", "B?", "all of the above", "neon", "B) neon", "(B", "",
     "1",     "\\text{A}B", "\\{B\\}", "В", "Ｂ", "B" * 41, "\\text{" * 9 + "B" + "}" * 9, "*", "."],
)  # fmt: skip
def test_anything_else_is_unparsable(box: str) -> None:
    assert judged("B", f"\\boxed{{{box}}}").outcome is Outcome.UNPARSABLE


@pytest.mark.parametrize("text", ["", "B", "The answer is B.", "(B)", "\\boxed{B", "boxed{B}"])
def test_without_a_box_nothing_counts(text: str) -> None:
    assert judged("B", text) == Verdict(Outcome.UNPARSABLE, "no complete box")


def test_a_gold_that_is_no_letter_is_an_error() -> None:
    assert judged("neon", "\\boxed{A}").outcome is Outcome.ERROR


def test_questions_with_shuffled_options_are_judged_by_their_letter() -> None:
    for seed in range(8):
        question, gold = shuffled("Which is a noble gas?", "neon", ["iron", "oxygen", "sodium"], seed)
        right = next(line[0] for line in question.splitlines() if line.endswith(") neon"))
        for letter in "ABCD":
            assert judged(gold, f"\\boxed{{{letter}}}").reward == (letter == right)
