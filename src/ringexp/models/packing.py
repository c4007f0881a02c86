"""Packing: documents laid end to end without padding, each a prompt and the response that is learned or scored.

Attention never crosses documents (positions restart with each); only response tokens are predicted.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ringexp.records import Prompt, Rollout


@dataclass(frozen=True, slots=True)
class Document:
    """A prompt and a response, as token ids. The response's last token is predicted but never fed."""

    prompt_ids: tuple[int, ...]
    response_ids: tuple[int, ...]

    @property
    def length(self) -> int:
        """Tokens the model reads: all but the last one."""
        return len(self.prompt_ids) + len(self.response_ids) - 1


@dataclass(frozen=True, slots=True)
class Packed:
    """Documents as flat tensors: T tokens read, R response tokens predicted.

    input_ids [T], position_ids [T] (restarting at each document), lengths [N]; predict [R] are the indices into T
    whose hidden state predicts the response tokens targets [R]; document [R] numbers the document of each.
    """

    input_ids: Tensor
    position_ids: Tensor
    lengths: Tensor
    predict: Tensor
    targets: Tensor
    document: Tensor


def trace_document(prompt: Prompt) -> Document:
    """The document of a prompt and its teacher trace."""
    return Document(prompt.token_ids, prompt.trace_ids)


def rollout_document(rollout: Rollout, tokens: int | None = None) -> Document:
    """The document of a rollout, its response cut after `tokens` tokens where the budget cut it."""
    return Document(rollout.request.prompt.token_ids, rollout.token_ids[:tokens])


def pack(documents: Sequence[Document], device: torch.device | str = "cpu") -> Packed:
    """Lay the documents end to end, in the given order. Raises ValueError on an empty prompt or response."""
    inputs: list[int] = []
    positions: list[int] = []
    predict: list[int] = []
    targets: list[int] = []
    owner: list[int] = []
    for number, document in enumerate(documents):
        if not document.prompt_ids or not document.response_ids:
            raise ValueError("a document needs at least one prompt token and one response token")
        start = len(inputs)
        inputs.extend(document.prompt_ids)
        inputs.extend(document.response_ids[:-1])
        positions.extend(range(document.length))
        first = start + len(document.prompt_ids) - 1
        predict.extend(range(first, first + len(document.response_ids)))
        targets.extend(document.response_ids)
        owner.extend([number] * len(document.response_ids))
    lengths = [document.length for document in documents]
    return Packed(*(torch.tensor(x, dtype=torch.long, device=device)
                    for x in (inputs, positions, lengths, predict, targets, owner)))


def micro_batches(lengths: Iterable[int], tokens: int) -> list[list[int]]:
    """Split documents into micro-batches of at most `tokens` read tokens (one document may exceed it alone).

    Documents are taken shortest first, so that each micro-batch holds like lengths and attention wastes little.
    Returns lists of document indices; a pure function of the lengths.
    """
    order = sorted(enumerate(lengths), key=lambda item: (item[1], item[0]))
    batches: list[list[int]] = []
    room = 0
    for index, length in order:
        if not batches or length > room:
            batches.append([])
            room = tokens
        batches[-1].append(index)
        room -= length
    return batches
