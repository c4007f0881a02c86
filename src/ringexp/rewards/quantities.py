"""Reading quantities: number and unit of an answer such as `2.7 \\times 10^{2}\\,\\text{m}`; nothing is evaluated.

A unit is read by a small grammar of its own (names with powers, products, quotients, brackets) into names and integer
powers. No library sees more of an answer's unit than single names of letters.
"""

import re
from collections import Counter
from dataclasses import dataclass
from fractions import Fraction

_MAX_UNIT_CHARS = 120
_MAX_POWER = 12

_THOUSANDS = r"\d{1,3}(?:(?:,|\{,\}|\\,|\\!,)\d{3})+(?!\d)"
_PLAIN = re.compile(
    rf"(?P<sign>[-+−]?)\s*(?P<digits>(?:{_THOUSANDS}|\d{{1,40}})(?:\.\d{{0,40}})?|\.\d{{1,40}})"
    r"(?:[eE](?P<e>[-+]?\d{1,2})(?![\d.])"
    r"|(?:\s|\\,|~)*(?:\\times|\\cdot|×|·|\*|x)\s*10\s*\^\s*(?:\{\s*(?P<braced>[-+−]?\d{1,2})\s*\}|(?P<bare>[-+−]?\d{1,2})))?"
)
_ONE_OVER = r"(?:1\s*/\s*[A-Za-z\\]|\\frac\s*\{\s*1\s*\}\s*\{\s*[A-Za-z\\])"  # a unit such as 1/s
_FRACTION = r"\\frac\s*(?=\d|\{\s*[-+\d.(\\])"
_EXPRESSION = re.compile(
    rf"(?:(?!{_ONE_OVER})(?:[-+−\d.,*()^{{}}\s~]|/\s*(?=[\d.(\\{{-])|{_FRACTION}|\\sqrt|\\pi(?![A-Za-z])|\\times|\\cdot"
    r"|\\left|\\right|\\[,;:! ]))+"
)
_GOES_ON = re.compile(
    rf"(?:\s|\\[,;:! ]|~)*(?!{_ONE_OVER})"
    r"(?:[-+−\d.,^(!]|/\s*[\d(\\.]|\\frac\s*(?:\d|\{\s*[-+\d.])|\\sqrt|\\pi(?![A-Za-z]))"
)
_LEFT_SIDE = re.compile(r"\s*(?:[A-Za-z\\][A-Za-z\\_{}()\d ]{0,30}?)?(?:=|\\approx(?![A-Za-z]))\s*")
_WRAPPED = re.compile(
    r"\\(?:text|mathrm|textrm|mathsf|mathit|mathbf|textbf|operatorname|mbox|rm)\s*\{((?:[^{}]|\{[^{}]*\})*)\}"
)
_TOLERANCE = re.compile(r"\s*(?:±|\\pm|\+/?-)\s*")


class UnreadableError(ValueError):
    """A text is not a number with a unit; the message says what of it cannot be read, in a few words."""


@dataclass(frozen=True, slots=True)
class Quantity:
    """A number as text, its value if it is plain decimal digits, and the unit as names with powers."""

    text: str
    value: Fraction | None
    unit: tuple[tuple[str, int], ...]


def read_quantity(text: str) -> Quantity:
    """The number and the unit of a text; `value` is None for a number that is an expression.

    Raises:
        UnreadableError: no number at the start, or a unit outside the grammar.
    """
    text = text.replace("$", " ").replace("\\dfrac", "\\frac").replace("\\tfrac", "\\frac").strip()
    left = _LEFT_SIDE.match(text)
    text = text[left.end() :] if left else text
    if _WRAPPED.match(text):
        text = _WRAPPED.sub(r" \1 ", text, count=1).strip()
    plain = _PLAIN.match(text)
    if plain and not _GOES_ON.match(text, plain.end()):
        return Quantity(plain[0], _value(plain), read_unit(text[plain.end() :]))
    found = _EXPRESSION.match(text)
    number = re.sub(r"(?:[-+*^(,{\s~]|\\cdot|\\times|\\[,;:! ])+$", "", found[0]) if found else ""
    if not re.search(r"\d|\\pi", number):
        raise UnreadableError("no number")
    return Quantity(number, None, read_unit(text[len(number) :]))


def split_tolerance(text: str) -> tuple[str, Fraction | None]:
    """A gold answer without its tolerance, and the tolerance: "9.81 m/s^2 ± 0.05" → ("9.81 m/s^2", 1/20).

    Raises:
        UnreadableError: what stands behind the sign is no plain number.
    """
    parts = _TOLERANCE.split(text, maxsplit=1)
    if len(parts) == 1:
        return text, None
    plain = _PLAIN.fullmatch(parts[1].strip())
    if not plain or plain["sign"]:
        raise UnreadableError("the tolerance is no number")
    return parts[0], _value(plain)


def _value(plain: re.Match[str]) -> Fraction:
    """The exact value of plain decimal digits with an optional power of ten."""
    digits = re.sub(r"[^\d.]", "", plain["digits"])
    power = int((plain["e"] or plain["braced"] or plain["bare"] or "0").replace("−", "-"))
    value = Fraction(digits.removesuffix(".")) * Fraction(10) ** power
    return value if plain["sign"] in ("", "+") else -value


_REWRITE = tuple(
    (re.compile(pattern), text)
    for pattern, text in (
        (r"\\left|\\right|\{\s*\}", ""),
        (r"\\[,;:! ]|~|\\quad", " "),
        (r"\\cdot|\\times|[·×⋅]", "*"),
        (r"\\?%", " percent "),
        (r"\^\s*\{\s*\\circ\s*\}|\^\s*\\circ|\\circ|\\degree|[°˚º]|\bdegrees?\b", " deg "),
        (r"℃", " degC "),
        (r"\bdeg\s*(?:C|[Cc]elsius)\b|\b[Cc]elsius\b", " degC "),
        (r"\bdeg\s*(?:F|[Ff]ahrenheit)\b|\b[Ff]ahrenheit\b", " degF "),
        (r"\bdeg\s*K\b", " K "),
        (r"\\Omega|[ΩΩ]", "ohm"),
        (r"\b([kMmG])\s+ohm\b", r"\1ohm"),
        (r"(?:\\mu(?![A-Za-z])|[μµ])\s*", "µ"),
        (r"⁻¹", "^-1"),
        (r"⁻²", "^-2"),
        (r"²", "^2"),
        (r"³", "^3"),
        (r"(?<=\w)\s+per\s+(?=\w)", "/"),
        (r"−", "-"),
        (r"\\frac(?![A-Za-z])", "#"),
    )
)
_TOKEN = re.compile(
    r"\s*(?:(?P<name>[A-Za-zµ]+)|(?P<power>(?:\^|\*\*)\s*(?:\{\s*(-?\d{1,2})\s*\}|\(\s*(-?\d{1,2})\s*\)|(-?\d{1,2}))"
    r"|(?<=[A-Za-zµ])(-?\d)(?![\d.]))|(?P<mark>[*./(){}#]))"
)


def read_unit(text: str) -> tuple[tuple[str, int], ...]:
    """The names and powers of a unit, () for none: "kg m/s^2" → (("kg", 1), ("m", 1), ("s", -2)).

    A quotient takes the one factor behind its stroke: "J/kg K" is (J/kg)·K, as in a program.

    Raises:
        UnreadableError: the text is too long, or outside the grammar.
    """
    if len(text) > _MAX_UNIT_CHARS:
        raise UnreadableError("unit too long")
    for _ in range(3):
        text = _WRAPPED.sub(r" \1 ", text)
    for pattern, replacement in _REWRITE:
        text = pattern.sub(replacement, text)
    text = text.strip("* ").rstrip(". \t\n")
    if text in ("", "{}"):
        return ()
    tokens = _tokens(re.sub(r"^1\s*(?=/)", "", text).replace("#{1}", "/").replace("#{ 1 }", "/"))
    powers = _product(tokens, None)
    if not powers or any(abs(power) > _MAX_POWER for power in powers.values()):
        raise UnreadableError("unit cannot be read")
    return tuple((name, power) for name, power in powers.items() if power)


def _tokens(text: str) -> list[tuple[str, str]]:
    """The tokens from the last to the first, so that the next one is at the end."""
    tokens: list[tuple[str, str]] = []
    place = 0
    while place < len(text.rstrip()):
        token = _TOKEN.match(text, place)
        if not token:
            raise UnreadableError("unit cannot be read")
        if token["power"]:
            tokens.append(("power", next(g for g in token.groups()[2:6] if g)))
        elif token["name"]:
            tokens.append(("name", token["name"]))
        else:
            tokens.append((token["mark"], ""))
        place = token.end()
    return tokens[::-1]


def _product(tokens: list[tuple[str, str]], closing: str | None) -> "Counter[str]":
    """Factors up to the closing bracket, or to the end."""
    powers: Counter[str] = Counter()
    sign, expected = 1, True
    while tokens and tokens[-1][0] != closing:
        kind = tokens[-1][0]
        if kind in ("*", ".", "/"):
            if expected and (powers or kind != "/"):
                raise UnreadableError("unit cannot be read")
            sign, expected = (-1 if kind == "/" else 1), True
            tokens.pop()
            continue
        for name, power in _factor(tokens).items():
            powers[name] += sign * power
        sign, expected = 1, False
    if expected or (closing and not tokens):
        raise UnreadableError("unit cannot be read")
    if closing:
        tokens.pop()
    return powers


def _factor(tokens: list[tuple[str, str]]) -> "Counter[str]":
    """A name, a bracket or a fraction, with its power."""
    kind, text = tokens.pop()
    if kind == "name":
        powers = Counter({text: 1})
    elif kind in ("(", "{"):
        powers = _product(tokens, {"(": ")", "{": "}"}[kind])
    elif kind == "#" and len(tokens) > 1:
        powers, below = _factor(tokens), _factor(tokens)
        for name, power in below.items():
            powers[name] -= power
    else:
        raise UnreadableError("unit cannot be read")
    if tokens and tokens[-1][0] == "power":
        exponent = int(tokens.pop()[1])
        powers = Counter({name: power * exponent for name, power in powers.items()})
    return powers
