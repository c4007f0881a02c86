"""The verifier of multiple choice: the last boxed answer is the letter of the right option, or it is not.

For prompts of kind "choice", which `ringexp.domains.choice` makes; the registry sends those of every domain here.
"""

import re
from collections.abc import Sequence

from ringexp.records import Outcome, Prompt, Verdict
from ringexp.rewards.boxed import last_boxed

_TEXT = re.compile(r"\\(?:text|textbf|textrm|mathrm|mathbf|rm|bf)\s*\{([^{}]*)\}")
_LETTER = re.compile(
    r"(?:[Oo]ption|[Aa]nswer|[Cc]hoice)?\s*:?\s*(?:\(\s*([A-Za-z])\s*\)|([A-Za-z])\s*\)?)\s*\.?", re.ASCII
)


class ChoiceVerifier:
    """Scores a response by the letter in its last `\\boxed{...}`; a pure function of both, so thread-safe.

    `B`, `b`, `(B)`, `B)`, `B.`, `\\text{B}`, `\\text{(B)}` and `Option B` are the letter B. An option's own text is not
    accepted: a text may say two options at once, a letter cannot.
    """

    def score(self, prompts: Sequence[Prompt], texts: Sequence[str]) -> list[Verdict]:
        """One verdict per pair, in order; no response makes it raise."""
        return [_judge(prompt.answer, text) for prompt, text in zip(prompts, texts, strict=True)]

    def close(self) -> None:
        """Nothing is held."""


def _judge(answer: str, text: str) -> Verdict:
    gold = _letter(last_boxed(answer) or answer)
    if gold is None:
        return Verdict(Outcome.ERROR, "gold answer of a multiple-choice prompt is not a letter")
    box = last_boxed(text)
    if box is None:
        return Verdict(Outcome.UNPARSABLE, "no complete box")
    given = _letter(box)
    if given is None:
        return Verdict(Outcome.UNPARSABLE, "box is not the letter of an option")
    return Verdict(Outcome.CORRECT) if given == gold else Verdict(Outcome.WRONG, "another option")


def _letter(text: str) -> str | None:
    """The one letter that a text says, in upper case; None where it says anything else."""
    if len(text) > 40:
        return None
    text = _TEXT.sub(r"\1", text.strip().strip("$")).strip()
    found = _LETTER.fullmatch(text)
    return (found[1] or found[2]).upper() if found else None
