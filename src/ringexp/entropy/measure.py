"""Entropy and cross-entropy of responses under a model, in nats per token, and how sure the mean is.

Three quantities are made from this one measure, and never mixed up (paper section on entropy; our resolution):
rollout entropy (own samples at the sampling temperature, on RL prompts), teacher-forced entropy and validation
cross-entropy (on validation traces). All are pooled over tokens: the sum over response tokens, the end-of-sequence
token included, divided by their number. Prompts and padding are never counted. Full vocabulary.
"""

import math
from collections import defaultdict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

from ringexp.models.bailing_moe import BailingMoeForCausalLM
from ringexp.models.logprob import TokenValues, score_documents
from ringexp.models.packing import Document


@dataclass(frozen=True, slots=True)
class Measured:
    """Means over `tokens` response tokens: entropy of the model's distribution, cross-entropy of the tokens (nats)."""

    entropy: float
    cross_entropy: float
    tokens: int


def measure(
    model: BailingMoeForCausalLM, documents: Sequence[Document], *, temperature: float = 1.0,
    micro_batch_tokens: int = 8192,
) -> Measured:
    """Measure the documents' responses. Raises ValueError without documents."""
    return pooled(score_documents(model, documents, temperature, micro_batch_tokens))


def pooled(values: Sequence[TokenValues]) -> Measured:
    """Means over all tokens of the responses; sums are kept in float64. Raises ValueError without responses."""
    if not values:
        raise ValueError("entropy needs at least one response")
    tokens = sum(len(v.entropy) for v in values)
    entropy = sum(float(v.entropy.double().sum()) for v in values) / tokens
    return Measured(entropy, -sum(float(v.logprob.double().sum()) for v in values) / tokens, tokens)


def standard_error(values: Sequence[TokenValues], prompts: Sequence[Hashable], strata: Sequence[Hashable]) -> float:
    """Standard error of the pooled mean entropy over the draw of prompts and of their responses (nats per token).

    `prompts` and `strata` name each response's prompt and the pool that the prompt was drawn from, in a number that was
    fixed: the domain. Tokens of a response, and responses to a prompt, are alike, so whole prompts are what was drawn
    independently. Prompt i of stratum h has the summed entropy y_i over x_i tokens; the mean R = Σ y_i / Σ x_i is a
    ratio, whose error to first order is that of the residuals d_i = y_i − R x_i (Cochran, Sampling Techniques, 1977,
    chapter 6, the combined ratio estimate; without the correction for a finite pool):

        SE² = Σ_h n_h / (n_h − 1) · Σ_{i in h} (d_i − mean_h d)² / (Σ x_i)²

    with n_h prompts in stratum h. nan where a stratum has one prompt only.
    """
    mean = pooled(values).entropy
    residuals: dict[Hashable, dict[Hashable, float]] = defaultdict(lambda: defaultdict(float))
    for value, prompt, stratum in zip(values, prompts, strata, strict=True):
        residuals[stratum][prompt] += float((value.entropy.double() - mean).sum())
    spread = sum(_spread(list(own.values())) for own in residuals.values())
    return math.sqrt(spread) / sum(len(v.entropy) for v in values)


def _spread(residuals: Sequence[float]) -> float:
    """n / (n − 1) times the sum of squares around the mean: the variance of the residuals' sum. nan for one alone."""
    n = len(residuals)
    mean = sum(residuals) / n
    return n / (n - 1) * sum((d - mean) ** 2 for d in residuals) if n > 1 else math.nan
