"""Do trainer and engine hold the same weights? Their log-probabilities of the same tokens, compared."""

from collections.abc import Sequence

import torch
from torch import Tensor

from ringexp.models.bailing_moe import BailingMoeForCausalLM
from ringexp.models.logprob import Scored, score_responses
from ringexp.models.packing import micro_batches, pack, rollout_document
from ringexp.records import Rollout
from ringexp.rollout.engine import mismatch

MICRO_BATCH_TOKENS = 8192


class Agreement:
    """How far trainer and engine lie apart on a step's trained tokens."""

    def __init__(self) -> None:
        self._trainer: list[Tensor] = []
        self._engine: list[Tensor] = []
        self._undecided: list[Tensor] = []

    def add(self, scored: Scored, behaviour: Tensor, near_tie: float) -> None:
        """Add one micro-batch's log-probabilities under both."""
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


@torch.no_grad()
def agreement_on(
    model: BailingMoeForCausalLM, rollouts: Sequence[Rollout], temperature: float, near_tie: float
) -> dict[str, float]:
    """`mismatch/…` metrics of the model against the engine that drew the rollouts."""
    agreement = Agreement()
    documents = [rollout_document(rollout) for rollout in rollouts]
    device = next(model.parameters()).device
    for split in micro_batches([d.length for d in documents], MICRO_BATCH_TOKENS):
        scored = score_responses(model, pack([documents[i] for i in split], device), temperature)
        engine = torch.tensor([x for i in split for x in rollouts[i].logprobs])
        agreement.add(scored, engine, near_tie)
    return agreement.metrics()
