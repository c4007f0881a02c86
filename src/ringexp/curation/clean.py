"""Cleaning: named rules for rows that cannot be trained on, in the paper's list, and the text's canonical form.

Paper, section on data: drop invalid characters, images, multi-part and unanswerable questions, and forms that can be
guessed (multiple choice, true or false). How each is recognised is ours: patterns that would rather keep a row.
"""

import dataclasses
import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence

from ringexp.curation.dataset import Row
from ringexp.curation.steps import Finding, Judged, Step
from ringexp.errors import ConfigError
from ringexp.records import Prompt

Rule = Callable[[Prompt], bool]

_IMAGE = re.compile(
    r"!\[[^\]]*\]\(|\\includegraphics|<img\b|\[asy\]|\\begin\{(?:tikzpicture|figure|asy)\}"
    r"|https?://\S+\.(?:png|jpe?g|gif|svg|webp|bmp)\b|data:image/"
    r"|\b(?:shown|pictured|depicted|given|see|seen|illustrated)\s+(?:in|by)?\s*(?:the\s+)?"
    r"(?:figure|diagram|picture|image|photo|photograph)\b"
    r"|\bthe\s+(?:figure|diagram|picture|image|graph)\s+(?:below|above|shows|at (?:the )?(?:left|right))",
    re.IGNORECASE,
)
_PARTS = (
    re.compile(r"(?:^|\s)\(a\)\s.*\s\(b\)\s", re.DOTALL),
    re.compile(r"(?:^|\s)\(i\)\s.*\s\(ii\)\s", re.DOTALL),
    re.compile(r"^\s*a\)\s.*^\s*b\)\s", re.DOTALL | re.MULTILINE),
    re.compile(r"^\s*\(?1[.)]\s.*\?\s*$.*^\s*\(?2[.)]\s.*\?", re.DOTALL | re.MULTILINE),
    re.compile(r"\bpart\s+(?:a|1|i)\b[.:)].*\bpart\s+(?:b|2|ii)\b[.:)]", re.DOTALL | re.IGNORECASE),
)
_PROOF = re.compile(
    r"(?:^|[.?!:,;]\s+|\bthen\s+|\band\s+)(?:prove|show|demonstrate|verify)\s+(?:that|whether|the following)\b"
    r"|(?:^|[.?!]\s+)(?:prove|disprove)\b",
    re.IGNORECASE,
)
_NO_ANSWER = frozenset({
    "", "-", "?", "n/a", "na", "nan", "null", "unknown", "no answer", "not given", "cannot be determined", "proof",
    "see solution", "answers vary", "answers may vary", "not enough information",
})  # fmt: skip
_OPTIONS = (
    re.compile(r"(?:^|\s|\{)\(A\).*(?:\s|\{)\(B\).*(?:\s|\{)\(C\)", re.DOTALL),
    re.compile(r"^\s*A[.):]\s.*^\s*B[.):]\s.*^\s*C[.):]\s", re.DOTALL | re.MULTILINE),
    re.compile(r"\sA\)\s.*\sB\)\s.*\sC\)\s", re.DOTALL),
    re.compile(r"\bwhich (?:one )?of the following\b", re.IGNORECASE),
)
_EITHER = frozenset({"true", "false", "yes", "no", "correct", "incorrect"})
_TRUE_FALSE = re.compile(r"\btrue or false\b|\byes or no\b|\(true/false\)|\(t/f\)|^\s*t/f\b", re.IGNORECASE)

def _answer(prompt: Prompt) -> str:
    return prompt.answer.strip().strip("$.").strip().casefold()


def invalid_characters(prompt: Prompt) -> bool:
    """Control, private, unassigned or replacement characters, halves of surrogates, in question, answer or trace."""
    text = "".join((prompt.question, prompt.answer, prompt.trace or ""))
    return any(_invalid(char) for char in set(text))


def _invalid(char: str) -> bool:
    if char in "\n\t\r":
        return False
    return char == "\ufffd" or unicodedata.category(char) in ("Cc", "Co", "Cn", "Cs")


def empty(prompt: Prompt) -> bool:
    """A question without a letter or digit."""
    return not any(char.isalnum() for char in prompt.question)


def image(prompt: Prompt) -> bool:
    """The question shows or speaks of a picture."""
    return prompt.domain != "code" and _IMAGE.search(prompt.question) is not None


def choice(prompt: Prompt) -> bool:
    """Several options are given, one of which is the answer."""
    return prompt.domain != "code" and any(pattern.search(prompt.question) for pattern in _OPTIONS)


def true_false(prompt: Prompt) -> bool:
    """The answer is one of two words."""
    asked = _TRUE_FALSE.search(prompt.question) is not None
    return prompt.domain != "code" and (asked or _answer(prompt) in _EITHER)


def multi_part(prompt: Prompt) -> bool:
    """More than one thing is asked, in numbered parts."""
    return prompt.domain != "code" and any(pattern.search(prompt.question) for pattern in _PARTS)


def unanswerable(prompt: Prompt) -> bool:
    """No answer that could be compared: none given, or a proof is asked for."""
    if _answer(prompt) in _NO_ANSWER:
        return True
    return prompt.domain != "code" and _PROOF.search(prompt.question) is not None


HOW: Mapping[str, Rule] = {rule.__name__: rule for rule in (
    invalid_characters, empty, image, choice, true_false, multi_part, unanswerable)}  # fmt: skip
"""What the rules of the configuration do, in their order: a row is dropped by the first that holds."""


class Clean(Step):
    """Brings texts into Unicode's composed form (NFC) and drops what a rule names, or what is too short or too long.

    Args:
        rules: names in `HOW`, those that are on.
        min_chars, max_chars: least and greatest length of a question.
        max_trace_chars: a longer trace is removed, the row stays.
    """

    name = "clean"

    def __init__(self, rules: Sequence[str], min_chars: int, max_chars: int, max_trace_chars: int) -> None:
        for rule in rules:
            if rule not in HOW:
                raise ConfigError(f"curation.clean.rules: unknown rule {rule!r}: use some of {', '.join(HOW)}")
        self._rules = {name: rule for name, rule in HOW.items() if name in rules}
        self._shortest, self._longest, self._longest_trace = min_chars, max_chars, max_trace_chars

    def judge(self, rows: Sequence[Row]) -> Judged:
        """One verdict per row; no row depends on another."""
        judged = Judged()
        for row in rows:
            prompt = composed(row.prompt)
            reason = self._reason(prompt)
            if reason:
                judged.drop(row, Finding(reason))
                continue
            if prompt.trace is not None and len(prompt.trace) > self._longest_trace:
                judged.counts["long_traces_removed"] += 1
                prompt = dataclasses.replace(prompt, trace=None)
            judged.keep(dataclasses.replace(row, prompt=prompt))
        return judged

    def _reason(self, prompt: Prompt) -> str:
        for name, rule in self._rules.items():
            if rule(prompt):
                return name
        if len(prompt.question) < self._shortest:
            return "too_short"
        return "too_long" if len(prompt.question) > self._longest else ""


def composed(prompt: Prompt) -> Prompt:
    """The prompt with its texts in Unicode's form NFC, question and answer without white space around."""
    question, answer = (unicodedata.normalize("NFC", text).strip() for text in (prompt.question, prompt.answer))
    trace = None if prompt.trace is None else unicodedata.normalize("NFC", prompt.trace)
    return dataclasses.replace(prompt, question=question, answer=answer, trace=trace)
