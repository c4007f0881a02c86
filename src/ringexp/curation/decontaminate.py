"""Decontamination: training questions that hold an evaluation question, found by the word n-grams they share.

A row is contaminated by an evaluation question when n-grams that both have cover at least a share of the evaluation
question's tokens (n = 8 and one half: Tülu 3, arXiv 2411.15124) and it has all its numbers. A question of fewer than n
tokens, but at least 3, has to be contained whole (DeepSeekMath, arXiv 2402.03300). The numbers are ours: problems from
one template share most of their words, and differ in what is asked.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from ringexp.curation.dataset import Row
from ringexp.curation.steps import Finding, Judged, Step
from ringexp.curation.text import ngrams, numbers, tokens
from ringexp.errors import ConfigError

SHORTEST = 3
"""Tokens an evaluation question must have to be looked for."""

_EVIDENCE = 300


@dataclass(frozen=True, slots=True)
class Question:
    """A question of a named evaluation set."""

    set: str
    id: str
    text: str


class EvaluationIndex:
    """The n-grams of all evaluation questions, some 16 bytes each.

    Questions of fewer than `n` tokens are indexed by all their tokens, one n-gram of that length.
    """

    def __init__(self, questions: Iterable[Question], n: int) -> None:
        self.n = n
        self.names: list[tuple[str, str]] = []
        self.lengths: list[int] = []
        self.numbers: list[Counter[str]] = []
        self.too_short: Counter[str] = Counter()
        found: dict[int, list[tuple[np.ndarray, int]]] = {}
        for question in questions:
            words = tokens(question.text)
            if len(words) < SHORTEST:
                self.too_short[question.set] += 1
                continue
            length = min(n, len(words))
            found.setdefault(length, []).append((ngrams(words, length), len(self.names)))
            self.names.append((question.set, question.id))
            self.lengths.append(len(words))
            self.numbers.append(numbers(words))
        self._tables = {length: _table(grams) for length, grams in sorted(found.items())}
        self._sizes = np.array(self.lengths)

    def hits(self, words: Sequence[str], coverage: float) -> list[tuple[int, float, list[int]]]:
        """The evaluation questions of which these tokens cover at least `coverage`, and the one of which most.

        Each by its number, with the share of its tokens that is covered, and where in `words` shared n-grams start.
        """
        found = []
        for length, table in self._tables.items():
            owners, places, starts = _shared(ngrams(words, length), table)
            if not len(owners):
                continue
            questions, covered = _covered(owners, places, length)
            shares = covered / self._sizes[questions]
            wanted = np.union1d(np.nonzero(shares >= coverage)[0], [np.argmax(shares)])
            found += [(int(questions[i]), float(shares[i]), starts[owners == questions[i]].tolist()) for i in wanted]
        return found


def _shared(grams: np.ndarray, table: tuple[np.ndarray, np.ndarray, np.ndarray]) -> tuple[np.ndarray, ...]:
    """Every pair of equal n-grams, a row's and a question's: the question, the place in it, the place in the row."""
    keys, owners, places = table
    left = np.searchsorted(keys, grams, "left")
    counts = np.searchsorted(keys, grams, "right") - left
    before = np.cumsum(counts) - counts
    entries = np.arange(counts.sum()) + np.repeat(left - before, counts)
    return owners[entries], places[entries], np.repeat(np.arange(len(grams)), counts)


def _covered(owners: np.ndarray, places: np.ndarray, length: int) -> tuple[np.ndarray, np.ndarray]:
    """Of each question that is among `owners`, how many of its tokens n-grams of that length at `places` cover."""
    order = np.lexsort((places, owners))
    owners, places = owners[order], places[order]
    last = np.append(owners[1:] != owners[:-1], True)
    steps = np.append(places[1:] - places[:-1], 0)
    each = np.where(last, length, np.minimum(steps, length))
    questions, first = np.unique(owners, return_index=True)
    return questions, np.add.reduceat(each, first)


def _table(grams: Sequence[tuple[np.ndarray, int]]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Sorted n-grams, and beside them the question they are of and their place in it."""
    keys = np.concatenate([found for found, _ in grams])
    owners = np.concatenate([np.full(len(found), owner, np.int32) for found, owner in grams])
    places = np.concatenate([np.arange(len(found), dtype=np.int32) for found, _ in grams])
    order = np.argsort(keys, kind="stable")
    return keys[order], owners[order], places[order]


class Decontaminate(Step):
    """Drops rows that hold an evaluation question, with every such question and the shared words in the report.

    A row that shares n-grams with one, but too few, or with other numbers, stays; the question most of which it covers
    is reported (`overlap`, `other_numbers`).

    Args:
        index: of the evaluation questions.
        coverage: share of an evaluation question's tokens from which on it counts as held.
        same_numbers: whether its numbers have to be held too.
    """

    name = "decontaminate"

    def __init__(self, index: EvaluationIndex, coverage: float, same_numbers: bool) -> None:
        if not 0 < coverage <= 1:
            raise ConfigError(f"curation.decontaminate.coverage={coverage}: must lie above 0, and be 1 at most")
        self._index, self._coverage, self._same_numbers = index, coverage, same_numbers

    def judge(self, rows: Sequence[Row]) -> Judged:
        """One verdict per row; no row depends on another."""
        judged = Judged()
        for row in rows:
            findings = self._findings(row)
            held = [finding for finding in findings if finding.reason == "contaminated"]
            if held:
                judged.drop(row, *held)
            else:
                judged.keep(row, *findings[:1])
                judged.counts.update(finding.reason for finding in findings[:1])
        return judged

    def _findings(self, row: Row) -> list[Finding]:
        """What was found of each evaluation question, those that are covered most first."""
        words = tokens(row.prompt.question)
        own, findings = numbers(words), []
        for question, share, starts in self._index.hits(words, self._coverage):
            reason = "overlap" if share < self._coverage else "contaminated"
            if reason == "contaminated" and self._same_numbers and self._index.numbers[question] - own:
                reason = "other_numbers"
            name, known = self._index.names[question]
            length = min(self._index.n, self._index.lengths[question])
            findings.append(Finding(reason, known, name, round(share, 4), _longest(words, starts, length)))
        return sorted(findings, key=lambda finding: -(finding.score or 0.0))


def _longest(words: Sequence[str], starts: Sequence[int], length: int) -> str:
    """The longest run of shared words, n-grams that follow one another taken together."""
    best, begun, last = (0, 0), -1, -2
    for start in sorted(set(starts)):
        begun = start if start != last + 1 else begun
        last = start
        best = max(best, (last - begun + length, -begun))
    return " ".join(words[-best[1] : best[0] - best[1]])[:_EVIDENCE]
