"""The inputs of built-in code problems: hidden tests around the borders of a form, and examples for its question."""

from collections.abc import Callable
from random import Random

from ringexp.domains.code.forms import LETTERS, Constants, Form

Input = int | list[int] | str

MOST = 10
"""No problem has more hidden tests."""
_LOW, _HIGH, _TRIES = -30, 99, 8


def hidden_inputs(form: Form, constants: Constants, random: Random) -> list[Input]:
    """6 to 10 different inputs: edge cases first (empty, 0, borders and their neighbours), then random ones."""
    draw = {"x": _integers, "xs": _lists, "s": _strings, "text": _texts}[form.parameter]
    inputs: list[Input] = []
    for value in draw(form, constants, random):
        if value not in inputs:
            inputs.append(value)
    return inputs[:MOST]


def example_inputs(
    form: Form, constants: Constants, random: Random, taken: list[Input], function: Callable[[Input], object]
) -> list[Input]:
    """One or two short inputs that are not among those taken; one for lists and texts.

    An input whose outcome is empty or the input itself says little: others are tried before it is taken.
    """
    wanted = random.choice((1, 2, 2)) if form.parameter in ("x", "s") else 1
    inputs: list[Input] = []
    tries = 0
    while len(inputs) < wanted:
        value = _example(form, constants, random)
        tries += 1
        if value not in taken and value not in inputs and (tries > _TRIES or function(value) not in ([], "", value)):
            inputs.append(value)
    return inputs


def _named(constants: Constants, letters: str) -> list[int]:
    """The integers among the constants that these letters name."""
    chosen = (constants["abcde".index(letter)] for letter in letters)
    return [c for c in chosen if isinstance(c, int)]


def _near(form: Form, constants: Constants) -> list[int]:
    """The borders with their neighbours."""
    return [c + shift for c in _named(constants, form.borders) for shift in (-1, 0, 1)]


def _special(form: Form, constants: Constants, random: Random) -> list[int]:
    """The borders with their neighbours, then multiples of each divisor, a neighbour and other remainders."""
    values, top = _near(form, constants), max(_named(constants, form.borders), default=0)
    moduli = _named(constants, form.moduli)
    for m in moduli:
        multiple = m * (top // m + random.randrange(1, 6))
        values += [multiple, multiple - 1, m * (top // m + random.randrange(6, 12))]
    for m in moduli:
        values.append(m * random.randrange(1, 6) + random.randrange(m))
        values += [m * random.randrange(1, 6) + c for c in constants if isinstance(c, int) and c < m]
    return values


def _integers(form: Form, constants: Constants, random: Random) -> list[Input]:
    values: list[Input] = [*_special(form, constants, random)[:7], 0, random.randrange(100, 1000)]
    if form.negative:
        values += [-random.randrange(1, 10), -random.randrange(10, 61)]
    values += [1, random.randrange(2, 21), random.randrange(21, 100), random.randrange(200, 2000), 10, 234, 567, 189]
    return values


def _lists(form: Form, constants: Constants, random: Random) -> list[Input]:
    special = _special(form, constants, random)
    low = _LOW if form.negative else 0
    pool = [*special, *(random.randrange(low, _HIGH) for _ in range(max(6, len(special))))]

    def some(size: int) -> list[int]:
        if form.repeats:
            return random.choices(random.sample(pool, random.choice((2, 3, 6))), k=size)
        return [random.choice(pool) if random.random() < 0.5 else random.randrange(low, _HIGH) for _ in range(size)]

    everything = random.sample(special, len(special)) + some(2)
    values: list[Input] = [[], everything, some(1)]
    if form.borders:
        values.append(sorted(special))
    for place in _named(constants, form.places):
        values += [some(place + shift) for shift in (1, 0, -1, 3)]
    again = some(3)
    values += [[*again, 0, *again], *(some(size) for size in (5, 8, 6, 12, 7, 9, 10, 4))]
    return values


def _alphabet(constants: Constants, random: Random) -> list[str]:
    """The letters among the constants and two others, so that strings repeat letters and hold the constants."""
    letters = [c for c in constants if isinstance(c, str)]
    return letters + random.sample([c for c in LETTERS if c not in letters], 2)


def _strings(form: Form, constants: Constants, random: Random) -> list[Input]:
    letters = _alphabet(constants, random)
    sizes = (7, 10, 13) if form.repeats else (4, 6, 9)
    values: list[Input] = ["", "".join(letters), letters[-1], "xyz"]
    for _ in range(2):
        values += ["".join(random.choices(_alphabet(constants, random), k=k)) for k in sizes]
    return [*values, "".join(random.sample(LETTERS, 7)), letters[0] * 2]


def _words(sizes: list[int], random: Random) -> str:
    return " ".join("".join(random.choices(LETTERS, k=size)) for size in sizes)


def _texts(form: Form, constants: Constants, random: Random) -> list[Input]:
    sizes = [c + shift for c in _named(constants, form.places) for shift in (-1, 0, 1, 2)]
    values: list[Input] = ["", _words(random.sample(sizes, len(sizes)), random)]
    for count in (1, 2, 3, 4, 5, 6):
        values.append(_words([max(1, random.choice(sizes)) for _ in range(count)], random))
    return values


def _example(form: Form, constants: Constants, random: Random) -> Input:
    """One short input, near the borders where there are any."""
    borders, places = _named(constants, form.borders), _named(constants, form.places)
    if form.parameter == "x":
        high = 10 * max(_named(constants, form.moduli), default=3)
        return max(0, random.choice(borders) + random.randrange(-9, 10)) if borders else random.randrange(2, high)
    if form.parameter == "xs":
        few = _near(form, constants) or range(1, 5) if form.repeats else range(10)
        if places or form.repeats:
            return [random.choice(few) for _ in range(max(places, default=4) + random.randrange(1, 3))]
        special = _special(form, constants, random)
        return [max(0, random.choice(special)) if special and random.random() < 0.5 else random.randrange(_HIGH)
                for _ in range(random.randrange(3, 5))]  # fmt: skip
    if form.parameter == "s":
        return "".join(random.choices(_alphabet(constants, random), k=random.randrange(3, 6) + 4 * form.repeats))
    return _words([max(1, places[0] + random.randrange(-1, 3)) for _ in range(3)], random)
