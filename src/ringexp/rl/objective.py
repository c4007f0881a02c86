"""The clipped policy objective, composed of small pure parts over flat response tokens.

Every part maps `[R]` tensors to `[R]` tensors; an algorithm is a choice of parts (conf/algorithm/), never a branch on
a name. Weights come from the whole step, so the sum over micro-batches does not depend on how a step was split.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


def token_ratio(logprob: Tensor, old_logprob: Tensor) -> Tensor:
    """r_t = π_θ(y_t) / π_old(y_t), token by token (paper Eq. 2). [R], [R] → [R]; gradient through `logprob` only."""
    return torch.exp(logprob - old_logprob.detach())


def clipped_surrogate(ratio: Tensor, advantage: Tensor, clip_low: float, clip_high: float) -> Tensor:
    """min(r·A, clip(r, 1 − clip_low, 1 + clip_high)·A) (paper Eq. 2; the paper clips symmetrically). [R] → [R]."""
    return torch.minimum(ratio * advantage, ratio.clamp(1 - clip_low, 1 + clip_high) * advantage)


def k3_divergence(logprob: Tensor, reference_logprob: Tensor) -> Tensor:
    """Per-token estimate of KL(π_θ ‖ π_ref): exp(Δ) − Δ − 1, Δ = log π_ref − log π_θ (our choice of estimator)."""
    delta = reference_logprob.detach() - logprob
    return torch.exp(delta) - delta - 1


def budget_weights(token_counts: Sequence[int], token_budget: int | None) -> list[float]:
    """C3PO's normaliser: the constant 1/Φ for every token, in unfilled steps too (paper Eq. 2).

    Args: trained tokens of each response. Returns one weight a response, given to each of its tokens.
    Raises ValueError without a budget.
    """
    if token_budget is None:
        raise ValueError("the normaliser 'budget' needs algorithm.token_budget")
    return [1.0 / token_budget] * len(token_counts)


def token_weights(token_counts: Sequence[int], token_budget: int | None) -> list[float]:
    """DAPO's token mean: 1/Σ|y|, which varies from step to step."""
    total = sum(token_counts)
    return [1.0 / total for _ in token_counts]


def sequence_weights(token_counts: Sequence[int], token_budget: int | None) -> list[float]:
    """GRPO's weights: each response counts the same, 1/(N·|y_i|) a token."""
    return [1.0 / (len(token_counts) * count) for count in token_counts]


Ratio = Callable[[Tensor, Tensor], Tensor]
Weights = Callable[[Sequence[int], int | None], list[float]]


@dataclass(frozen=True, slots=True)
class ObjectiveTerms:
    """What one micro-batch adds: the loss to differentiate, and sums for the step's diagnostics (detached)."""

    loss: Tensor
    clipped: Tensor
    reference_kl: Tensor
    entropy: Tensor


@dataclass(frozen=True)
class PolicyObjective:
    """L = − Σ_t w_t · (min(r A, clip(r) A) − β·KL_t + α_ent·H_t) over the step's trained tokens.

    With `weights` = 1/Φ this is C3PO (paper Eq. 2) with its entropy term read as a bonus (our resolution: the paper
    prints the other sign beside a text that calls it a bonus). The balance and z losses of the routers are added by
    the caller, from the whole step's counts.
    """

    ratio: Ratio
    weights: Weights
    clip_low: float = 0.2
    clip_high: float = 0.2
    kl_coef: float = 1e-3
    entropy_coef: float = 5e-4

    def __call__(
        self, logprob: Tensor, old_logprob: Tensor, reference_logprob: Tensor, entropy: Tensor, advantage: Tensor,
        weight: Tensor,
    ) -> ObjectiveTerms:
        """All arguments [R], one entry a response token; `weight` already normalised over the step."""
        ratio = self.ratio(logprob, old_logprob)
        surrogate = clipped_surrogate(ratio, advantage, self.clip_low, self.clip_high)
        divergence = k3_divergence(logprob, reference_logprob)
        loss = -(weight * (surrogate - self.kl_coef * divergence + self.entropy_coef * entropy)).sum()
        with torch.no_grad():
            unclipped = ratio * advantage
            clipped = (surrogate < unclipped).sum()
        return ObjectiveTerms(loss, clipped, divergence.detach().sum(), entropy.detach().sum())
