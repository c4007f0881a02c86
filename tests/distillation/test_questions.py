"""What is asked of a teacher and what rows its answers become; RL draws a question once, however many traces it has."""

import dataclasses

import pytest

from ringexp.config.distillation import DistillationConfig, check_distillation
from ringexp.curation.dataset import Row
from ringexp.distillation.counts import Counts, metrics
from ringexp.distillation.questions import Question, questions, rows
from ringexp.distillation.work import Answered
from ringexp.domains.pool import Pool, synthetic_pool
from ringexp.errors import ConfigError
from ringexp.models.tokenizer import ChatTokenizer, pool_texts, train_tokenizer
from ringexp.records import Prompt


@pytest.fixture(scope="module")
def pool() -> Pool:
    return synthetic_pool("math", 20, 4, 5, 0, levels=[1])


@pytest.fixture(scope="module")
def tokenizer(pool: Pool) -> ChatTokenizer:
    return train_tokenizer(pool_texts([pool]), 300)


def test_each_question_once_without_its_trace_and_long_ones_are_not_asked(pool: Pool, tokenizer: ChatTokenizer) -> None:
    again = tuple(dataclasses.replace(p, id=f"{p.id}/2", trace="another way") for p in pool.train[:3])
    lengths = sorted(len(tokenizer.encode_prompt(p)) for p in pool.train)
    limit = lengths[-1] - 1
    found = questions({"math": dataclasses.replace(pool, train=pool.train + again)}, tokenizer, ["train"], limit)
    assert [q.prompt.id for q in found] == [p.id for p in (*pool.train, *pool.validation, *pool.test)]
    assert {q.prompt.trace for q in found} == {None}
    assert [(q.split, q.wanted) for q in found] == [("train", True)] * 20 + [("validation", False)] * 4 + [
        ("test", False)] * 5  # fmt: skip
    assert sum(q.asked for q in found) == sum(length <= limit for length in lengths) < 20
    assert all(q.prompt.token_ids == tokenizer.encode_prompt(q.prompt) for q in found)


PROMPT = Prompt("math/1", "math", "1 + 1?", "2", "add", 1, token_ids=(3, 4))
PLAIN = dataclasses.replace(PROMPT, token_ids=())
TWO = Answered("math/1", ("kept", "wrong", "kept", "surplus"), 3, ("two", "it is two"), (2, 4))
NONE = Answered("math/1", ("wrong",) * 4)
TRAIN, VALIDATION, TEST = (Question(PROMPT, split, wanted, wanted) for split, wanted in
                           (("train", True), ("validation", True), ("test", False)))  # fmt: skip


def test_a_row_for_each_trace_and_one_where_there_is_none() -> None:
    first = Row(dataclasses.replace(PLAIN, trace="two"), "train", "built-in", "math/1", 0.75, 4)
    second = dataclasses.replace(first, prompt=dataclasses.replace(PLAIN, id="math/1/2", trace="it is two"))
    assert list(rows(TRAIN, TWO, "built-in", "drop")) == [first, second]
    assert list(rows(TRAIN, NONE, "built-in", "keep")) == [Row(PLAIN, "train", "built-in", "math/1", 0.0, 4)]
    assert list(rows(TEST, None, "built-in", "keep")) == [Row(PLAIN, "test", "built-in", "math/1")]


def test_only_training_prompts_without_a_trace_are_dropped() -> None:
    assert list(rows(TRAIN, NONE, "built-in", "drop")) == []
    assert list(rows(dataclasses.replace(TRAIN, asked=False), None, "built-in", "drop")) == []
    assert len(list(rows(VALIDATION, NONE, "built-in", "drop"))) == len(list(rows(TEST, None, "built-in", "drop"))) == 1
    kept_split = dataclasses.replace(TRAIN, wanted=False, asked=False)
    assert len(list(rows(kept_split, None, "built-in", "drop"))) == 1


def test_counts_of_prompts_and_responses() -> None:
    counts = Counts()
    for question, answer in ((TRAIN, TWO), (TRAIN, NONE), (TRAIN, None), (VALIDATION, NONE), (TEST, None)):
        counts.add(question, answer)
    train, validation = counts.steps()
    assert (train.step, train.rows_in, train.rows_out, train.dropped) == ("math, train", 8, 2,
                                                                          {"surplus": 1, "wrong": 5})  # fmt: skip
    assert train.kept == {"prompts": 3, "prompts_too_long": 1, "prompts_solved": 1, "prompts_with_trace": 1,
                          "correct": 3, "trace_tokens": 6}  # fmt: skip
    assert (validation.step, validation.rows_in, validation.rows_out) == ("math, validation", 4, 0)
    assert metrics([train, validation]) == {"distill/pass_at_1/math": 3 / 8, "distill/accepted/math": 3 / 8,
                                "distill/traced/math": 1 / 3, "distill/traces/math": 2,
                                "distill/length/math": 3.0}  # fmt: skip


def test_rl_draws_a_question_once() -> None:
    other = dataclasses.replace(PLAIN, id="math/2", question="2 + 2?", answer="4")
    pool = Pool("math", (PLAIN, other, dataclasses.replace(PLAIN, id="math/1/2", trace="it is two"),
                         dataclasses.replace(PLAIN, id="math/3", answer="3")))  # fmt: skip
    assert [p.id for p in pool.questions] == ["math/1", "math/2", "math/3"]


@pytest.mark.parametrize(("changes", "says"), [
    ({"samples": 0}, "distillation.samples=0: must be greater than 0"),
    ({"temperature": 0.0}, "distillation.temperature=0.0: must be"),
    ({"per_prompt": 5}, "distillation.per_prompt=5: more than distillation.samples=4"),
    ({"splits": []}, "distillation.splits=[]: give some of train, validation"),
    ({"splits": ["train", "test"]}, "distillation.splits=['train', 'test']: give some of"),
    ({"splits": ["train", "train"]}, "each once"),
    ({"untraced": "maybe"}, "distillation.untraced=maybe: use keep or drop"),
    ({"output": ""}, "distillation.output: name a folder"),
    ({"filters": {"wrong": {}}}, "distillation.filters.wrong: the name stands for"),
])  # fmt: skip
def test_impossible_values_are_named(changes: dict[str, object], says: str) -> None:
    check_distillation(DistillationConfig("set"))
    with pytest.raises(ConfigError) as caught:
        check_distillation(dataclasses.replace(DistillationConfig("set"), **changes))
    assert says in str(caught.value)
