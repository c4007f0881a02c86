"""Text to token ids and back: a byte-level BPE trained on the run's own data, or a pretrained tokenizer by path.

Every digit is a token of its own. The chat template is plain: `<|user|>…<|assistant|>`, and a response ends with the
end-of-sequence token, which is part of the response, of the SFT loss and of the token budget. Nothing else in the
project tokenises: the engine gets and returns ids.
"""

import dataclasses
import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path

from transformers import AutoTokenizer, PreTrainedTokenizerFast

from ringexp.domains.pool import Pool, prompt_text
from ringexp.errors import ConfigError
from ringexp.records import Prompt

PAD, END, USER, ASSISTANT = "<|pad|>", "<|end|>", "<|user|>", "<|assistant|>"
CHAT_TEMPLATE = (
    "{% for m in messages %}{{ '<|' + m['role'] + '|>' + m['content'] }}"
    "{% if m['role'] == 'assistant' %}{{ '<|end|>' }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
)


class ChatTokenizer:
    """A Hugging Face tokenizer with a chat template, reduced to what the recipe needs."""

    def __init__(self, tokenizer: PreTrainedTokenizerFast, named: str = "model.tokenizer.path") -> None:
        if tokenizer.eos_token_id is None or tokenizer.chat_template is None:
            raise ConfigError(f"{named}: the tokenizer needs an end-of-sequence token and a chat template")
        self.hf = tokenizer
        self.eos_id = int(tokenizer.eos_token_id)

    def __len__(self) -> int:
        return len(self.hf)

    @property
    def fingerprint(self) -> str:
        """SHA-256 over vocabulary, merges and template."""
        text = self.hf.backend_tokenizer.to_str() + str(self.hf.chat_template)
        return hashlib.sha256(text.encode()).hexdigest()

    def encode_prompt(self, prompt: Prompt) -> tuple[int, ...]:
        """The prompt in the chat template, up to and including the assistant's turn marker."""
        return self._encode_prompts([prompt])[0]

    def encode_response(self, text: str) -> tuple[int, ...]:
        """A response with its end-of-sequence token."""
        return (*self._encode([text])[0], self.eos_id)

    def decode(self, token_ids: Sequence[int]) -> str:
        """The text of a response, special tokens left out."""
        return str(self.hf.decode(list(token_ids), skip_special_tokens=True, clean_up_tokenization_spaces=False))

    def decode_many(self, responses: Sequence[Sequence[int]]) -> list[str]:
        """The texts of many responses at once, as `decode` gives them."""
        texts: list[str] = self.hf.backend_tokenizer.decode_batch(list(map(list, responses)), skip_special_tokens=True)
        return texts

    def encode_pool(self, pool: Pool) -> Pool:
        """The pool with prompts and traces encoded."""
        train, validation, test = (self._encode_all(split) for split in (pool.train, pool.validation, pool.test))
        return dataclasses.replace(pool, train=train, validation=validation, test=test)

    def _encode_all(self, prompts: Sequence[Prompt]) -> tuple[Prompt, ...]:
        """Many at once: a call of the tokenizer costs more than a short text."""
        traced = [p.trace for p in prompts if p.trace is not None]
        traces = iter(self._encode(traced))
        return tuple(
            dataclasses.replace(p, token_ids=ids, trace_ids=() if p.trace is None else (*next(traces), self.eos_id))
            for p, ids in zip(prompts, self._encode_prompts(prompts), strict=True)
        )

    def _encode_prompts(self, prompts: Sequence[Prompt]) -> list[tuple[int, ...]]:
        chats = [[{"role": "user", "content": prompt_text(prompt)}] for prompt in prompts]
        return self._encode([self.hf.apply_chat_template(chat, add_generation_prompt=True, tokenize=False)
                             for chat in chats])  # fmt: skip

    def _encode(self, texts: Sequence[str]) -> list[tuple[int, ...]]:
        if not texts:
            return []
        return [tuple(ids) for ids in self.hf(list(texts), add_special_tokens=False)["input_ids"]]

    def save(self, folder: Path) -> None:
        """Write the tokenizer's files beside a model's."""
        self.hf.save_pretrained(str(folder))


def train_tokenizer(texts: Iterable[str], vocab_size: int) -> ChatTokenizer:
    """A byte-level BPE of at most `vocab_size` entries; a pure function of the texts and their order.

    Raises ConfigError when `vocab_size` cannot hold the 256 bytes and the special tokens.
    """
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    specials = [PAD, END, USER, ASSISTANT]
    if vocab_size < 256 + len(specials):
        raise ConfigError(f"model.tokenizer.vocab_size={vocab_size}: at least {256 + len(specials)} are needed")
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=specials,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    hf = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token=PAD, eos_token=END, additional_special_tokens=[USER, ASSISTANT]
    )
    hf.chat_template = CHAT_TEMPLATE
    return ChatTokenizer(hf)


def pool_texts(pools: Iterable[Pool]) -> Iterable[str]:
    """Training prompts and traces, what a tokenizer of our own is trained on."""
    for pool in pools:
        for prompt in pool.train:
            yield prompt_text(prompt)
            if prompt.trace is not None:
                yield prompt.trace


def load_tokenizer(path: str, named: str = "model.tokenizer.path") -> ChatTokenizer:
    """A pretrained tokenizer from a folder or the Hub. Raises ConfigError, which names its key, where there is none."""
    try:
        return ChatTokenizer(AutoTokenizer.from_pretrained(path), named)
    except (OSError, ValueError) as error:
        raise ConfigError(f"{named}={path}: no tokenizer there ({str(error).splitlines()[0]})") from error


def build_tokenizer(path: str | None, vocab_size: int, pools: Iterable[Pool]) -> ChatTokenizer:
    """The pretrained tokenizer at `path`, or, where that is null, one trained on the pools."""
    return load_tokenizer(path) if path else train_tokenizer(pool_texts(pools), vocab_size)
