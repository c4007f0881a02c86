"""The form of a step of curation: rows in, in order; rows that stay, findings about the others, numbers to remember.

A step sees its input chunk by chunk. What it keeps of earlier chunks is in arrays that it gives back with each, so that
a process that takes over from a killed one restores it without doing the work again.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from ringexp.curation.dataset import Row

Arrays = Mapping[str, np.ndarray]


@dataclass(frozen=True, slots=True)
class Finding:
    """Why a row was dropped, or what was seen of one that stays: the other row it is like, how much, the evidence.

    `matched` is the other row's id, in the evaluation set `matched_set` where that is given.
    """

    reason: str
    matched: str = ""
    matched_set: str = ""
    score: float | None = None
    detail: str = ""


@dataclass
class Judged:
    """What a step made of a chunk.

    `found` has every finding with its row's id and domain, and whether that row was dropped; `dropped` counts rows by
    their first reason, `counts` whatever else is worth telling; `arrays` is what `Step.restore` needs of the chunk.
    """

    kept: list[Row] = field(default_factory=list)
    found: list[tuple[str, str, bool, Finding]] = field(default_factory=list)
    dropped: Counter[str] = field(default_factory=Counter)
    counts: Counter[str] = field(default_factory=Counter)
    arrays: Arrays = field(default_factory=dict)

    def keep(self, row: Row, *findings: Finding) -> None:
        """The row stays, in spite of what was found."""
        self.kept.append(row)
        self.found += [(row.prompt.id, row.prompt.domain, False, finding) for finding in findings]

    def drop(self, row: Row, *findings: Finding) -> None:
        """The row is dropped for the first finding's reason."""
        self.dropped[findings[0].reason] += 1
        self.found += [(row.prompt.id, row.prompt.domain, True, finding) for finding in findings]


class Step:
    """One step of curation. What it decides depends on the rows and their order, never on how they are divided."""

    name: str
    skipped = ""
    """Why the step does nothing; empty where it does something."""

    def survey(self, rows: Iterable[Row]) -> None:
        """See all rows once before the first is judged; most steps need not."""

    def judge(self, rows: Sequence[Row]) -> Judged:
        """The next rows."""
        raise NotImplementedError

    def restore(self, kept: Sequence[Row], arrays: Arrays) -> None:
        """Remember a chunk that was judged before: the rows that stayed, and the arrays given with them."""


class Skipped(Step):
    """A step that is switched off, or lacks what it needs: every row stays, and the card says why."""

    def __init__(self, name: str, why: str) -> None:
        self.name, self.skipped = name, why

    def judge(self, rows: Sequence[Row]) -> Judged:
        """All stay."""
        return Judged(kept=list(rows))
