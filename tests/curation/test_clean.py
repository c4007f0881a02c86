"""Each rule on rows that it must drop and on rows like them that it must not."""

from collections.abc import Callable

import pytest

from ringexp.config.curation import RULES
from ringexp.curation.clean import HOW, Clean
from ringexp.curation.dataset import Row
from ringexp.errors import ConfigError

Make = Callable[..., Row]

DROPPED = [
    ("invalid_characters", "What is 2\ufffd + 3?", "5"),
    ("invalid_characters", "What is 2\x00 + 3?", "5"),
    ("invalid_characters", "What is 2 + 3?", "5\x07"),
    ("invalid_characters", "What is \ue000 + 3?", "5"),
    ("empty", "  ... ?!  ", "5"),
    ("image", "Find the area. ![triangle](fig1.png)", "5"),
    ("image", "\\includegraphics[width=3cm]{a.pdf} Find x.", "5"),
    ("image", 'Find the area of <img src="a.gif">.', "5"),
    ("image", "[asy] draw((0,0)--(1,1)); [/asy] Find the length.", "5"),
    ("image", "See https://example.org/a/b.png and find x.", "5"),
    ("image", "In the triangle shown in the figure, find the angle.", "5"),
    ("image", "What is the slope in the graph below?", "5"),
    ("choice", "What is 2 + 3? (A) 4 (B) 5 (C) 6 (D) 7", "B"),
    ("choice", "What is 2 + 3?\nA. 4\nB. 5\nC. 6", "B"),
    ("choice", "What is 2+3? $\\textbf{(A)}\\ 4 \\qquad \\textbf{(B)}\\ 5 \\qquad \\textbf{(C)}\\ 6$", "B"),
    ("choice", "Which of the following is prime?", "7"),
    ("true_false", "Is 7 a prime number?", "Yes"),
    ("true_false", "True or false: 7 is prime.", "1"),
    ("true_false", "Decide whether 9 is prime.", "$False$."),
    ("multi_part", "Let x = 3. (a) Find 2x. (b) Find 3x.", "6, 9"),
    ("multi_part", "Let x = 3.\na) Find 2x.\nb) Find 3x.", "6, 9"),
    ("multi_part", "(i) Find the mean. (ii) Find the median.", "4"),
    ("multi_part", "Part A: find x. Part B: find y.", "4"),
    ("unanswerable", "What is the best number?", "N/A"),
    ("unanswerable", "What is the best number?", " "),
    ("unanswerable", "Prove that there are infinitely many primes.", "see solution"),
    ("unanswerable", "Let n be odd. Show that n^2 is odd.", "1"),
    ("too_short", "2+3=?", "5"),
    ("too_long", "What is the sum of " + "1 + " * 200 + "1?", "201"),
]

KEPT = [
    ("What is f(a) + f(b) where f(x) = 2x, a = 1 and b = 2?", "6"),
    ("Évaluez la somme 2 + 3, s'il vous plaît.", "5"),
    ("A figure skater turns 5 times in 2 s. How many turns in 10 s?", "25"),
    ("Use the website https://example.org/primes to recall: what is the 4th prime?", "7"),
    ("Point (A) lies 3 m from point (B). How far is the way there and back?", "6"),
    ("Grade A eggs cost 3, grade B eggs 2. What do 4 of each cost?", "20"),
    ("She had no more than 7 apples and said yes to all. How many is that at most?", "7"),
    ("A false coin weighs 3 g, a true one 4 g. What do 2 false and 1 true weigh?", "10"),
    ("A show that lasts 2 h begins at 7. When does it end?", "9"),
    ("The proof of a spirit is twice its share of alcohol. What is that of 40 %?", "80"),
    ("A tailor cuts (1) 3 m and (2) 4 m of cloth. How much in all?", "7"),
    ("How many elements has the set {1, 2, 3}?\n\tCount each once.", "3"),
]


def clean(*rules: str) -> Clean:
    return Clean(rules or RULES, 8, 500, 60)


@pytest.mark.parametrize(("rule", "question", "answer"), DROPPED)
def test_what_a_rule_names_is_dropped_for_it(make: Make, rule: str, question: str, answer: str) -> None:
    judged = clean().judge([make(question, answer)])
    assert judged.kept == []
    assert [(finding.reason, dropped) for _, _, dropped, finding in judged.found] == [(rule, True)]
    assert dict(judged.dropped) == {rule: 1}


@pytest.mark.parametrize(("question", "answer"), KEPT)
def test_what_only_looks_like_it_stays(make: Make, question: str, answer: str) -> None:
    row = make(question, answer)
    assert clean().judge([row]).kept == [row]


@pytest.mark.parametrize("rule", RULES)
def test_a_rule_that_is_off_drops_nothing(make: Make, rule: str) -> None:
    rows = [make(question, answer) for name, question, answer in DROPPED if name == rule]
    assert rows
    only, others = clean(rule), clean(*(name for name in RULES if name != rule))
    assert only.judge(rows).dropped == {rule: len(rows)}
    assert others.judge(rows).dropped[rule] == 0


def test_of_code_only_characters_lengths_and_answers_are_looked_at(make: Make) -> None:
    question = "Write f(x). Prove that it ends.\n(a) Show the figure below. (b) Return true or false: ![x](y.png)"
    row = make(question, "True", domain="code")
    assert clean().judge([row]).kept == [row]
    assert clean().judge([make(question + "\ufffd", "True", domain="code")]).dropped == {"invalid_characters": 1}


def test_texts_are_composed_and_long_traces_removed(make: Make) -> None:
    long = make("  Cafe\u0301s: what is 2 + 3?\n", " 5 ", trace="e\u0301" * 61)
    judged = clean().judge([long, make("What is 7 - 2?", trace="ok")])
    first, second = (row.prompt for row in judged.kept)
    assert (first.question, first.answer, first.trace) == ("Caf\u00e9s: what is 2 + 3?", "5", None)
    assert second.trace == "ok"
    assert judged.counts == {"long_traces_removed": 1}


def test_the_configurations_rules_are_those_there_are() -> None:
    assert tuple(HOW) == RULES
    with pytest.raises(ConfigError, match="unknown rule 'images': use some of invalid_characters, empty"):
        clean("images")
