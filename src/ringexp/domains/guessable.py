"""Prompts whose answer can be guessed: multiple choice, yes or no. For evaluation; training would reward the guess."""

import re
from collections.abc import Mapping

from ringexp.domains.pool import Pool
from ringexp.errors import ConfigError, DataError
from ringexp.records import CHOICE, Prompt

_LETTER = re.compile(r"[A-Z]")
_DECORATION = re.compile(r"\\(?:boxed|text|mathrm|textbf|mathbf)\s*\{([^{}]*)\}")
_TWO_VALUED = {"yes", "no", "true", "false"}


def guessable(prompt: Prompt) -> bool:
    """Whether a guess is right often: the answer is one of a few that can be named without reading the question."""
    if prompt.kind == CHOICE:
        return True
    text = prompt.answer if prompt.domain != "code" else ""
    for _ in range(2):
        text = _DECORATION.sub(r"\1", text)
    return text.strip(" $.\t\n").casefold() in _TWO_VALUED


def check_answers(pools: Mapping[str, Pool], allowed: bool) -> None:
    """Look at the pools' answers before anything is trained.

    Raises:
        ConfigError: a training split holds guessable prompts, unless `allowed`.
        DataError: the answer of a multiple-choice prompt is not a letter.
    """
    for domain, pool in pools.items():
        for prompt in (*pool.train, *pool.validation, *pool.test):
            if prompt.kind == CHOICE and not _LETTER.fullmatch(prompt.answer):
                raise DataError(
                    f"data.pools.{domain}: the answer of a prompt of kind {CHOICE!r} has to be the letter of its "
                    f"option, A to Z, not {_short(prompt.answer)}: {_short(prompt.question)}"
                )
        found = [] if allowed else [prompt for prompt in pool.train if guessable(prompt)]
        if found:
            raise ConfigError(
                f"data.pools.{domain}: {len(found)} of {len(pool.train)} training prompts can be guessed, e.g. "
                f"{_short(found[0].question)} with the answer {found[0].answer!r}; give them split: test, leave them "
                "out, or set data.guessable=true to train on them all the same"
            )


def _short(text: str) -> str:
    return repr(text if len(text) <= 60 else text[:57] + "...")
