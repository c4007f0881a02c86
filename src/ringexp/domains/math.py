"""Procedural maths problems with teacher traces: a pure function of count, split, seed, levels and kinds.

The split of a problem is decided by a hash of what it computes (form and numbers), never by its wording, its kind or
the seed. So the splits are disjoint by construction: no rewording of a training problem is in the test split, and an
addition told as a story lies in the same split as the bare addition.
"""

import hashlib
from collections.abc import Iterator, Sequence
from random import Random

from ringexp.domains.math_forms import FORMS, Numbers
from ringexp.domains.math_kinds import LEVELS, SPACES, Space
from ringexp.domains.math_steps import STYLES
from ringexp.domains.math_wordings import NAMES, THINGS, WORDINGS
from ringexp.errors import ConfigError
from ringexp.records import Prompt
from ringexp.seeds import generator

SPLITS = ("train", "validation", "test")
ENDINGS = ("So the answer is \\boxed{%s}.", "The answer is \\boxed{%s}.", "So we get \\boxed{%s}.")
_TRAIN_PERCENT, _VALIDATION_PERCENT = 80, 8


def split_of(form: str, numbers: Numbers) -> str:
    """The split that a problem belongs to: 80 % train, 8 % validation, 12 % test, by a hash of what it computes."""
    text = f"{form}:{','.join(map(str, numbers))}"
    percent = int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big") % 100
    if percent < _TRAIN_PERCENT:
        return "train"
    return "validation" if percent < _TRAIN_PERCENT + _VALIDATION_PERCENT else "test"


def generate(
    count: int, split: str, seed: int, levels: Sequence[int] = LEVELS, kinds: Sequence[str] | None = None
) -> list[Prompt]:
    """`count` different problems of one split with worked traces, kinds and levels in turn.

    A shorter list is a prefix of a longer one with the same other arguments. `kinds` defaults to all.

    Raises:
        ConfigError: an unknown split, level or kind, or fewer problems than asked for.
    """
    names = list(SPACES) if kinds is None else list(kinds)
    _check(count, split, levels, names)
    cells = {(k, v): _cell(k, v, split, seed) for k in names for v in levels}
    prompts: list[Prompt] = []
    for i in range(count):
        kind, level = names[i % len(names)], levels[i // len(names) % len(levels)]
        drawn = next(cells[kind, level], None)
        if drawn is None:
            have = sum(p.kind == kind and p.level == level for p in prompts)
            raise ConfigError(
                f"math: kind {kind!r} level {level} has only {have} problems in split {split!r}, too few for "
                f"{count} over {len(names)} kinds × {len(levels)} levels: ask for fewer, or add levels or kinds"
            )
        prompts.append(_prompt(kind, level, *drawn, generator(seed, "math/wording", split, i)))
    return prompts


def _check(count: int, split: str, levels: Sequence[int], kinds: Sequence[str]) -> None:
    """Refuse arguments that name nothing."""
    if count < 0:
        raise ConfigError(f"math: cannot generate {count} problems: ask for 0 or more")
    if split not in SPLITS:
        raise ConfigError(f"math: unknown split {split!r}: use one of {', '.join(SPLITS)}")
    for label, values, known in (("level", levels, LEVELS), ("kind", kinds, tuple(SPACES))):
        if not values:
            raise ConfigError(f"math: no {label} given: use some of {', '.join(map(str, known))}")
        if len(set(values)) < len(values):
            raise ConfigError(f"math: a {label} is named twice in {list(values)}: name each once")
        for value in values:
            if value not in known:
                raise ConfigError(f"math: unknown {label} {value!r}: use some of {', '.join(map(str, known))}")


def _cell(kind: str, level: int, split: str, seed: int) -> Iterator[tuple[str, Numbers]]:
    """The problems of one kind and level in one split, each once, in an order that the seed decides."""
    spaces = SPACES[kind][level]
    for index in _shuffled(sum(map(len, spaces)), generator(seed, "math/problem", kind, level, split)):
        space, place = _locate(spaces, index)
        numbers = space.at(place)
        if space.fits(numbers) and split_of(space.form, numbers) == split:
            yield space.form, numbers


def _shuffled(size: int, random: Random) -> Iterator[int]:
    """0 … size-1 in random order, drawn as they are asked for (Fisher-Yates over a sparse array)."""
    moved: dict[int, int] = {}
    for i in range(size):
        j = random.randrange(i, size)
        yield moved.get(j, j)
        moved[j] = moved.pop(i, i)


def _locate(spaces: Sequence[Space], index: int) -> tuple[Space, int]:
    """The space that an index over all of them falls into, and the place in it."""
    for space in spaces:
        if index < len(space):
            return space, index
        index -= len(space)
    raise IndexError(index)


def _prompt(kind: str, level: int, form: str, numbers: Numbers, random: Random) -> Prompt:
    """The problem in one of its wordings, with a worked trace in one of its styles."""
    how = FORMS[form]
    answer = how.answer(numbers)
    words = {"name": random.choice(NAMES), "thing": random.choice(THINGS)}
    question = random.choice(WORDINGS[kind][form]).format(**dict(zip("abcd", numbers)), **how.shown(numbers), **words)
    return Prompt(
        id=f"math/{kind}/{form}/{'-'.join(map(str, numbers))}",
        domain="math",
        question=question,
        answer=answer,
        kind=kind,
        level=level,
        trace=f"{how.working(numbers, random.randrange(STYLES))} {random.choice(ENDINGS) % answer}",
    )
