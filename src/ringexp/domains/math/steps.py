"""Worked arithmetic on non-negative integers, written out digit by digit in several styles.

Every function returns the working without the result's box: short clauses with no spaces around operators, so that a
byte-level tokenizer spends few tokens on them. The last clause ends in the digits that complete the result.
"""

STYLES = 3
_PLACES = ("ones", "tens", "hundreds", "thousands", "next")


def _digits(number: int, width: int) -> list[int]:
    """The digits of `number` from the ones upward, padded with zeros to `width`."""
    return [int(d) for d in str(number).zfill(width)[::-1]]


def _parts(number: int) -> list[int]:
    """The non-zero place values of `number`, largest first: 305 → [300, 5]."""
    text = str(number)
    return [int(d) * 10 ** (len(text) - 1 - i) for i, d in enumerate(text) if d != "0"]


def _join(clauses: list[str], style: int) -> str:
    """Clauses as running text; style 1 names the place of each column."""
    if style == 1:
        return ", ".join(f"{place} {clause}" for place, clause in zip(_PLACES, clauses))
    return "; ".join(clauses)


def add(a: int, b: int, style: int) -> str:
    """Working of a+b: columns with carries (0), columns by name (1), place by place onto the larger number (2)."""
    if style == 2:
        return _running(max(a, b), _parts(min(a, b)), "+")
    width = len(str(max(a, b)))
    clauses, carry = [], 0
    for i, (x, y) in enumerate(zip(_digits(a, width), _digits(b, width))):
        total = x + y + carry
        terms = [str(x)] + ([str(y)] if i < min(len(str(a)), len(str(b))) else []) + (["1"] if carry else [])
        clause = "+".join(terms) + (f"={total}" if len(terms) > 1 else "")
        carry = total // 10
        if carry and i < width - 1:
            clause += f" write {total % 10} carry 1"
        clauses.append(clause)
    return _join(clauses, style)


def subtract(a: int, b: int, style: int) -> str:
    """Working of a-b for a ≥ b: columns with borrows (0), columns by name (1), place by place (2)."""
    if style == 2:
        return _running(a, _parts(b), "-")
    clauses, borrow = [], 0
    for i, (x, y) in enumerate(zip(_digits(a, len(str(a))), _digits(b, len(str(a))))):
        terms = [str(y)] if i < len(str(b)) else []
        if borrow:
            terms.append("1")
        short = x - y - borrow < 0
        top = x + 10 if short else x
        clause = "-".join([str(top), *terms]) + (f"={top - y - borrow}" if terms else "")
        borrow = int(short)
        clauses.append(clause + (" borrow 1" if short else ""))
    return _join(clauses, style)


def _running(start: int, parts: list[int], operator: str) -> str:
    """Apply the parts one after the other: 52-38 → "52-30=22; 22-8=14"."""
    clauses = []
    for part in parts:
        result = start + part if operator == "+" else start - part
        clauses.append(f"{start}{operator}{part}={result}")
        start = result
    return "; ".join(clauses)


def multiply(a: int, b: int, style: int) -> str:
    """Working of a*b: partial products of a's places, largest first (0), smallest first (2), or carries (1).

    A factor b of two digits is split by its places instead (all styles).
    """
    if b > 9:
        pieces = _parts(b) if style != 2 else _parts(b)[::-1]
        return _partial([(a, p) for p in pieces])
    if style == 1:
        return _multiply_columns(a, b)
    parts = _parts(a)
    return _partial([(p, b) for p in (parts if style == 0 else parts[::-1])])


def _multiply_columns(a: int, b: int) -> str:
    """Columns with carries, from the ones upward: 47*6 → "7*6=42 write 2 carry 4; 4*6+4=28"."""
    clauses, carry = [], 0
    for i, x in enumerate(_digits(a, len(str(a)))):
        total = x * b + carry
        clause = f"{x}*{b}{f'+{carry}' if carry else ''}={total}"
        carry = total // 10
        if carry and i < len(str(a)) - 1:
            clause += f" write {total % 10} carry {carry}"
        clauses.append(clause)
    return "; ".join(clauses)


def _partial(factors: list[tuple[int, int]]) -> str:
    """Partial products and their running sum: 47*6 → "40*6=240; 7*6=42; 240+42=282"."""
    products = [x * y for x, y in factors]
    clauses = [f"{x}*{y}={x * y}" for x, y in factors]
    total = products[0]
    for product in products[1:]:
        clauses.append(f"{total}+{product}={total + product}")
        total += product
    return "; ".join(clauses)


def divide(n: int, d: int, style: int) -> str:
    """Long division of n by a digit d, place by place, up to the remainder; n ≥ d.

    Written as products and differences (0), as "q r rest" (1), or in words (2).
    """
    clauses = []
    for top, quotient, rest in division_steps(n, d):
        if style == 0:
            clauses.append(f"{quotient}*{d}={quotient * d}, {top}-{quotient * d}={rest}")
        elif style == 1:
            clauses.append(f"{top}/{d}={quotient} r {rest}")
        else:
            clauses.append(f"{d} into {top} goes {quotient}, left {rest}")
    return "; ".join(clauses)


def division_steps(n: int, d: int) -> list[tuple[int, int, int]]:
    """The steps of a long division as (partial dividend, quotient digit, rest), leading zeros left out."""
    steps: list[tuple[int, int, int]] = []
    rest = 0
    for digit in str(n):
        top = rest * 10 + int(digit)
        quotient, rest = divmod(top, d)
        if quotient or steps:
            steps.append((top, quotient, rest))
    return steps
