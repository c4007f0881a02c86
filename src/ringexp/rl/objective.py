"""The clipped policy objective, composed of small pure parts over flat response tokens.

An algorithm is a choice of parts (conf/algorithm/), never a branch on a name: the ratio's level, the normaliser, the
correction for the engine, and numbers. Weights come from the whole optimizer update, so the sum over micro-batches and
ranks does not depend on how it was split.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class ResponseTokens:
    """One micro-batch's R trained tokens, each field [R].

    logprob and entropy carry the gradient; old: log-probability under the policy that the update batch began with;
    behaviour: under the rollout engine; reference: under the frozen reference (None where no KL term needs it);
    advantage; weight, normalised over the update; document numbers the response of each token.
    """

    logprob: Tensor
    entropy: Tensor
    old: Tensor
    behaviour: Tensor
    reference: Tensor | None
    advantage: Tensor
    weight: Tensor
    document: Tensor


def token_ratio(logprob: Tensor, old_logprob: Tensor, document: Tensor) -> Tensor:
    """r_t = π_θ(y_t) / π_old(y_t), token by token (paper Eq. 2). [R] each → [R]; gradient through `logprob` only."""
    return torch.exp(logprob - old_logprob.detach())


def sequence_ratio(logprob: Tensor, old_logprob: Tensor, document: Tensor) -> Tensor:
    """s_i = (π_θ(y_i) / π_old(y_i))^(1/|y_i|), for each of its tokens (GSPO, arXiv 2507.18071 Eq. 7).

    [R] each → [R]; gradient through `logprob` only. Of a cut response, the mean is over what is trained.
    """
    log_ratio = logprob - old_logprob.detach()
    responses = int(document.max()) + 1 if len(document) else 0
    sums = log_ratio.new_zeros(responses).index_add(0, document, log_ratio)
    return torch.exp(sums / document.bincount(minlength=responses))[document]


def clipped_surrogate(ratio: Tensor, advantage: Tensor, clip_low: float, clip_high: float) -> Tensor:
    """min(r·A, clip(r, 1 − clip_low, 1 + clip_high)·A) (paper Eq. 2; the paper clips symmetrically). [R] → [R]."""
    return torch.minimum(ratio * advantage, ratio.clamp(1 - clip_low, 1 + clip_high) * advantage)


def k3_divergence(logprob: Tensor, reference_logprob: Tensor) -> Tensor:
    """Per-token estimate of KL(π_θ ‖ π_ref): exp(Δ) − Δ − 1, Δ = log π_ref − log π_θ (our choice of estimator)."""
    delta = reference_logprob.detach() - logprob
    return torch.exp(delta) - delta - 1


def uncorrected(old_logprob: Tensor, behaviour_logprob: Tensor) -> Tensor:
    """Trainer and engine are taken for the same policy: factor 1. [R], [R] → [R]."""
    return torch.ones_like(old_logprob)


def truncated_importance(old_logprob: Tensor, behaviour_logprob: Tensor, cap: float = 2.0) -> Tensor:
    """Truncated importance sampling on the trainer/engine ratio: min(k, cap), k = π_old / π_engine. [R], [R] → [R]."""
    return torch.exp(old_logprob - behaviour_logprob).clamp(max=cap)


def icepop(old_logprob: Tensor, behaviour_logprob: Tensor, low: float = 0.5, high: float = 5.0) -> Tensor:
    """IcePop (arXiv 2510.18855): k = π_old / π_engine inside [low, high], 0 outside. [R], [R] → [R]."""
    ratio = torch.exp(old_logprob - behaviour_logprob)
    return torch.where((ratio >= low) & (ratio <= high), ratio, 0.0)


@dataclass(frozen=True, slots=True)
class UpdateSize:
    """What the weights of one optimizer update are made from.

    lengths: trained tokens of each response of this rank; tokens and responses: their totals over all ranks;
    token_budget: Φ of this update and rank; max_response_tokens: the stage's limit.
    """

    lengths: tuple[int, ...]
    tokens: int
    responses: int
    ranks: int
    token_budget: int | None
    max_response_tokens: int


def one_rank(lengths: Sequence[int], token_budget: int | None, max_response_tokens: int) -> UpdateSize:
    """The size of an update that this process makes alone."""
    return UpdateSize(tuple(lengths), sum(lengths), len(lengths), 1, token_budget, max_response_tokens)


# Gradients are averaged over ranks, so a weight that is global to the update is multiplied by the number of ranks.


def budget_weights(size: UpdateSize) -> list[float]:
    """C3PO's normaliser: the constant 1/Φ for every token, in unfilled steps too (paper Eq. 2).

    Returns one weight a response, given to each of its tokens. Raises ValueError without a budget.
    """
    if size.token_budget is None:
        raise ValueError("the normaliser 'budget' needs algorithm.token_budget")
    return [1.0 / size.token_budget] * len(size.lengths)


def token_weights(size: UpdateSize) -> list[float]:
    """DAPO's token mean: 1/Σ|y| (arXiv 2503.14476 Eq. 8), which varies from step to step."""
    return [size.ranks / size.tokens for _ in size.lengths]


def sequence_weights(size: UpdateSize) -> list[float]:
    """GRPO's weights: each response counts the same, 1/(N·|y_i|) a token (arXiv 2402.03300 Eq. 3)."""
    return [size.ranks / (size.responses * length) for length in size.lengths]


def constant_weights(size: UpdateSize) -> list[float]:
    """Dr.GRPO's: 1/(N·L) a token, L the longest response allowed (arXiv 2503.20783), so that length has no say."""
    return [size.ranks / (size.responses * size.max_response_tokens) for _ in size.lengths]


Ratio = Callable[[Tensor, Tensor, Tensor], Tensor]
Correction = Callable[[Tensor, Tensor], Tensor]
Weights = Callable[[UpdateSize], list[float]]


@dataclass(frozen=True, slots=True)
class ObjectiveTerms:
    """What one micro-batch adds: the loss to differentiate, and sums over its tokens for diagnostics (detached).

    clipped counts tokens where the clip took the gradient; corrected sums the correction's factors, rejected counts
    those that are 0; reference_kl is None without a reference.
    """

    loss: Tensor
    clipped: Tensor
    corrected: Tensor
    rejected: Tensor
    reference_kl: Tensor | None
    entropy: Tensor


@dataclass(frozen=True)
class PolicyObjective:
    """L = − Σ_t w_t · (c_t · min(r A, clip(r) A) − β·KL_t + α_ent·H_t) over the update's trained tokens.

    With w = 1/Φ and c = 1 this is C3PO (paper Eq. 2) with its entropy term read as a bonus (our resolution: the paper
    prints the other sign beside a text that calls it a bonus). The balance and z losses of the routers are added by
    the caller, from the whole update's counts.
    """

    ratio: Ratio
    weights: Weights
    correction: Correction = uncorrected
    clip_low: float = 0.2
    clip_high: float = 0.2
    kl_coef: float = 1e-3
    entropy_coef: float = 5e-4

    def __call__(self, tokens: ResponseTokens) -> ObjectiveTerms:
        """The terms of one micro-batch. Raises ValueError where the KL term has no reference."""
        ratio = self.ratio(tokens.logprob, tokens.old, tokens.document)
        surrogate = clipped_surrogate(ratio, tokens.advantage, self.clip_low, self.clip_high)
        factor = self.correction(tokens.old, tokens.behaviour).detach()
        gain = factor * surrogate + self.entropy_coef * tokens.entropy
        divergence = None
        if tokens.reference is not None:
            divergence = k3_divergence(tokens.logprob, tokens.reference)
            gain = gain - self.kl_coef * divergence
        elif self.kl_coef:
            raise ValueError(f"kl_coef={self.kl_coef} needs the reference's log-probabilities")
        with torch.no_grad():
            clipped = (surrogate < ratio * tokens.advantage).sum()
        return ObjectiveTerms(
            loss=-(tokens.weight * gain).sum(), clipped=clipped, corrected=factor.sum(), rejected=(factor == 0).sum(),
            reference_kl=None if divergence is None else divergence.detach().sum(),
            entropy=tokens.entropy.detach().sum(),
        )  # fmt: skip
