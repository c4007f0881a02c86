"""The tokenizer we train: round trips, digits, turns, determinism, files."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringexp.domains.pool import Pool, prompt_text, synthetic_pool
from ringexp.errors import ConfigError
from ringexp.models.tokenizer import (
    ASSISTANT,
    END,
    PAD,
    USER,
    ChatTokenizer,
    build_tokenizer,
    load_tokenizer,
    train_tokenizer,
)
from ringexp.records import Prompt

TEXTS = ["What is 12 + 345?", "First add the units, then the tens: 12 + 345 = 357.", "The answer is \\boxed{357}."] * 3
TRAINED = train_tokenizer(TEXTS, 300)


@given(st.text())
def test_any_text_comes_back(text: str) -> None:
    ids = TRAINED.encode_response(text)
    assert TRAINED.decode(ids) == text
    assert ids[-1] == TRAINED.eos_id
    assert TRAINED.eos_id not in ids[:-1]


@pytest.mark.parametrize("text", [" leading", "trailing \n", "a  b\t\r\n", "n ' t , . !", "é漢字🙂\u200d", "\x00\x1f"])
def test_spaces_and_odd_characters_come_back(text: str) -> None:
    assert TRAINED.decode(TRAINED.encode_response(text)) == text


@given(st.text(alphabet="0123456789 +-x=", min_size=1, max_size=30))
def test_each_digit_is_a_token_of_its_own(text: str) -> None:
    tokens = [TRAINED.decode([i]) for i in TRAINED.encode_response(text)[:-1]]
    assert [t for t in tokens if any(c.isdigit() for c in t)] == [c for c in text if c.isdigit()]


def test_no_merge_holds_a_digit() -> None:
    joined = [t for t in TRAINED.hf.get_vocab() if any(c in "0123456789" for c in t) and len(t) > 1]
    assert joined == []


def test_turns_of_the_chat_template() -> None:
    prompt = Prompt("p", "math", "What is 2 + 3?", "5", trace="It is 5.")
    ids = TRAINED.encode_prompt(prompt)
    special = {t: TRAINED.hf.convert_tokens_to_ids(t) for t in (PAD, END, USER, ASSISTANT)}
    assert (ids[0], ids[-1]) == (special[USER], special[ASSISTANT])
    assert not set(ids[1:-1]) & set(special.values())
    assert TRAINED.decode(ids) == prompt_text(prompt)
    assert "\\boxed{}" in prompt_text(prompt)
    conversation = [{"role": "user", "content": prompt_text(prompt)}, {"role": "assistant", "content": "It is 5."}]
    whole = TRAINED.hf.apply_chat_template(conversation, tokenize=False)
    assert tuple(TRAINED.hf.encode(whole, add_special_tokens=False)) == ids + TRAINED.encode_response("It is 5.")


def test_a_pool_gets_prompts_and_traces_encoded() -> None:
    rows = (Prompt("a", "math", "1 + 1?", "2", trace="It is 2."), Prompt("b", "math", "1 + 2?", "3"))
    train = TRAINED.encode_pool(Pool("math", rows)).train
    assert [p.token_ids for p in train] == [TRAINED.encode_prompt(p) for p in rows]
    assert [p.trace_ids for p in train] == [TRAINED.encode_response("It is 2."), ()]


def test_training_is_a_function_of_the_texts() -> None:
    pool = synthetic_pool("math", 40, 5, 5, 0, levels=[1])
    first, second = (build_tokenizer(None, 320, [pool]) for _ in range(2))
    assert first.fingerprint == second.fingerprint
    assert len(first) <= 320
    assert build_tokenizer(None, 310, [pool]).fingerprint != first.fingerprint
    other = synthetic_pool("math", 40, 5, 5, 1, levels=[1])
    assert build_tokenizer(None, 320, [other]).fingerprint != first.fingerprint


@pytest.mark.parametrize("size", [0, 259])
def test_a_vocabulary_that_cannot_hold_the_bytes_raises(size: int) -> None:
    with pytest.raises(ConfigError, match=f"model.tokenizer.vocab_size={size}: at least 260"):
        train_tokenizer(TEXTS, size)


def test_the_smallest_vocabulary_is_the_bytes_and_the_special_tokens() -> None:
    smallest = train_tokenizer(TEXTS, 260)
    assert len(smallest) == 260
    assert len(smallest.encode_response("é")) == 3


def test_saved_and_loaded_it_is_the_same(tmp_path: Path) -> None:
    TRAINED.save(tmp_path)
    loaded = load_tokenizer(str(tmp_path))
    assert (len(loaded), loaded.eos_id) == (len(TRAINED), TRAINED.eos_id)
    assert loaded.hf.chat_template == TRAINED.hf.chat_template
    prompt = Prompt("p", "math", "What is 12 + 345?", "357")
    assert loaded.encode_prompt(prompt) == TRAINED.encode_prompt(prompt)
    text = "  odd 12 spaces ,\n and 漢字 "
    assert loaded.encode_response(text) == TRAINED.encode_response(text)
    assert loaded.decode(loaded.encode_response(text)) == text


def test_a_tokenizer_without_a_chat_template_is_refused() -> None:
    other = train_tokenizer(TEXTS, 260).hf
    other.chat_template = None
    with pytest.raises(ConfigError, match="chat template"):
        ChatTokenizer(other)


def test_many_decode_as_each_alone() -> None:
    tokenizer = train_tokenizer(["so 12+34=46, the answer is \\boxed{46}."] * 20, 300)
    texts = ["12+3", "\\boxed{4 6}", "", "é ü — 7", "the answer  is"]
    responses = [tokenizer.encode_response(text) for text in texts]
    assert tokenizer.decode_many(responses) == [tokenizer.decode(r) for r in responses] == texts
