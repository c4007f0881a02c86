"""Lettered options: a seeded order, every letter as often, what cannot be asked."""

from collections import Counter

import pytest

from ringexp.domains.choice import shuffled
from ringexp.errors import DataError


def test_the_options_stand_under_letters_and_the_gold_is_that_of_the_right_one() -> None:
    text, gold = shuffled(" Which is a noble gas? ", "neon", ["iron", "oxygen", "sodium"], seed=1)
    lines = text.split("\n")
    assert lines[:2] == ["Which is a noble gas?", ""]
    assert [line[:3] for line in lines[2:6]] == ["A) ", "B) ", "C) ", "D) "]
    assert sorted(line[3:] for line in lines[2:6]) == ["iron", "neon", "oxygen", "sodium"]
    assert lines[6:] == ["", "Answer with the letter of the right option."]
    assert f"{gold}) neon" in lines


def test_the_order_is_a_function_of_the_seed_and_the_question() -> None:
    wrong = ["b", "c", "d", "e"]
    assert shuffled("q", "a", wrong, 3) == shuffled("q", "a", wrong[::-1], 3)
    assert len({shuffled("q", "a", wrong, seed)[0] for seed in range(20)}) > 10
    assert len({shuffled(f"q{i}", "a", wrong, 3)[0].split("\n", 1)[1] for i in range(20)}) > 10


def test_the_right_option_stands_under_every_letter_equally_often() -> None:
    golds = Counter(shuffled(f"question {i}", "1", ["2", "3", "4"], seed=0)[1] for i in range(4_000))
    assert sorted(golds) == list("ABCD")
    # standard deviation of a count: sqrt(4000 * 1/4 * 3/4) = 27
    assert all(abs(count - 1_000) < 5 * 27 for count in golds.values())


@pytest.mark.parametrize(
    ("question", "correct", "wrong", "problem"),
    [
        ("q", "a", [], "1 options; give 2 to 26"),
        ("q", "a", [str(i) for i in range(26)], "27 options"),
        ("q", "a", ["b", " a "], "the option 'a' is there twice"),
        ("q", "a", ["b", "b"], "the option 'b' is there twice"),
        ("q", "a", [" "], "an option is empty"),
        (" ", "a", ["b"], "the question or an option is empty"),
    ],
)
def test_what_cannot_be_asked_is_refused(question: str, correct: str, wrong: list[str], problem: str) -> None:
    with pytest.raises(DataError, match=problem):
        shuffled(question, correct, wrong, 0)
