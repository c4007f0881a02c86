"""A domain's pool of prompts with its three splits, its fingerprint, and the text that asks for an answer."""

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from ringexp.domains import code, math, science
from ringexp.errors import ConfigError
from ringexp.records import Prompt

_BOXED = "Please reason step by step, and put your final answer within \\boxed{}."

SUFFIX: Mapping[str, str] = {"math": _BOXED, "science": _BOXED}
"""What is appended to a domain's questions (paper section on rewards); a domain that is not named gets nothing."""

Generator = Callable[..., list[Prompt]]

GENERATORS: Mapping[str, Generator] = {"math": math.generate, "code": code.generate, "science": science.generate}
"""Built-in problems by domain: `(count, split, seed, **options) -> list[Prompt]`."""


@dataclass(frozen=True)
class Pool:
    """One domain's prompts. The splits share no problem; who builds a pool answers for that.

    `origin` says where the rows come from (file, or dataset and commit), for the record alone.
    """

    domain: str
    train: tuple[Prompt, ...]
    validation: tuple[Prompt, ...] = ()
    test: tuple[Prompt, ...] = ()
    origin: Mapping[str, Any] = field(default_factory=dict, compare=False)

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 (hex) of the content of all rows in order; encodings by a tokenizer are left out."""
        digest = hashlib.sha256(f"{self.domain}\n".encode())
        for split, prompts in (("train", self.train), ("validation", self.validation), ("test", self.test)):
            for line in _canonical(split, prompts):
                digest.update(line.encode())
        return digest.hexdigest()

    @cached_property
    def questions(self) -> tuple[Prompt, ...]:
        """The distinct training prompts, from which RL draws: one with several traces counts once there."""
        return each_once(self.train)


def each_once(prompts: Iterable[Prompt]) -> tuple[Prompt, ...]:
    """The prompts without those that repeat an earlier one but for the trace: question and answer are equal."""
    first: dict[tuple[str, str], Prompt] = {}
    for prompt in prompts:
        first.setdefault((prompt.question, prompt.answer), prompt)
    return tuple(first.values())


def _canonical(split: str, prompts: Iterable[Prompt]) -> Iterable[str]:
    """One JSON line per row, keys and separators fixed."""
    for p in prompts:
        row = [split, p.id, p.domain, p.question, p.answer, p.kind, p.level, p.trace]
        yield json.dumps(row, ensure_ascii=True, separators=(",", ":")) + "\n"


def prompt_text(prompt: Prompt) -> str:
    """The question with its domain's suffix, as the policy is asked it (chat template not included)."""
    suffix = SUFFIX.get(prompt.domain, "")
    return f"{prompt.question} {suffix}" if suffix else prompt.question


def synthetic_pool(domain: str, train: int, validation: int, test: int, seed: int, **options: Any) -> Pool:
    """A pool of built-in problems; `options` go to the domain's generator (`levels`, `kinds`).

    Raises:
        ConfigError: no generator for the domain, or one that cannot give that many problems.
    """
    if domain not in GENERATORS:
        raise ConfigError(
            f"no built-in problems for domain {domain!r}: use one of {', '.join(sorted(GENERATORS))}, or public data"
        )
    generate = GENERATORS[domain]
    counts = {"train": train, "validation": validation, "test": test}
    rows = {split: tuple(generate(count, split, seed, **options)) for split, count in counts.items()}
    return Pool(domain, rows["train"], rows["validation"], rows["test"])
