"""Forms: how a built-in science problem is computed from its numbers, and its worked solution in the maths steps.

A form knows no law of nature: `science.laws` gives it a formula and a unit, `science.wordings` a question. What a form
computes decides the split of a problem, under the same names as the maths domain's forms: 45 m/s for 6 s lies in the
split of 45*6, whoever asks for it. Numbers are integers; a number with `places` is shown with so many decimals.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction

from ringexp.domains.math import steps
from ringexp.domains.math.forms import Numbers
from ringexp.domains.science.numbers import places_for, rounded, shifted, written
from ringexp.domains.science.steps import bare, lead, multiplied, sequel


@dataclass(frozen=True, slots=True)
class Law:
    """How to compute a problem from its numbers.

    `computes` is what decides the split. `value` is the exact result in `unit`; the answer has `digits` significant
    digits of it, give or take one in the last, or all of them (0). `working` gives the chain of thought in one of
    `math.steps.STYLES` wordings, and `shown` the texts that stand for {a}, {b} … in a question.
    """

    unit: str
    computes: Callable[[Numbers], str]
    value: Callable[[Numbers], Fraction]
    working: Callable[[Numbers, int], str]
    shown: Callable[[Numbers], Mapping[str, str]]
    digits: int = 0

    def answer(self, numbers: Numbers) -> str:
        """The answer as it is boxed: the number, a space and the unit, if there is one."""
        value = self.value(numbers)
        number = written(rounded(value, self.digits) if self.digits else value)
        return f"{number} {self.unit}" if self.unit else number

    def gold(self, numbers: Numbers) -> str:
        """The gold answer: the answer, and where it is rounded the tolerance, as in "12.5 m ± 0.1"."""
        if not self.digits:
            return self.answer(numbers)
        return f"{self.answer(numbers)} ± {shifted(1, -places_for(self.value(numbers), self.digits))}"


def letters(*texts: str) -> dict[str, str]:
    """The texts that stand for {a}, {b} … in a question."""
    return dict(zip("abcd", texts))


def commuting(form: str, *numbers: int) -> str:
    """What a form computes whose numbers may change places, as the maths domain writes it."""
    return f"{form}:{','.join(map(str, sorted(numbers, reverse=True)))}"


def product(formula: str, unit: str, places: tuple[int, int] = (0, 0), tens: int = 0) -> Law:
    """a*b, or a*b*10^tens where the formula ends in a factor that is a power of ten; a has two digits or more."""
    power = tens - sum(places)

    def working(n: Numbers, style: int) -> str:
        a, b = n
        shown = f"{formula}={shifted(a, -places[0])}*{shifted(b, -places[1])}{f'*{10**tens}' if tens else ''}"
        if not power and not any(places):
            return lead(shown, steps.multiply(a, b, style), style)
        plain = "" if not any(places) else f" {a}*{b}:"
        done = shifted(a * b, power)
        last = f"{a * b}*{10**power}={done}" if power > 0 else f"{a * b}/{10**-power}={done}"
        return f"{shown}{'.' if plain else ':'}{plain} {steps.multiply(a, b, style)}; {last}."

    return Law(
        unit,
        lambda n: commuting("product", *n),
        lambda n: n[0] * n[1] * Fraction(10) ** power,
        working,
        lambda n: letters(shifted(n[0], -places[0]), shifted(n[1], -places[1])),
    )


def quotient(formula: str, unit: str) -> Law:
    """(a*b)/b for a digit b; the question shows the total a*b and b."""
    return Law(
        unit,
        lambda n: f"quotient:{n[0]},{n[1]}",
        lambda n: Fraction(n[0]),
        lambda n, s: lead(f"{formula}={n[0] * n[1]}/{n[1]}", steps.divide(n[0] * n[1], n[1], s), s),
        lambda n: letters(str(n[0] * n[1]), str(n[1])),
    )


def times(large: str, unit: str, factor: int, places: int = 0) -> Law:
    """a*factor: a conversion to a smaller unit."""
    fact = f"1 {large}={factor} {unit}"

    def working(n: Numbers, style: int) -> str:
        begin, work = (fact, fact, f"With {fact}")[style], multiplied(n[0], factor, style)
        if not places:
            return f"{begin}: {work}."
        done = shifted(n[0] * factor, -places)
        return f"{begin}: {shifted(n[0], -places)}*{factor}. {work}; {n[0] * factor}/{10**places}={done}."

    return Law(
        unit,
        lambda n: commuting("product", n[0], factor),
        lambda n: Fraction(n[0] * factor, 10**places),
        working,
        lambda n: letters(shifted(n[0], -places)),
    )


def over(small: str, unit: str, divisor: int) -> Law:
    """(a*divisor)/divisor for a divisor that ends in zeros: to a larger unit; the question shows a*divisor."""
    fact = f"{divisor} {small}=1 {unit}"
    digit = bare(divisor)
    power = divisor // digit

    def working(n: Numbers, style: int) -> str:
        above = n[0] * divisor
        work = f"{above}/{power}={above // power}"
        if digit > 1:
            work += f"; {steps.divide(above // power, digit, style)}"
        return f"{(fact, fact, f'With {fact}')[style]}: {work}."

    return Law(
        unit,
        lambda n: f"quotient:{n[0]},{divisor}",
        lambda n: Fraction(n[0]),
        working,
        lambda n: letters(str(n[0] * divisor)),
    )


def total(formula: str, unit: str, constant: int | None = None) -> Law:
    """a+b, or a+constant."""

    def terms(n: Numbers) -> tuple[int, int]:
        return (n[0], n[1] if constant is None else constant)

    return Law(
        unit,
        lambda n: commuting("sum", *terms(n)),
        lambda n: Fraction(sum(terms(n))),
        lambda n, s: lead(f"{formula}={terms(n)[0]}+{terms(n)[1]}", steps.add(*terms(n), s), s),
        lambda n: letters(*map(str, n)),
    )


def difference(formula: str, unit: str, constant: int | None = None) -> Law:
    """a-b, or a-constant, where that is positive."""

    def terms(n: Numbers) -> tuple[int, int]:
        return (n[0], n[1] if constant is None else constant)

    return Law(
        unit,
        lambda n: f"difference:{terms(n)[0]},{terms(n)[1]}",
        lambda n: Fraction(terms(n)[0] - terms(n)[1]),
        lambda n, s: lead(f"{formula}={terms(n)[0]}-{terms(n)[1]}", steps.subtract(*terms(n), s), s),
        lambda n: letters(*map(str, n)),
    )


def product_sum(formula: str, unit: str, factor: int | None = None) -> Law:
    """a*b+c for a digit b, or a*factor+b."""

    def terms(n: Numbers) -> Numbers:
        return n if factor is None else (n[0], factor, n[1])

    def working(n: Numbers, style: int) -> str:
        a, b, c = terms(n)
        return f"{formula}={a}*{b}+{c}. {sequel(multiplied(a, b, style), steps.add(a * b, c, 2), style)}"

    return Law(
        unit,
        lambda n: "product_sum:{},{},{}".format(*terms(n)),
        lambda n: Fraction(terms(n)[0] * terms(n)[1] + terms(n)[2]),
        working,
        lambda n: letters(*map(str, n)),
    )


def sum_product(formula: str, unit: str, sign: int = 1) -> Law:
    """(a+b)*c, or (a-b)*c with sign -1, for a digit c."""
    mark, step = ("+", steps.add) if sign > 0 else ("-", steps.subtract)

    def working(n: Numbers, style: int) -> str:
        a, b, c = n
        first = step(a, b, 2)
        return f"{formula}=({a}{mark}{b})*{c}. {sequel(first, multiplied(a + sign * b, c, style), style)}"

    return Law(
        unit,
        lambda n: f"{commuting('sum', *n[:2]) if sign > 0 else f'difference:{n[0]},{n[1]}'}*{n[2]}",
        lambda n: Fraction((n[0] + sign * n[1]) * n[2]),
        working,
        lambda n: letters(*map(str, n)),
    )


def quotient_product(formula: str, unit: str) -> Law:
    """(a*b)/b*c for digits b and c; the question shows a*b, b and c."""

    def working(n: Numbers, style: int) -> str:
        a, b, c = n
        first = f"{a * b}/{b}={a}: {steps.divide(a * b, b, 1)}"
        return f"{formula}={a * b}/{b}*{c}. {sequel(first, multiplied(a, c, style), style)}"

    return Law(
        unit,
        lambda n: f"quotient:{n[0]},{n[1]}*{n[2]}",
        lambda n: Fraction(n[0] * n[2]),
        working,
        lambda n: letters(str(n[0] * n[1]), str(n[1]), str(n[2])),
    )
