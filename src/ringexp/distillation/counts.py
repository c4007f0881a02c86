"""How many responses were accepted, and what became of the others: by domain and split, for card, record and table."""

from collections import Counter
from collections.abc import Mapping
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

    @property
    def accepted(self) -> int:
        """Responses that are correct and passed all filters."""
        return sum(self.fates[fate] for fate in ACCEPTED)

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

    def metrics(self) -> dict[str, float]:
        """`distill/…` of the training prompts."""
        found: dict[str, float] = {}
        for (domain, split), count in self.of.items():
            if split == "train" and count.fates:
                found |= {f"distill/{name}/{domain}": value for name, value in _shares(count).items()}
        return found


def _shares(count: Count) -> Mapping[str, float]:
    responses, kept = count.fates.total(), count.fates[KEPT]
    return {"pass_at_1": count.correct / responses, "accepted": count.accepted / responses,
            "traced": count.traced / count.prompts, "traces": kept, "length": count.tokens / max(1, kept)}  # fmt: skip
