"""Science: GPQA-Diamond, multiple choice."""

from collections.abc import Mapping
from typing import Any

from ringexp.domains.adapters.fields import Fields, Unusable, text
from ringexp.domains.choice import KIND, shuffled

ORDER_SEED = 0
"""Which order the options stand in: one for all runs, so that pass@1 compares."""


def gpqa(row: Mapping[str, Any]) -> Fields:
    """GPQA (Rein et al. 2023), `Idavidrein/gpqa` (`gpqa_diamond`; gated: accept its terms on the Hub first).

    `Question`, `Correct Answer`, `Incorrect Answer 1` to `3`: the options under letters in a seeded order, the gold
    answer the letter, kind `choice`. For evaluation alone, so all rows are for tests. Equal options leave a row out as
    `equal_options`.
    """
    question, correct = text(row, "Question"), text(row, "Correct Answer")
    wrong = [text(row, f"Incorrect Answer {i}") for i in (1, 2, 3)]
    if len({correct, *wrong}) < 4:
        raise Unusable("equal_options")
    asked, letter = shuffled(question, correct, wrong, ORDER_SEED)
    return Fields(asked, letter, split="test", kind=KIND)
