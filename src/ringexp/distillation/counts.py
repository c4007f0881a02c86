"""How many responses were accepted, and what became of the others: by domain and split, for card, record and table."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ringexp.config.distillation import DUPLICATE, KEPT, SURPLUS
from ringexp.curation.card import StepCount
from ringexp.distillation.questions import Question
from ringexp.distillation.work import Answered

ACCEPTED = (KEPT, SURPLUS, DUPLICATE)
"""The fates of responses that are correct and passed all filters."""


@dataclass
class Count:
    """Of one domain's split: prompts to be distilled, of them too long to be asked, solved, with a trace; responses by
    fate; correct responses; tokens of the kept."""

    prompts: int = 0
    too_long: int = 0
    solved: int = 0
    traced: int = 0
    correct: int = 0
    tokens: int = 0
    fates: Counter[str] = field(default_factory=Counter)

    def add(self, answer: Answered | None) -> None:
        """Count one prompt; None: it was too long."""
        self.prompts += 1
        if answer is None:
            self.too_long += 1
            return
        self.solved += answer.correct > 0
        self.traced += bool(answer.traces)
        self.correct += answer.correct
        self.tokens += sum(answer.tokens)
        self.fates.update(answer.fates)

    def step(self, name: str) -> StepCount:
        """The card's line: responses in, traces out, the others by fate; how many prompts have what."""
        rejected = {fate: count for fate, count in sorted(self.fates.items()) if fate != KEPT}
        prompts = {"prompts": self.prompts, "prompts_too_long": self.too_long, "prompts_solved": self.solved,
                   "prompts_with_trace": self.traced, "correct": self.correct, "trace_tokens": self.tokens}  # fmt: skip
        return StepCount(name, self.fates.total(), self.fates[KEPT], rejected, prompts)


class Counts:
    """The counts of all domains and splits that are distilled."""

    def __init__(self) -> None:
        self.of: dict[tuple[str, str], Count] = {}

    def add(self, question: Question, answer: Answered | None) -> None:
        """Count one prompt, unless its split is not distilled."""
        if question.wanted:
            self.of.setdefault((question.prompt.domain, question.split), Count()).add(answer)

    def steps(self) -> list[StepCount]:
        """The card's lines."""
        return [count.step(f"{domain}, {split}") for (domain, split), count in self.of.items()]


def metrics(steps: Sequence[StepCount]) -> dict[str, float]:
    """`distill/…` of the training prompts, from the card's lines."""
    found: dict[str, float] = {}
    for step in steps:
        domain, _, split = step.step.partition(", ")
        if split == "train" and step.rows_in:
            found |= {f"distill/{name}/{domain}": value for name, value in _shares(step).items()}
    return found


def _shares(step: StepCount) -> Mapping[str, float]:
    prompts = step.kept
    return {"pass_at_1": prompts["correct"] / step.rows_in, "accepted": accepted(step) / step.rows_in,
            "traced": prompts["prompts_with_trace"] / prompts["prompts"], "traces": step.rows_out,
            "length": prompts["trace_tokens"] / max(1, step.rows_out)}  # fmt: skip


def accepted(step: StepCount) -> int:
    """The responses of a line that are correct and passed all filters."""
    return step.rows_out + sum(step.dropped.get(fate, 0) for fate in ACCEPTED)
