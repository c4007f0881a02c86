"""Training refuses prompts that can be guessed, unless told; evaluation may hold them."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from omegaconf import DictConfig

from ringexp.config.validate import typed
from ringexp.domains.choice import shuffled
from ringexp.domains.guessable import check_answers, guessable
from ringexp.domains.pool import Pool
from ringexp.errors import ConfigError, DataError
from ringexp.records import Prompt
from ringexp.tasks.data import Prepared, prepared


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


def test_a_run_refuses_them_unless_told(composed: Callable[..., DictConfig], tmp_path: Path) -> None:
    rows = [{"question": f"What is {i} + 1?", "answer": i + 1, "trace": f"\\boxed{{{i + 1}}}", "split": split}
            for i, split in enumerate(["train"] * 20 + ["validation"] * 5 + ["test"] * 5)]  # fmt: skip
    text, gold = shuffled("Which is a noble gas?", "neon", ["iron", "oxygen", "sodium"], seed=0)
    choice = {"question": text, "answer": gold, "kind": "choice"}
    path = tmp_path / "rows.jsonl"

    def pools(split: str, *overrides: str) -> Prepared:
        path.write_text("".join(json.dumps(row) + "\n" for row in [*rows, choice | {"split": split}]))
        config = composed("data=jsonl", f"data.path={path}", "schedule=math_only", *overrides)
        return prepared(typed(config).data, typed(config).model.tokenizer)[0]

    assert pools("test").pools["math"].test[-1].kind == "choice"
    with pytest.raises(ConfigError, match="1 of 21 training prompts can be guessed"):
        pools("train")
    assert len(pools("train", "data.guessable=true").pools["math"].train) == 21
