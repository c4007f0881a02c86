"""Do trainer and engine hold the same weights? Their log-probabilities of the same tokens, compared."""

from collections.abc import Sequence

import torch
from torch import Tensor

from ringexp.models.bailing_moe import BailingMoeForCausalLM
from ringexp.models.logprob import Scored, TokenValues, score_documents
from ringexp.models.packing import rollout_document
from ringexp.records import Rollout
from ringexp.rollout.engine import mismatch


class Agreement:
    """How far trainer and engine lie apart on a step's trained tokens."""

    def __init__(self) -> None:
        self._trainer: list[Tensor] = []
        self._engine: list[Tensor] = []
        self._undecided: list[Tensor] = []

    def add(self, scored: Scored | TokenValues, behaviour: Tensor, near_tie: float) -> None:
        """Add the log-probabilities of a micro-batch, or of one response, under both."""
        self._trainer.append(scored.logprob.detach().cpu())
        self._engine.append(behaviour.cpu())
        self._undecided.append((scored.margin < near_tie).cpu())

    @property
    def tokens(self) -> int:
        """Tokens compared."""
        return sum(map(len, self._trainer))

    def metrics(self) -> dict[str, float]:
        """`mismatch/…` and `kl/behaviour`. The percentile leaves out tokens at or after a router's near-tie."""
        trainer, engine, undecided = (torch.cat(x) for x in (self._trainer, self._engine, self._undecided))
        decided = ~undecided if not bool(undecided.all()) else torch.ones_like(undecided)
        p999, _ = mismatch(trainer[decided].numpy(), engine[decided].numpy())
        _, maximum = mismatch(trainer.numpy(), engine.numpy())
        return {
            "mismatch/p999_logprob": p999,
            "mismatch/max_logprob": maximum,
            "mismatch/near_ties": float(undecided.double().mean()),
            "kl/behaviour": float((engine.double() - trainer.double()).mean()),
        }


def agreement_on(
    model: BailingMoeForCausalLM, rollouts: Sequence[Rollout], temperature: float, near_tie: float
) -> dict[str, float]:
    """`mismatch/…` metrics of the model against the engine that drew the rollouts."""
    values = score_documents(model, [rollout_document(rollout) for rollout in rollouts], temperature)
    return agreement_of(values, rollouts, near_tie)


def agreement_of(values: Sequence[TokenValues], rollouts: Sequence[Rollout], near_tie: float) -> dict[str, float]:
    """The same from the model's values of the rollouts' tokens, where they are known already."""
    agreement = Agreement()
    for own, rollout in zip(values, rollouts, strict=True):
        agreement.add(own, torch.tensor(rollout.logprobs), near_tie)
    return agreement.metrics()
