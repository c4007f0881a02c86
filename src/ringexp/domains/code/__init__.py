"""Procedural code problems with hidden tests and teacher traces: a pure function of its arguments.

A problem describes a Python function `f` and shows examples. The split of a problem is decided by a hash of what the
function computes (form and constants), never by its wording, its kind or the seed, so the splits are disjoint by
construction. The hidden tests follow from the same two alone: a problem has the same tests whatever its wording.
"""

from collections.abc import Iterator, Sequence
from random import Random

from ringexp.code_tests import FunctionTests
from ringexp.domains.code.forms import ENTRY_POINT, Constants, Form, function_of, shown
from ringexp.domains.code.kinds import FORMS, LEVELS
from ringexp.domains.code.probes import Input, example_inputs, hidden_inputs
from ringexp.domains.procedural import check_arguments, in_turn, shuffled, split_of
from ringexp.records import Prompt
from ringexp.seeds import generator

FRAMES = (
    "Write {call}: {what}. {examples}",
    "Define {call}: {what}. {examples}",
    "Code {call}: {what}. Say {examples}",
)

_EXAMPLES_WITHIN = 60
"""Characters; a second example that takes both beyond is left out."""

Problem = tuple[Form, Constants]


def generate(
    count: int, split: str, seed: int, levels: Sequence[int] = LEVELS, kinds: Sequence[str] | None = None
) -> list[Prompt]:
    """`count` different problems of one split with hidden tests and traces, kinds and levels in turn.

    A prompt's `answer` is the JSON of `FunctionTests`; its `trace` is a thought and the function in a fenced block. A
    shorter list is a prefix of a longer one with the same other arguments. `kinds` defaults to all.

    Raises:
        ConfigError: an unknown split, level or kind, or fewer problems than asked for.
    """
    names = list(FORMS) if kinds is None else list(kinds)
    check_arguments("code", count, split, levels, names, LEVELS, tuple(FORMS))
    return in_turn("code", _cell, _prompt, count, split, seed, levels, names)


def _cell(kind: str, level: int, split: str, seed: int) -> Iterator[Problem]:
    """The problems of one kind and level in one split, each once: its forms in turn until all are used up."""
    streams = [_problems(form, split, seed) for form in FORMS[kind][level]]
    while streams:
        for stream in list(streams):
            drawn = next(stream, None)
            if drawn is None:
                streams.remove(stream)
            else:
                yield drawn


def _problems(form: Form, split: str, seed: int) -> Iterator[Problem]:
    """The problems of one form in one split, each once, in an order that the seed decides."""
    for index in shuffled(len(form), generator(seed, "code/problem", form.name, split)):
        constants = form.at(index)
        if form.fits(*constants) and split_of(form.key(constants)) == split:
            yield form, constants


def _prompt(kind: str, level: int, problem: Problem, random: Random) -> Prompt:
    """The problem in one of its wordings, with its hidden tests and a trace."""
    form, constants = problem
    telling = random.choice(form.tellings)
    code = form.code(telling, constants)
    f = function_of(code)
    hidden = hidden_inputs(form, constants, generator(0, "code/tests", form.key(constants)))
    examples = [
        f"{ENTRY_POINT}({_compact(x)})={_compact(f(x))}" for x in example_inputs(form, constants, random, hidden, f)
    ]
    if sum(map(len, examples)) > _EXAMPLES_WITHIN:
        del examples[1:]
    question = random.choice(FRAMES).format(
        call=f"{ENTRY_POINT}({form.parameter})",
        what=random.choice(telling.questions).format(**shown(constants)),
        examples=", ".join(examples),
    )
    return Prompt(
        id=f"code/{kind}/{form.name}/{'-'.join(map(str, constants))}",
        domain="code",
        question=question,
        answer=_answer([(x, f(x)) for x in hidden]),
        kind=kind,
        level=level,
        trace=f"{random.choice(telling.thoughts).format(**shown(constants))}\n```python\n{code}\n```",
    )


def _compact(value: object) -> str:
    """A value as Python writes it; lists and dictionaries without their spaces."""
    return repr(value) if isinstance(value, str) else repr(value).replace(" ", "")


def _answer(cases: Sequence[tuple[Input, object]]) -> str:
    """The hidden tests as the sandbox takes them."""
    asserts = "".join(f"    assert candidate({x!r}) == {y!r}\n" for x, y in cases)
    return FunctionTests(ENTRY_POINT, setup="", test=f"def check(candidate):\n{asserts}").to_json()
