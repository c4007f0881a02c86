"""Multiple choice: a question with lettered options in a seeded order, and the letter of the right one.

For evaluation: a guess among four is right one time in four, so training refuses such prompts unless told.
"""

from collections.abc import Sequence
from string import ascii_uppercase

from ringexp.errors import DataError
from ringexp.records import CHOICE
from ringexp.seeds import generator

KIND = CHOICE
"""`Prompt.kind` of what is made here."""

_ASK = "Answer with the letter of the right option."


def shuffled(question: str, correct: str, wrong: Sequence[str], seed: int) -> tuple[str, str]:
    """The question with its options under the letters A, B, C …, and the letter of the right one.

    The order is a pure function of `seed` and of what is asked: with one seed the right option stands under every
    letter equally often over many questions, and the order in which `wrong` is given changes nothing.

    Raises:
        DataError: an empty question or option, two equal options, fewer than 2 or more than 26.
    """
    question, options = question.strip(), [correct.strip(), *(w.strip() for w in wrong)]
    if not question or not all(options):
        raise DataError("multiple choice: the question or an option is empty")
    if not 2 <= len(options) <= len(ascii_uppercase):
        raise DataError(f"multiple choice: {len(options)} options; give 2 to {len(ascii_uppercase)}")
    if twice := sorted({o for o in options if options.count(o) > 1}):
        raise DataError(f"multiple choice: the option {twice[0]!r} is there twice")
    order = sorted(options)
    generator(seed, "choice", question, options[0]).shuffle(order)
    lines = [f"{letter}) {option}" for letter, option in zip(ascii_uppercase, order)]
    return "\n".join([question, "", *lines, "", _ASK]), ascii_uppercase[order.index(options[0])]

