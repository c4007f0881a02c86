"""Exact duplicates: of rows that ask the same the first stays; where their answers contradict each other, none."""

from collections.abc import Callable, Iterable, Sequence

import numpy as np

from ringexp.curation.dataset import Row
from ringexp.curation.steps import Arrays, Finding, Judged, Step
from ringexp.curation.text import answer_key, digest, question_digest
from ringexp.records import Prompt

SameAnswer = Callable[[Prompt, Prompt], bool]
"""Whether the answers of two prompts with different keys are nevertheless the same, as the verifier sees it."""

_WIDTH = 16
DETAIL = 200
"""Characters of a finding's evidence."""


class Exact(Step):
    """Drops rows whose question has the tokens of an earlier row's, in order, in the same domain.

    Two rows with the same question and different answers: at least one of them is wrong and nothing tells which, so
    both go (`contradiction`). Code is judged by tests, and other tests are no contradiction.
    """

    name = "exact_duplicates"

    def __init__(self, same_answer: SameAnswer) -> None:
        self._same_answer = same_answer
        self._contradicted: set[bytes] = set()
        self._first: dict[bytes, str] = {}

    def survey(self, rows: Iterable[Row]) -> None:
        """Find the questions whose answers contradict each other."""
        answers: dict[bytes, Prompt] = {}
        for row in rows:
            if row.prompt.domain == "code":
                continue
            key = _key(row.prompt)
            first = answers.setdefault(key, _bare(row.prompt))
            if key in self._contradicted or answer_key(first) == answer_key(row.prompt):
                continue
            if not self._same_answer(first, row.prompt):
                self._contradicted.add(key)

    def judge(self, rows: Sequence[Row]) -> Judged:
        """The next rows."""
        judged, keys, ids = Judged(), [], []
        for row in rows:
            key, own = _key(row.prompt), row.prompt.id
            first = self._first.get(key)
            if first is None:
                self._first[key] = own
                keys.append(key)
                ids.append(own)
            if key in self._contradicted:
                judged.drop(row, Finding("contradiction", first or "", detail=row.prompt.answer[:DETAIL]))
            elif first is not None:
                judged.drop(row, Finding("duplicate", first, score=1.0))
            else:
                judged.keep(row)
        judged.arrays = {"keys": np.frombuffer(b"".join(keys), np.uint8), "ids": np.array(ids, np.str_)}
        return judged

    def restore(self, kept: Sequence[Row], arrays: Arrays) -> None:
        """The questions that the chunk was the first to ask."""
        keys = arrays["keys"].tobytes()
        for place, own in enumerate(arrays["ids"].tolist()):
            self._first[keys[place * _WIDTH : (place + 1) * _WIDTH]] = own


def _bare(prompt: Prompt) -> Prompt:
    return Prompt(prompt.id, prompt.domain, "", prompt.answer)


def _key(prompt: Prompt) -> bytes:
    return digest(prompt.domain, question_digest(prompt.question).hex())
