"""Evaluation questions in training rows: as they are, inside other text, reworded; every one named; templates stay."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringexp.curation.dataset import Row
from ringexp.curation.decontaminate import Decontaminate, EvaluationIndex, Question
from ringexp.curation.steps import Finding
from ringexp.curation.text import tokens
from ringexp.errors import ConfigError

Make = Callable[..., Row]

TOLD = "A boat goes 12 km up the river and then 30 km down the same river in all of 5 h. How fast is the boat?"
SHORT = "What is 12 + 30?"


def index(*texts: str, n: int = 8) -> EvaluationIndex:
    return EvaluationIndex([Question("bench", f"line {i}", text) for i, text in enumerate(texts)], n)


def findings(row: Row, *texts: str, coverage: float = 0.5, same_numbers: bool = True) -> tuple[bool, list[Finding]]:
    """Whether the row stays, and what was found."""
    judged = Decontaminate(index(*texts), coverage, same_numbers).judge([row])
    return bool(judged.kept), [finding for *_, finding in judged.found]


@pytest.mark.parametrize(("question", "reason"), [
    (TOLD, "contaminated"),
    (TOLD.upper().replace(".", " ."), "contaminated"),
    (f"Read this and think. {TOLD} Explain each step of yours.", "contaminated"),
    (TOLD.replace("boat goes", "canoe travels"), "contaminated"),
    (TOLD.replace("12", "13"), "other_numbers"),
    ("Down the same river in all of 5 h: is it 12 or 30?", "overlap"),
    ("A boat goes 12 km. Another one goes 30 km in 5 h. How much is that?", None),
])  # fmt: skip
def test_a_question_is_held_when_half_of_it_is_and_all_its_numbers(
    make: Make, question: str, reason: str | None
) -> None:
    stays, found = findings(make(question), TOLD)
    assert stays is (reason != "contaminated")
    assert [finding.reason for finding in found] == ([] if reason is None else [reason])
    assert all((finding.matched_set, finding.matched) == ("bench", "line 0") for finding in found)


def test_evidence_is_the_longest_shared_run_and_the_share(make: Make) -> None:
    question = TOLD.replace("boat goes", "canoe travels")
    _, (found,) = findings(make(question), TOLD)
    words = tokens(TOLD)
    assert found.detail == " ".join(words[3:])
    assert found.score == pytest.approx((len(words) - 3) / len(words), abs=1e-4)


def test_every_question_that_is_held_is_named_those_held_most_first(make: Make) -> None:
    evaluation = (TOLD.replace("A boat", "Some boat"), SHORT, "Who is 99 years old?", TOLD)
    stays, found = findings(make(f"{SHORT} {TOLD}"), *evaluation)
    assert not stays
    assert [(finding.matched, finding.reason) for finding in found] == [
        ("line 1", "contaminated"), ("line 3", "contaminated"), ("line 0", "contaminated")]  # fmt: skip


def test_short_questions_have_to_be_held_whole(make: Make) -> None:
    assert findings(make("Now: what is 12 + 30 - 1?"), SHORT)[0] is False
    assert findings(make("What is 12 + 31?"), SHORT) == (True, [])
    two = EvaluationIndex([Question("bench", "0", "12 + ?"), Question("bench", "1", "Why not?")], 8)
    assert (two.names, dict(two.too_short)) == ([], {"bench": 2})


def test_of_questions_that_are_not_held_the_one_covered_most_is_reported(make: Make) -> None:
    stays, found = findings(make(TOLD.replace("12", "13")), TOLD, TOLD.replace("A boat goes", "On a boat one goes"))
    assert stays
    assert [finding.matched for finding in found] == ["line 0"]


def test_numbers_can_be_left_out_of_account_and_the_share_chosen(make: Make) -> None:
    changed = TOLD.replace("12", "13")
    assert findings(make(changed), TOLD, same_numbers=False)[0] is False
    half = "Down the same river in all of 5 h: is it 12 or 30?"
    assert findings(make(half), TOLD, coverage=0.3)[0] is False
    with pytest.raises(ConfigError, match=r"curation\.decontaminate\.coverage=0"):
        Decontaminate(index(TOLD), 0.0, True)


@given(st.lists(st.sampled_from("abcde"), min_size=3, max_size=14), st.lists(st.sampled_from("abcde"), max_size=20))
def test_hits_are_those_of_comparing_all_ngrams(question: list[str], row: list[str]) -> None:
    n = 4
    length = min(n, len(question))
    covered = {place + k for place in range(len(question) - length + 1) for start in range(len(row) - length + 1)
               if question[place : place + length] == row[start : start + length] for k in range(length)}  # fmt: skip
    told = index(" ".join("edcba"), " ".join(question), n=n)
    found = {number: share for number, share, _ in told.hits(row, 0.0)}
    assert found.get(1, 0.0) == pytest.approx(len(covered) / len(question))
