"""Packing: indices by hand, packed against alone, and the split into micro-batches."""

from collections.abc import Callable
from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ringexp.models.bailing_moe import BailingMoeForCausalLM
from ringexp.models.logprob import score_responses
from ringexp.models.packing import Document, micro_batches, pack, rollout_document, trace_document
from ringexp.records import Prompt, Request, Rollout


def test_indices_of_three_documents() -> None:
    packed = pack([Document((10, 11, 12), (20, 21)), Document((13,), (22,)), Document((14, 15), (23, 24, 25))])
    # what is read:            10 11 12 20 | 13 | 14 15 23 24      the last response token is predicted, never read
    assert packed.input_ids.tolist() == [10, 11, 12, 20, 13, 14, 15, 23, 24]
    assert packed.position_ids.tolist() == [0, 1, 2, 3, 0, 0, 1, 2, 3]
    assert packed.lengths.tolist() == [4, 1, 4]
    assert packed.predict.tolist() == [2, 3, 4, 6, 7, 8]
    assert packed.targets.tolist() == [20, 21, 22, 23, 24, 25]
    assert packed.document.tolist() == [0, 0, 1, 2, 2, 2]


def test_packed_responses_score_as_each_document_alone(
    tiny: BailingMoeForCausalLM, make_documents: Callable[..., list[Document]]
) -> None:
    documents = make_documents(12)
    together = score_responses(tiny, pack(documents))
    alone = [score_responses(tiny, pack([document])) for document in documents]
    for name in ("logprob", "entropy", "margin"):
        torch.testing.assert_close(getattr(together, name), torch.cat([getattr(a, name) for a in alone]),
                                   atol=1e-5, rtol=0)  # fmt: skip
    for document, own in zip(documents, alone, strict=True):
        ids = torch.tensor([document.prompt_ids + document.response_ids])
        log_p = tiny(ids).logits[0, len(document.prompt_ids) - 1 : -1].log_softmax(-1)
        dense = log_p.gather(1, torch.tensor(document.response_ids)[:, None])[:, 0]
        torch.testing.assert_close(own.logprob, dense, atol=1e-5, rtol=0)


@pytest.mark.parametrize("document", [Document((), (1,)), Document((1,), ())])
def test_an_empty_prompt_or_response_raises(document: Document) -> None:
    with pytest.raises(ValueError, match="at least one"):
        pack([Document((1,), (2,)), document])


def test_documents_of_records() -> None:
    prompt = Prompt("p", "math", "?", "1", token_ids=(5, 6), trace_ids=(7, 8, 1))
    rollout = Rollout(Request(prompt, 0, 0), (9, 3, 1), (0.0,) * 3, (0,) * 3, "", False)
    assert trace_document(prompt) == Document((5, 6), (7, 8, 1))
    assert rollout_document(rollout) == Document((5, 6), (9, 3, 1))
    assert rollout_document(rollout, 2) == Document((5, 6), (9, 3))
    assert trace_document(prompt).length == 4


@given(lengths=st.lists(st.integers(1, 50), max_size=40), tokens=st.integers(1, 120))
def test_micro_batches_partition_the_documents_within_the_limit(lengths: list[int], tokens: int) -> None:
    batches = micro_batches(lengths, tokens)
    flat = [index for batch in batches for index in batch]
    assert sorted(flat) == list(range(len(lengths)))
    assert [lengths[i] for i in flat] == sorted(lengths)
    assert all(len(batch) == 1 or sum(lengths[i] for i in batch) <= tokens for batch in batches)
    # none could have taken the next document too
    for batch, following in pairwise(batches):
        assert sum(lengths[i] for i in batch) + lengths[following[0]] > tokens
