"""Procedural physics, chemistry and unit problems with teacher traces: a pure function, as the maths domain's is.

An answer is a number with its unit, such as "270 m". At level 3 it is rounded to three or four significant digits, and
the gold answer says how far off it may be ("12.5 m ± 0.1"); the trace boxes it without. The split of a problem is
decided by a hash of what it computes, in the maths domain's terms: the product 45*6 lies in the same split as a
distance, as a force and as a bare multiplication.
"""

from collections.abc import Iterator, Sequence
from functools import partial
from random import Random

from ringexp.domains.math import ENDINGS
from ringexp.domains.math.forms import Numbers
from ringexp.domains.math.kinds import Space
from ringexp.domains.math.steps import STYLES
from ringexp.domains.procedural import check_arguments, in_turn, shuffled, split_of
from ringexp.domains.science.kinds import LEVELS, SPACES
from ringexp.domains.science.laws import LAWS
from ringexp.domains.science.wordings import ROUNDING, WORDINGS
from ringexp.errors import ConfigError
from ringexp.records import Prompt
from ringexp.seeds import generator

Problem = tuple[str, Numbers]


def generate(
    count: int, split: str, seed: int, levels: Sequence[int] = LEVELS, kinds: Sequence[str] | None = None,
    laws: Sequence[str] | None = None,
) -> list[Prompt]:
    """`count` different problems of one split with worked traces, kinds and levels in turn.

    A shorter list is a prefix of a longer one with the same other arguments. `kinds` and `laws` (their laws, named in
    `kinds.SPACES`) default to all.

    Raises:
        ConfigError: an unknown split, level, kind or law, or fewer problems than asked for.
    """
    names = list(SPACES) if kinds is None else list(kinds)
    check_arguments("science", count, split, levels, names, LEVELS, tuple(SPACES))
    unknown = sorted(set(laws or ()) - set(LAWS))
    if unknown:
        raise ConfigError(f"science: unknown law {unknown[0]!r}: use some of {', '.join(LAWS)}")
    cell = partial(_cell, None if laws is None else frozenset(laws))
    return in_turn("science", cell, _prompt, count, split, seed, levels, names)


def _cell(only: frozenset[str] | None, kind: str, level: int, split: str, seed: int) -> Iterator[Problem]:
    """The problems of one kind and level in one split, its laws in turn, in an order that the seed decides."""
    spaces = [space for space in SPACES[kind][level] if only is None or space.form in only]
    laws = [_problems(space, kind, level, split, seed) for space in spaces]
    while laws:
        drawn = [(law, next(law, None)) for law in laws]
        yield from (problem for _, problem in drawn if problem is not None)
        laws = [law for law, problem in drawn if problem is not None]


def _problems(space: Space, kind: str, level: int, split: str, seed: int) -> Iterator[Problem]:
    """The problems of one law in one split, each once, in an order that the seed decides."""
    law = LAWS[space.form]
    for index in shuffled(len(space), generator(seed, "science/problem", kind, level, space.form, split)):
        numbers = space.at(index)
        if space.fits(numbers) and split_of(law.computes(numbers)) == split:
            yield space.form, numbers


def _prompt(kind: str, level: int, problem: Problem, random: Random) -> Prompt:
    """The problem in one of its wordings, with a worked trace in one of its styles."""
    name, numbers = problem
    law = LAWS[name]
    question = random.choice(WORDINGS[kind][name]).format(**law.shown(numbers))
    return Prompt(
        id=f"science/{kind}/{name}/{'-'.join(map(str, numbers))}",
        domain="science",
        question=f"{question} {ROUNDING.format(law.digits)}" if law.digits else question,
        answer=law.gold(numbers),
        kind=kind,
        level=level,
        trace=f"{law.working(numbers, random.randrange(STYLES))} {random.choice(ENDINGS) % law.answer(numbers)}",
    )
