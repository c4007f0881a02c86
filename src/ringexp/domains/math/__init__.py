"""Procedural maths problems with teacher traces: a pure function of count, split, seed, levels and kinds.

The split of a problem is decided by a hash of what it computes (form and numbers), never by its wording, its kind or
the seed. So the splits are disjoint by construction: no rewording of a training problem is in the test split, and an
addition told as a story lies in the same split as the bare addition.
"""

from collections.abc import Iterator, Sequence
from random import Random

from ringexp.domains.math.forms import FORMS, Numbers
from ringexp.domains.math.kinds import LEVELS, SPACES, Space
from ringexp.domains.math.steps import STYLES
from ringexp.domains.math.wordings import NAMES, THINGS, WORDINGS
from ringexp.domains.procedural import check_arguments, in_turn, shuffled, split_of
from ringexp.records import Prompt
from ringexp.seeds import generator

ENDINGS = ("So the answer is \\boxed{%s}.", "The answer is \\boxed{%s}.", "So we get \\boxed{%s}.")

Problem = tuple[str, Numbers]


def generate(
    count: int, split: str, seed: int, levels: Sequence[int] = LEVELS, kinds: Sequence[str] | None = None
) -> list[Prompt]:
    """`count` different problems of one split with worked traces, kinds and levels in turn.

    A shorter list is a prefix of a longer one with the same other arguments. `kinds` defaults to all.

    Raises:
        ConfigError: an unknown split, level or kind, or fewer problems than asked for.
    """
    names = list(SPACES) if kinds is None else list(kinds)
    check_arguments("math", count, split, levels, names, LEVELS, tuple(SPACES))
    return in_turn("math", _cell, _prompt, count, split, seed, levels, names)


def _what(form: str, numbers: Numbers) -> str:
    """What a problem computes, as its split is decided by."""
    return f"{form}:{','.join(map(str, numbers))}"


def _cell(kind: str, level: int, split: str, seed: int) -> Iterator[Problem]:
    """The problems of one kind and level in one split, each once, in an order that the seed decides."""
    spaces = SPACES[kind][level]
    for index in shuffled(sum(map(len, spaces)), generator(seed, "math/problem", kind, level, split)):
        space, place = _locate(spaces, index)
        numbers = space.at(place)
        if space.fits(numbers) and split_of(_what(space.form, numbers)) == split:
            yield space.form, numbers


def _locate(spaces: Sequence[Space], index: int) -> tuple[Space, int]:
    """The space that an index over all of them falls into, and the place in it."""
    for space in spaces:
        if index < len(space):
            return space, index
        index -= len(space)
    raise IndexError(index)


def _prompt(kind: str, level: int, problem: Problem, random: Random) -> Prompt:
    """The problem in one of its wordings, with a worked trace in one of its styles."""
    form, numbers = problem
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
