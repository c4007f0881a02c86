"""Entropy and cross-entropy of responses under a model, in nats per token.

Three quantities are made from this one measure, and never mixed up (paper section on entropy; our resolution):
rollout entropy (own samples at the sampling temperature, on RL prompts), teacher-forced entropy and validation
cross-entropy (on validation traces). All are pooled over tokens: the sum over response tokens, the end-of-sequence
token included, divided by their number. Prompts and padding are never counted. Full vocabulary.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from ringexp.models.bailing_moe import BailingMoeForCausalLM
from ringexp.models.logprob import score_responses
from ringexp.models.packing import Document, micro_batches, pack


@dataclass(frozen=True, slots=True)
class Measured:
    """Means over `tokens` response tokens: entropy of the model's distribution, cross-entropy of the tokens (nats)."""

    entropy: float
    cross_entropy: float
    tokens: int


@torch.no_grad()
def measure(
    model: BailingMoeForCausalLM, documents: Sequence[Document], *, temperature: float = 1.0,
    micro_batch_tokens: int = 8192,
) -> Measured:
    """Measure the documents' responses. Sums are kept in float64. Raises ValueError without documents."""
    if not documents:
        raise ValueError("entropy needs at least one response")
    entropy = cross_entropy = 0.0
    tokens = 0
    for split in micro_batches([d.length for d in documents], micro_batch_tokens):
        packed = pack([documents[i] for i in split], next(model.parameters()).device)
        scored = score_responses(model, packed, temperature)
        entropy += float(scored.entropy.double().sum())
        cross_entropy -= float(scored.logprob.double().sum())
        tokens += len(packed.targets)
    return Measured(entropy / tokens, cross_entropy / tokens, tokens)
