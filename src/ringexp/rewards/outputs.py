"""Whether a program printed what a test expects of it.

The published judges of such tests split both texts at white space and compare word by word; so do we. Beyond that
CodeContests' folds upper and lower case and takes any two numbers that differ by less than 1e-5 as equal; APPS' also
takes lines in another order, and numbers that agree to three decimals as sets. Of these we take one thing: where the
*expected* word is a real number (with a point or an exponent), a number nearer than 1e-5 counts. Whole numbers, case
and order have to be right: a laxer judge would pay for programs that are wrong.
"""

import re

TOLERANCE = 1e-5
"""How far off a real number may be, absolutely, as in CodeContests' own tester."""

_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?")
_MAX_NUMBER_CHARS = 64


def same_output(printed: str, expected: str) -> bool:
    """Whether the words are the same, one after the other. White space, also lines and their ends, only parts words."""
    found, wanted = printed.split(), expected.split()
    return len(found) == len(wanted) and all(map(_same, found, wanted))


def _same(found: str, wanted: str) -> bool:
    if found == wanted:
        return True
    return _real(wanted) and _number(found) and abs(float(found) - float(wanted)) < TOLERANCE


def _number(word: str) -> bool:
    return len(word) <= _MAX_NUMBER_CHARS and _NUMBER.fullmatch(word) is not None


def _real(word: str) -> bool:
    return _number(word) and any(sign in word for sign in ".eE")
