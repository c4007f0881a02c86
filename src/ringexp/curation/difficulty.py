"""Difficulty: k responses of the configured model to each question, judged by the same verifiers.

Paper, section on data: drop what the distilled model always solves, and what neither it nor a stronger model solves.
Without a stronger model's results nothing is dropped for being too hard: it may only be too hard yet.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Protocol

from ringexp.curation.dataset import Row
from ringexp.curation.steps import Finding, Judged, Step
from ringexp.errors import ConfigError
from ringexp.records import Group, Prompt


class Sampler(Protocol):
    """Draws and judges."""

    def groups(self, prompts: Sequence[Prompt]) -> Sequence[Group | None]:
        """The judged responses to each prompt; None for a prompt that is too long for the model."""
        ...


class Difficulty(Step):
    """Measures solve rates and drops rows outside the bounds.

    Args:
        sampler: of the model that is going to be trained.
        easy: from this solve rate on a row is dropped; None: none is.
        hard: up to this solve rate a row is dropped where a stronger model never solves it either; None: none is.
        stronger: solve rates of a stronger model, by the row's id; None: no results, nothing is dropped for being hard.
    """

    name = "difficulty"

    def __init__(
        self, sampler: Sampler, easy: float | None, hard: float | None, stronger: Mapping[str, float] | None
    ) -> None:
        if not 0 <= (hard or 0.0) < (1.0 if easy is None else easy) <= 1:
            raise ConfigError(f"curation.difficulty: hard={hard}, easy={easy}: give shares, hard below easy")
        self._sampler, self._easy, self._hard, self._stronger = sampler, easy, hard, stronger

    def judge(self, rows: Sequence[Row]) -> Judged:
        """One verdict per row; the seeds of its responses depend on the row alone."""
        judged = Judged()
        for row, group in zip(rows, self._sampler.groups([row.prompt for row in rows]), strict=True):
            if group is None:
                judged.drop(row, Finding("too_long_for_the_model"))
                continue
            rewards = group.rewards
            rate = sum(rewards) / len(rewards)
            self._by_rate(judged, dataclasses.replace(row, solve_rate=rate, samples=len(rewards)), rate)
        return judged

    def _by_rate(self, judged: Judged, row: Row, rate: float) -> None:
        if self._easy is not None and rate >= self._easy:
            judged.drop(row, Finding("too_easy", score=rate))
        elif self._hard is None or rate > self._hard:
            judged.keep(row)
        elif self._stronger is None:
            judged.counts["hard_without_a_stronger_model"] += 1
            judged.keep(row)
        elif row.prompt.id not in self._stronger:
            judged.counts["unknown_to_the_stronger"] += 1
            judged.keep(row)
        elif self._stronger[row.prompt.id] > 0:
            judged.counts["solved_by_the_stronger_only"] += 1
            judged.keep(row)
        else:
            judged.drop(row, Finding("too_hard", score=rate, detail="the stronger model does not solve it either"))
