"""Rows of our own: the plainest schema, for data that nobody has published."""

from collections.abc import Mapping
from typing import Any

from ringexp.domains.adapters.fields import Fields, number_text, optional, text


def records(row: Mapping[str, Any]) -> Fields:
    """Our own rows: `question` or `prompt`, `answer`; optional `trace`, `domain`, `split`, `kind`, `level`."""
    return Fields(
        question=text(row, "question", "prompt"),
        answer=number_text(row, "answer"),
        trace=text(row, "trace") if row.get("trace") is not None else None,
        **optional(row),
    )
