"""What the built-in domains share: splits by a hash of what a problem asks, kinds and levels in turn, checks.

A domain brings its cells (the problems of one kind and level, each once) and its wording. The split of a problem is
decided by a hash of what it computes, never by its wording, its kind or the seed, so the splits are disjoint by
construction.
"""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from random import Random
from typing import TypeVar

from ringexp.errors import ConfigError
from ringexp.records import Prompt
from ringexp.seeds import generator

SPLITS = ("train", "validation", "test")
_TRAIN_PERCENT, _VALIDATION_PERCENT = 80, 8

Problem = TypeVar("Problem")
Cell = Callable[[str, int, str, int], Iterator[Problem]]
"""`(kind, level, split, seed)` → the problems of that kind and level in that split, each once, in a seeded order."""
Wording = Callable[[str, int, Problem, Random], Prompt]
"""`(kind, level, problem, random)` → the prompt, worded and with its trace."""


def split_of(what: str) -> str:
    """The split of a problem: 80 % train, 8 % validation, 12 % test, by a hash of `what` it computes."""
    percent = int.from_bytes(hashlib.blake2b(what.encode(), digest_size=8).digest(), "big") % 100
    if percent < _TRAIN_PERCENT:
        return "train"
    return "validation" if percent < _TRAIN_PERCENT + _VALIDATION_PERCENT else "test"


def shuffled(size: int, random: Random) -> Iterator[int]:
    """0 … size-1 in random order, drawn as they are asked for (Fisher-Yates over a sparse array)."""
    moved: dict[int, int] = {}
    for i in range(size):
        j = random.randrange(i, size)
        yield moved.get(j, j)
        moved[j] = moved.pop(i, i)


def in_turn(
    domain: str, cell: Cell[Problem], wording: Wording[Problem], count: int, split: str, seed: int,
    levels: Sequence[int], kinds: Sequence[str],
) -> list[Prompt]:
    """`count` different problems of one split, kinds and levels in turn; a shorter list is a prefix of a longer one.

    Raises ConfigError where a cell has too few problems.
    """
    cells = {(k, v): cell(k, v, split, seed) for k in kinds for v in levels}
    prompts: list[Prompt] = []
    for i in range(count):
        kind, level = kinds[i % len(kinds)], levels[i // len(kinds) % len(levels)]
        drawn = next(cells[kind, level], None)
        if drawn is None:
            have = sum(p.kind == kind and p.level == level for p in prompts)
            raise ConfigError(
                f"{domain}: kind {kind!r} level {level} has only {have} problems in split {split!r}, too few for "
                f"{count} over {len(kinds)} kinds × {len(levels)} levels: ask for fewer, or add levels or kinds"
            )
        prompts.append(wording(kind, level, drawn, generator(seed, f"{domain}/wording", split, i)))
    return prompts


def check_arguments(
    domain: str, count: int, split: str, levels: Sequence[int], kinds: Sequence[str],
    known_levels: Sequence[int], known_kinds: Sequence[str],
) -> None:
    """Raise ConfigError for arguments that name nothing."""
    if count < 0:
        raise ConfigError(f"{domain}: cannot generate {count} problems: ask for 0 or more")
    if split not in SPLITS:
        raise ConfigError(f"{domain}: unknown split {split!r}: use one of {', '.join(SPLITS)}")
    for label, values, known in (("level", levels, known_levels), ("kind", kinds, known_kinds)):
        if not values:
            raise ConfigError(f"{domain}: no {label} given: use some of {', '.join(map(str, known))}")
        if len(set(values)) < len(values):
            raise ConfigError(f"{domain}: a {label} is named twice in {list(values)}: name each once")
        for value in values:
            if value not in known:
                raise ConfigError(f"{domain}: unknown {label} {value!r}: use some of {', '.join(map(str, known))}")
