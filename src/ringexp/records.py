"""What flows between the parts of the recipe: immutable records, no behaviour beyond simple totals."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

CHOICE = "choice"
"""`Prompt.kind` of multiple choice: the answer is the letter of an option."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """One verifiable problem.

    `question` is the bare problem; the suffix that asks for a boxed answer and the chat template are added when it
    is encoded. `trace` is a worked solution (teacher trace) where the source has one. `token_ids` is the encoded
    prompt, empty until a tokenizer has seen it; `trace_ids` the encoded response, end-of-sequence token included.
    """

    id: str
    domain: str
    question: str
    answer: str
    kind: str = ""
    level: int = 0
    trace: str | None = None
    token_ids: tuple[int, ...] = ()
    trace_ids: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Sampling:
    """How responses are drawn. `max_tokens` limits the response, end-of-sequence token included."""

    temperature: float = 1.0
    max_tokens: int = 128


@dataclass(frozen=True, slots=True)
class Request:
    """One response to draw: the prompt, which of its samples this is, and the seed of its draw."""

    prompt: Prompt
    sample: int
    seed: int


@dataclass(frozen=True, slots=True)
class Rollout:
    """A response as the engine drew it.

    `token_ids`, `logprobs` and `versions` have one entry per response token, the end-of-sequence token included:
    the engine's log-probability of the token (nats, at the sampling temperature) and the policy version that
    produced it. `truncated` says that the length limit ended the response.
    """

    request: Request
    token_ids: tuple[int, ...]
    logprobs: tuple[float, ...]
    versions: tuple[int, ...]
    text: str
    truncated: bool


class Outcome(StrEnum):
    """What a verifier found. Only `CORRECT` is worth 1; the others are counted apart, never a silent zero."""

    CORRECT = "correct"
    WRONG = "wrong"
    UNPARSABLE = "unparsable"
    TIMEOUT = "timeout"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Verdict:
    """A verifier's judgement of one response; `detail` says in a few words why it is not correct."""

    outcome: Outcome
    detail: str = ""

    @property
    def reward(self) -> float:
        """1 for a correct response, else 0 (paper section on rewards: no format reward, no length penalty)."""
        return 1.0 if self.outcome is Outcome.CORRECT else 0.0


@dataclass(frozen=True, slots=True)
class Group:
    """The K responses to one prompt with their verdicts, in sample order."""

    prompt: Prompt
    rollouts: tuple[Rollout, ...]
    verdicts: tuple[Verdict, ...]

    @property
    def rewards(self) -> tuple[float, ...]:
        """Rewards in sample order."""
        return tuple(v.reward for v in self.verdicts)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """An SFT checkpoint as MLflow knows it: where its weights lie and what was measured of it."""

    model_id: str
    name: str
    step: int
    path: Path
    metrics: Mapping[str, float] = field(default_factory=dict)
