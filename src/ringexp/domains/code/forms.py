"""Forms: what a built-in code problem computes, and how it is told and solved. The forms stand in `code.kinds`.

A form with its constants is a problem's identity: it, not the wording, decides the split. So no two forms, and no two
choices of constants that one form admits, may be the same function.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

ENTRY_POINT = "f"
LETTERS = "abcdefghijklmnopqrstuvwxyz"

Constant = int | str
Constants = tuple[Constant, ...]


@dataclass(frozen=True, slots=True)
class Telling:
    """One way to put a form: the function's body, and what leads to it.

    All are templates of `str.format` over the constants `a`, `b`, … and `p`, the integer before `a`. The `questions`
    are imperatives without a full stop; the `thoughts` are sentences.
    """

    body: str
    questions: tuple[str, ...]
    thoughts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Form:
    """A function of one parameter with constants: those of the ranges' product that `fits` admits.

    `parameter` tells the type of the inputs: `x` an integer, `xs` a list of integers, `s` a string, `text` words.
    The letters in `borders` name the constants where the outcome changes, those in `moduli` the divisors, those in
    `places` the counts of elements: the hidden tests lie around them. `negative` admits negative integers and
    `repeats` makes lists of few different elements, and longer strings.
    """

    name: str
    parameter: str
    ranges: tuple[Sequence[Constant], ...]
    tellings: tuple[Telling, ...]
    fits: Callable[..., bool] = lambda *_: True
    borders: str = ""
    moduli: str = ""
    places: str = ""
    negative: bool = True
    repeats: bool = False

    def __len__(self) -> int:
        """Number of candidates for the constants, those that do not fit included."""
        return prod(len(r) for r in self.ranges)

    def at(self, index: int) -> Constants:
        """The candidate of this index, 0 ≤ index < len."""
        constants = []
        for values in self.ranges:
            index, place = divmod(index, len(values))
            constants.append(values[place])
        return tuple(constants)

    def key(self, constants: Constants) -> str:
        """What a problem computes, as its split is decided by."""
        return f"{self.name}:{','.join(map(str, constants))}"

    def code(self, telling: Telling, constants: Constants) -> str:
        """The whole function in this telling."""
        body = telling.body.format(**shown(constants))
        lines = "\n".join(f"    {line}" for line in body.splitlines())
        return f"def {ENTRY_POINT}({self.parameter}):\n{lines}"


def shown(constants: Constants) -> dict[str, Constant]:
    """What templates may name: the constants as `a`, `b`, … and `p`, the integer before `a`."""
    names: dict[str, Constant] = dict(zip("abcde", constants))
    if isinstance(constants[0], int):
        names["p"] = constants[0] - 1
    return names


def function_of(code: str) -> Callable[[Any], Any]:
    """The function that the code of one of our own forms defines; it runs in this process."""
    namespace: dict[str, Any] = {}
    exec(compile(code, "<form>", "exec"), namespace)
    function: Callable[[Any], Any] = namespace[ENTRY_POINT]
    return function
