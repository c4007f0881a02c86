"""Log-probability and full-vocabulary entropy (nats) of the response tokens in packed documents."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ringexp.models.bailing_moe import BailingMoeForCausalLM, RouterStatistics
from ringexp.models.fused_logprob import token_logprob_entropy
from ringexp.models.packing import Document, Packed, micro_batches, pack

__all__ = [
    "Scored", "TokenValues", "score_documents", "score_responses", "smallest_so_far", "token_logprob_entropy",
]  # fmt: skip


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


@dataclass(frozen=True, slots=True)
class TokenValues:
    """Of one response's tokens [R], float32 on the CPU: log-probability, entropy and margin, as `Scored` has them."""

    logprob: Tensor
    entropy: Tensor
    margin: Tensor


def score_responses(model: BailingMoeForCausalLM, packed: Packed, temperature: float = 1.0) -> Scored:
    """One forward pass over packed documents: log-probability and entropy of every response token."""
    output = model.packed(packed.input_ids, packed.position_ids, packed.lengths)
    hidden = output.hidden[packed.predict]
    logprob, entropy = token_logprob_entropy(hidden, model.lm_head.weight, packed.targets, temperature)
    return Scored(logprob, entropy, smallest_so_far(output.margin, packed.lengths)[packed.predict], output.router)


@torch.no_grad()
def score_documents(
    model: BailingMoeForCausalLM, documents: Sequence[Document], temperature: float = 1.0,
    micro_batch_tokens: int = 8192,
) -> list[TokenValues]:
    """The values of every document's response, in order, whatever micro-batches they were computed in."""
    device = next(model.parameters()).device
    found: dict[int, TokenValues] = {}
    for split in micro_batches([d.length for d in documents], micro_batch_tokens):
        chosen = [documents[i] for i in split]
        scored = score_responses(model, pack(chosen, device), temperature)
        lengths = [len(document.response_ids) for document in chosen]
        parts = (torch.split(x.cpu(), lengths) for x in (scored.logprob, scored.entropy, scored.margin))
        found |= {index: TokenValues(*values) for index, *values in zip(split, *parts, strict=True)}
    return [found[index] for index in range(len(documents))]


@torch.no_grad()
def smallest_so_far(values: Tensor, lengths: Tensor) -> Tensor:
    """Running minimum inside each document: values [T], lengths [N] summing to T → [T]."""
    documents = torch.nn.utils.rnn.pad_sequence(list(torch.split(values, lengths.tolist())), batch_first=True)
    running = documents.cummin(dim=1).values
    return torch.cat([row[:length] for row, length in zip(running, lengths.tolist(), strict=True)])
