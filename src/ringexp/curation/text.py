"""What of a question counts when two are compared: its words, numbers and operators; and when two answers are one.

Numbers are never blurred: two problems that differ in a number are two problems, however alike their words.
"""

import hashlib
import json
import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from fractions import Fraction
from functools import lru_cache

import numpy as np

from ringexp.records import Prompt
from ringexp.rewards.boxed import last_boxed

_TOKEN = re.compile(r"\d*\.?\d+|[^\W\d]+|[^\w\s]")
_SILENT = frozenset(".,;:?!'\"`$…‘’“”«»")
_HYPHEN = re.compile(r"(?<=[^\W\d_])-(?=[^\W\d_])")
_NUMBER = re.compile(r"\d*\.?\d+")
_PLAIN = re.compile(r"[+-]?\d+(?:\.\d+)?(?:/\d+)?")
_THOUSANDS = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")
OPERATORS = frozenset("+-−–*×·/÷^=<>≤≥≠%√±∑∏∫|&~")

_WORDS = """
zero two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen
nineteen twenty thirty forty fifty sixty seventy eighty ninety hundred thousand million half third quarter twice thrice
double triple
"""
NUMBER_WORDS = frozenset(_WORDS.split())
"""Without "one", which is more often no number ("every one of them"); two and none still differ."""

Hashes = np.ndarray
"""Unsigned 64-bit integers."""


def tokens(text: str) -> list[str]:
    """Words, numbers and symbols of a text, compatibility forms and case folded; sentence punctuation is left out.

    Operators and brackets stay: "2 + 2" and "2 × 2" differ. "1,000" is one number.
    """
    plain = _HYPHEN.sub(" ", _THOUSANDS.sub("", unicodedata.normalize("NFKC", text).casefold()))
    return [token for token in _TOKEN.findall(plain) if token not in _SILENT]


def numbers(found: Sequence[str]) -> Counter[str]:
    """How often each number occurs among tokens, number words included; 3.50 is 3.5."""
    return Counter(_number(token) for token in found if _NUMBER.fullmatch(token) or token in NUMBER_WORDS)


def _number(token: str) -> str:
    return token if token in NUMBER_WORDS else str(Fraction(token))


def marks(found: Sequence[str]) -> str:
    """The numbers and operators of a question without their order: what near duplicates have in common."""
    counts = numbers(found) + Counter(token for token in found if token in OPERATORS)
    return json.dumps(sorted(counts.items()))


def digest(*parts: str) -> bytes:
    """16 bytes that stand for texts."""
    return hashlib.blake2b("\x1f".join(parts).encode("utf-8", "surrogatepass"), digest_size=16).digest()


def question_digest(question: str) -> bytes:
    """What makes two questions exactly the same: their tokens, in order."""
    return digest(*tokens(question))


def answer_key(prompt: Prompt) -> str:
    """Equal for answers that are certainly the same: plain numbers by value, others by their text without white space.

    Of code, the tests. Different keys may still be equal answers; whether they are, the verifier decides.
    """
    if prompt.domain == "code":
        return "".join(prompt.answer.split())
    text = (last_boxed(prompt.answer) or prompt.answer).strip().removesuffix(".").strip("$ ")
    plain = _THOUSANDS.sub("", text)
    if len(plain) < 40 and _PLAIN.fullmatch(plain):
        top, _, bottom = plain.partition("/")
        if not bottom or int(bottom):
            return str(Fraction(top) / int(bottom or 1))
    return "".join(text.split()).casefold()


@lru_cache(maxsize=1 << 17)
def _hash(token: str) -> int:
    return int.from_bytes(hashlib.blake2b(token.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little")


_FACTOR = 0x9E3779B97F4A7C15
"""An odd multiplier: the hash of an n-gram is a polynomial in it over its tokens' hashes, modulo 2^64."""


def ngrams(found: Sequence[str], n: int) -> Hashes:
    """Hashes of all runs of `n` tokens, in order; none where there are fewer tokens."""
    if len(found) < n:
        return np.zeros(0, np.uint64)
    hashes = np.fromiter(map(_hash, found), np.uint64, len(found))
    total = np.zeros(len(found) - n + 1, np.uint64)
    for place in range(n):
        power = np.uint64(pow(_FACTOR, n - place, 1 << 64))
        total += hashes[place : len(found) - n + 1 + place] * power
    return total
