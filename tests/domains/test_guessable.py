"""Training refuses prompts that can be guessed, unless told; evaluation may hold them."""

import pytest

from ringexp.domains.guessable import check_answers, guessable
from ringexp.domains.pool import Pool
from ringexp.errors import ConfigError, DataError
from ringexp.records import Prompt


def asked(answer: str, kind: str = "", domain: str = "math") -> Prompt:
    return Prompt("p", domain, "Is it so? " * 9, answer, kind)


@pytest.mark.parametrize(
    "answer", ["yes", "No", "TRUE", "false.", "\\text{Yes}", "$\\text{no}$", "\\boxed{\\text{True}}"]
)
def test_yes_and_no_can_be_guessed(answer: str) -> None:
    assert guessable(asked(answer))
    assert not guessable(asked(answer, domain="code"))


@pytest.mark.parametrize("answer", ["1", "0", "yes and no", "none", "x", "\\text{Norway}", "", "true north"])
def test_other_answers_cannot(answer: str) -> None:
    assert not guessable(asked(answer))


def test_training_refuses_them_with_count_example_and_mend() -> None:
    pool = Pool("science", train=(asked("3"), asked("B", "choice"), asked("yes")))
    message = r"data\.pools\.science: 2 of 3 training prompts can be guessed, e\.g\. 'Is it so\? .*' with the .* 'B'"
    with pytest.raises(ConfigError, match=message + r".*data\.guessable=true"):
        check_answers({"math": Pool("math", (asked("3"),)), "science": pool}, allowed=False)
    check_answers({"science": pool}, allowed=True)


def test_evaluation_may_hold_them() -> None:
    pool = Pool("math", (asked("3"),), validation=(asked("yes"),), test=(asked("C", "choice"),))
    check_answers({"math": pool}, allowed=False)


@pytest.mark.parametrize("answer", ["neon", "b", "AB", "", "1"])
def test_the_gold_of_multiple_choice_is_a_letter(answer: str) -> None:
    pool = Pool("math", (asked("3"),), test=(asked(answer, "choice"),))
    with pytest.raises(DataError, match=r"data\.pools\.math: the answer of a prompt of kind 'choice' has to be"):
        check_answers({"math": pool}, allowed=True)
