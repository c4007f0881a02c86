"""From placed prompts to a pool: each prompt once, each question in one split, everything left out counted."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from ringexp.domains.pool import Pool
from ringexp.records import Prompt

SPLITS = ("train", "validation", "test")


@dataclass(frozen=True, slots=True)
class Report:
    """Counts of a load: rows read and kept per split; rows dropped, by reason.

    Reasons: `duplicate` (same question, answer and trace as an earlier row of the split), `other_domain` (the row names
    another domain), `in_evaluation` (a training row whose question is also in validation or test, or a validation row's
    in test), `unused` (of a split that was not asked for), and what adapters leave out, as their docstrings say.
    """

    read: int
    kept: Mapping[str, int]
    dropped: Mapping[str, int] = field(default_factory=dict)


class Loaded(NamedTuple):
    """A pool and the counts of what was dropped to get it."""

    pool: Pool
    report: Report


class Placed(NamedTuple):
    """A row of a source as a prompt in its split, and where it stands."""

    place: str
    split: str
    prompt: Prompt


def question_key(question: str) -> str:
    """What makes two questions the same: their text without case and runs of white space."""
    return " ".join(question.split()).casefold()


def distinct(rows: Iterable[Placed], dropped: Counter[str]) -> list[Placed]:
    """Each prompt once, in the most held-out split that any of its rows names; the others are counted."""
    kept: dict[str, Placed] = {}
    for row in rows:
        earlier = kept.get(row.prompt.id)
        if earlier is not None:
            dropped["duplicate" if earlier.split == row.split else "in_evaluation"] += 1
        if earlier is None or SPLITS.index(earlier.split) < SPLITS.index(row.split):
            kept[row.prompt.id] = row
    return list(kept.values())


def pooled(domain: str, rows: Sequence[Placed], dropped: Counter[str], read: int) -> Loaded:
    """The pool of placed rows, each question in the most held-out split that any of its rows names."""
    keys = [question_key(row.prompt.question) for row in rows]
    held_out: dict[str, int] = {}
    for key, row in zip(keys, rows):
        held_out[key] = max(held_out.get(key, 0), SPLITS.index(row.split))
    chosen: dict[str, list[Prompt]] = {s: [] for s in SPLITS}
    for key, row in zip(keys, rows):
        if SPLITS.index(row.split) < held_out[key]:
            dropped["in_evaluation"] += 1
        else:
            chosen[row.split].append(row.prompt)
    pool = Pool(domain, tuple(chosen["train"]), tuple(chosen["validation"]), tuple(chosen["test"]))
    return Loaded(pool, Report(read, {s: len(p) for s, p in chosen.items()}, {k: n for k, n in dropped.items() if n}))
