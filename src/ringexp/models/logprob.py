"""Log-probability and entropy of response tokens, fused with the LM head so that no [T, V] tensor stays alive.

The forward pass walks over chunks of tokens and keeps only the hidden states; the backward pass computes each
chunk's logits again. Full-vocabulary entropy, in nats.
"""

from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor

from ringexp.models.bailing_moe import BailingMoeForCausalLM, RouterStatistics
from ringexp.models.packing import Packed

CHUNK_ELEMENTS = 1 << 24
"""Logits computed at once (64 MiB in float32)."""


@dataclass(frozen=True, slots=True)
class Scored:
    """Per predicted response token [R]: log-probability and entropy (nats); and the routers' statistics.

    `margin` [R]: the smallest gap between the last chosen and the first refused expert's probability, over all routers
    and all positions of the document up to the one that predicts the token. Where it is about the rounding error,
    another correct implementation may choose the other expert, from there on.
    """

    logprob: Tensor
    entropy: Tensor
    margin: Tensor
    router: RouterStatistics


class _FusedLogprobEntropy(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, hidden: Tensor, weight: Tensor, targets: Tensor, temperature: float) -> tuple[Tensor, Tensor]:
        logprobs, entropies, lses = [], [], []
        for h, y in _chunks(hidden, targets, weight):
            logits = (h @ weight.T).float().div_(temperature)
            lse = logits.logsumexp(-1)
            logprobs.append(logits.gather(1, y[:, None])[:, 0] - lse)
            mean = torch.linalg.vecdot(torch.exp(logits - lse[:, None]), logits)
            entropies.append(lse - mean)
            lses.append(lse)
        entropy, lse = torch.cat(entropies), torch.cat(lses)
        ctx.save_for_backward(hidden, weight, targets, entropy, lse)
        ctx.temperature = temperature
        return torch.cat(logprobs), entropy

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, None, None]:
        hidden, weight, targets, entropy, lse = ctx.saved_tensors
        grad_hidden, grad_weight = torch.empty_like(hidden), torch.zeros_like(weight)
        start = 0
        for h, y in _chunks(hidden, targets, weight):
            rows = slice(start, start + len(h))
            g_logprob, g_entropy = grads[0][rows, None], grads[1][rows, None]
            logits = (h @ weight.T).float().div_(ctx.temperature)
            log_p = logits.sub_(lse[rows, None])
            p = log_p.exp()
            # d logprob / dz = onehot(y) - p and dH / dz = -p (log p + H)
            dz = p * (-g_logprob - g_entropy * (log_p + entropy[rows, None]))
            dz.scatter_add_(1, y[:, None], g_logprob)
            dz = dz.div_(ctx.temperature).to(weight.dtype)
            torch.mm(dz, weight, out=grad_hidden[rows])
            grad_weight.addmm_(dz.T, h)
            start += len(h)
        return grad_hidden, grad_weight, None, None


def _chunks(hidden: Tensor, targets: Tensor, weight: Tensor) -> list[tuple[Tensor, Tensor]]:
    rows = max(1, CHUNK_ELEMENTS // weight.shape[0])
    return list(zip(torch.split(hidden, rows), torch.split(targets, rows), strict=True))


def token_logprob_entropy(
    hidden: Tensor, weight: Tensor, targets: Tensor, temperature: float = 1.0
) -> tuple[Tensor, Tensor]:
    """Log-probability of `targets` and entropy of the whole distribution, softmax(hidden Wᵀ / temperature).

    hidden [R, H], weight [V, H], targets [R] → two float32 tensors [R], both differentiable.
    """
    if not len(targets):
        empty = hidden.new_zeros(0, dtype=torch.float32)
        return empty, empty
    fused = _FusedLogprobEntropy.apply(hidden, weight, targets, temperature)  # type: ignore[no-untyped-call]
    return cast(tuple[Tensor, Tensor], fused)


def score_responses(model: BailingMoeForCausalLM, packed: Packed, temperature: float = 1.0) -> Scored:
    """One forward pass over packed documents: log-probability and entropy of every response token."""
    output = model.packed(packed.input_ids, packed.position_ids, packed.lengths)
    hidden = output.hidden[packed.predict]
    logprob, entropy = token_logprob_entropy(hidden, model.lm_head.weight, packed.targets, temperature)
    return Scored(logprob, entropy, smallest_so_far(output.margin, packed.lengths)[packed.predict], output.router)


@torch.no_grad()
def smallest_so_far(values: Tensor, lengths: Tensor) -> Tensor:
    """Running minimum inside each document: values [T], lengths [N] summing to T → [T]."""
    documents = torch.nn.utils.rnn.pad_sequence(list(torch.split(values, lengths.tolist())), batch_first=True)
    running = documents.cummin(dim=1).values
    return torch.cat([row[:length] for row, length in zip(running, lengths.tolist(), strict=True)])
