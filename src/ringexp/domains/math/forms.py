"""Forms: what a built-in maths problem computes, its answer, and its worked solution. Wordings live in `math.wordings`.

A form with its numbers is a problem's identity: it, not the wording, decides the split.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction

from ringexp.domains.math import steps

Numbers = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Form:
    """How to compute a problem from its numbers.

    `answer` gives the gold answer, an integer or a reduced fraction "p/q". `working` gives the chain of thought in one
    of `steps.STYLES` wordings. `shown` names further values that the question mentions.
    """

    answer: Callable[[Numbers], str]
    working: Callable[[Numbers, int], str]
    shown: Callable[[Numbers], Mapping[str, int]] = lambda _: {}


def _lead(text: str, work: str, style: int) -> str:
    """The working behind its expression, in one of three leads."""
    return (f"{text}: {work}.", f"{text}: {work}.", f"To get {text}: {work}.")[style]


def _sequel(first: str, second: str, style: int) -> str:
    """Two stages of a chain of thought, in one of three wordings."""
    return (f"{first}. Then {second}.", f"First {first}. Next {second}.", f"Step 1: {first}. Step 2: {second}.")[style]


def _sum_difference(n: Numbers, style: int) -> str:
    a, b, c = n
    return _sequel(steps.add(a, b, 2 if style != 1 else 0), steps.subtract(a + b, c, 2), style)


def _product_then(n: Numbers, style: int, sign: int) -> str:
    a, b, c = n
    last = steps.add(a * b, c, 2) if sign > 0 else steps.subtract(a * b, c, 2)
    return _sequel(steps.multiply(a, b, style), last, style)


def _products_sum(n: Numbers, style: int) -> str:
    a, b, c, d = n
    products = f"{steps.multiply(a, b, 1)} so {a * b}. {steps.multiply(c, d, 1)} so {c * d}"
    return f"{products}. {_running_sum(a * b, c * d, style)}."


def _running_sum(x: int, y: int, style: int) -> str:
    return (f"{x}+{y}={x + y}", f"Sum {x}+{y}={x + y}", f"Then {x}+{y}={x + y}")[style]


def _x_plus(n: Numbers, style: int) -> str:
    x, a = n
    lead = (f"x={x + a}-{a}", f"Take {a} from both sides: x={x + a}-{a}", f"Move {a} over: x={x + a}-{a}")[style]
    return f"{lead}. {steps.subtract(x + a, a, (2, 2, 0)[style])}."


def _x_times(n: Numbers, style: int) -> str:
    x, a = n
    lead = (f"x={x * a}/{a}", f"Divide both sides by {a}: x={x * a}/{a}", f"Undo *{a}: x={x * a}/{a}")[style]
    return f"{lead}. {steps.divide(x * a, a, 1)}."


def _x_times_plus(n: Numbers, style: int) -> str:
    x, a, b = n
    left = x * a
    lead = (f"{a}x={left + b}-{b}={left}", f"Take {b} away: {a}x={left}", f"Move {b} over: {a}x={left + b}-{b}={left}")
    return f"{lead[style]}. x={left}/{a}: {steps.divide(left, a, 1)}."


def _next_term(n: Numbers, style: int) -> str:
    start, step = n
    first, second, last = start, start + step, start + 3 * step
    rule = f"{second}-{first}={step}"
    work = steps.add(last, step, 2)
    return (f"Step {rule}. {work}.", f"{rule}, so add {step}: {work}.", f"It grows by {rule}. Next: {work}.")[style]


def _nth_term(n: Numbers, style: int) -> str:
    start, step, nth = n
    jump = (nth - 1) * step
    rule = f"{start + step}-{start}={step}"
    work = f"{nth - 1}*{step}={jump}; {start}+{jump}={start + jump}"
    return (f"Step {rule}. {work}.", f"{rule}, {nth - 1} jumps: {work}.", f"It grows by {rule}. Jumps: {work}.")[style]


def _part(n: Numbers, style: int) -> str:
    top, bottom, unit = n
    share, whole = unit * bottom, unit * top
    return (
        f"{share}/{bottom}={unit}; {unit}*{top}={whole}.",
        f"One part is {share}/{bottom}={unit}. {top} parts: {unit}*{top}={whole}.",
        f"First {share}/{bottom}={unit}, then times {top}: {unit}*{top}={whole}.",
    )[style]


def _fraction_sum(n: Numbers, style: int) -> str:
    a, c, bottom = n
    top, result = a + c, Fraction(a + c, bottom)
    by = bottom // result.denominator
    raw = f"{a}+{c}={top}, so {top}/{bottom}"
    lead = (raw, f"Same bottom: {raw}", f"Add the tops: {raw}")[style]
    if by == 1:
        return f"{lead}. Nothing cancels."
    return f"{lead}. Cancel {by}: {top}/{by}={result.numerator}, {bottom}/{by}={result.denominator}."


FORMS: Mapping[str, Form] = {
    "sum": Form(lambda n: str(n[0] + n[1]), lambda n, s: _lead(f"{n[0]}+{n[1]}", steps.add(n[0], n[1], s), s)),
    "difference": Form(
        lambda n: str(n[0] - n[1]), lambda n, s: _lead(f"{n[0]}-{n[1]}", steps.subtract(n[0], n[1], s), s)
    ),
    "product": Form(lambda n: str(n[0] * n[1]), lambda n, s: _lead(f"{n[0]}*{n[1]}", steps.multiply(n[0], n[1], s), s)),
    "quotient": Form(
        lambda n: str(n[0]),
        lambda n, s: _lead(f"{n[0] * n[1]}/{n[1]}", steps.divide(n[0] * n[1], n[1], s), s),
        lambda n: {"total": n[0] * n[1]},
    ),
    "remainder": Form(
        lambda n: str(n[0] % n[1]), lambda n, s: _lead(f"{n[0]} by {n[1]}", steps.divide(n[0], n[1], s), s)
    ),
    "sum_difference": Form(lambda n: str(n[0] + n[1] - n[2]), _sum_difference),
    "product_sum": Form(lambda n: str(n[0] * n[1] + n[2]), lambda n, s: _product_then(n, s, 1)),
    "product_difference": Form(lambda n: str(n[0] * n[1] - n[2]), lambda n, s: _product_then(n, s, -1)),
    "products_sum": Form(lambda n: str(n[0] * n[1] + n[2] * n[3]), _products_sum),
    "x_plus": Form(lambda n: str(n[0]), _x_plus, lambda n: {"right": n[0] + n[1]}),
    "x_times": Form(lambda n: str(n[0]), _x_times, lambda n: {"right": n[0] * n[1]}),
    "x_times_plus": Form(lambda n: str(n[0]), _x_times_plus, lambda n: {"right": n[0] * n[1] + n[2]}),
    "next_term": Form(
        lambda n: str(n[0] + 4 * n[1]), _next_term, lambda n: {f"t{i}": n[0] + i * n[1] for i in range(4)}
    ),
    "nth_term": Form(
        lambda n: str(n[0] + (n[2] - 1) * n[1]), _nth_term, lambda n: {f"t{i}": n[0] + i * n[1] for i in range(4)}
    ),
    "part": Form(lambda n: str(n[0] * n[2]), _part, lambda n: {"total": n[1] * n[2]}),
    "fraction_sum": Form(lambda n: str(Fraction(n[0] + n[1], n[2])), _fraction_sum),
}
