"""The entropy that chooses checkpoints: what it counts, and that batching does not change it."""

import random
from collections.abc import Callable
from dataclasses import astuple

import pytest
import torch

from ringexp.entropy.measure import measure
from ringexp.models.bailing_moe import BailingMoeForCausalLM
from ringexp.models.packing import Document

Make = Callable[..., list[Document]]


def dense(model: BailingMoeForCausalLM, documents: list[Document], temperature: float) -> tuple[float, float, int]:
    """Document by document, every distribution written out in float64; pooled over tokens."""
    entropy = cross_entropy = 0.0
    tokens = 0
    for document in documents:
        ids = torch.tensor([document.prompt_ids + document.response_ids])
        logits = model(ids).logits[0].double() / temperature
        for place, token in enumerate(document.response_ids, len(document.prompt_ids) - 1):
            p = logits[place].softmax(0)
            entropy -= float((p * p.log()).sum())
            cross_entropy -= float(p[token].log())
            tokens += 1
    return entropy / tokens, cross_entropy / tokens, tokens


@pytest.mark.parametrize("temperature", [1.0, 0.5, 2.0])
def test_equals_a_dense_computation(tiny: BailingMoeForCausalLM, make_documents: Make, temperature: float) -> None:
    documents = make_documents(20)
    with torch.no_grad():
        expected = dense(tiny, documents, temperature)
    assert astuple(measure(tiny, documents, temperature=temperature)) == pytest.approx(expected, rel=1e-6)


def test_temperature_raises_entropy(tiny: BailingMoeForCausalLM, make_documents: Make) -> None:
    cold, plain, hot = (measure(tiny, make_documents(5), temperature=t).entropy for t in (0.5, 1.0, 2.0))
    assert cold < plain < hot < torch.tensor(64.0).log()


@pytest.mark.parametrize("micro_batch_tokens", [1, 37, 100_000])
def test_independent_of_micro_batches_and_order(
    tiny: BailingMoeForCausalLM, make_documents: Make, micro_batch_tokens: int
) -> None:
    documents = make_documents(20)
    expected = measure(tiny, documents)
    random.Random(0).shuffle(documents)
    found = measure(tiny, documents, micro_batch_tokens=micro_batch_tokens)
    assert astuple(found) == pytest.approx(astuple(expected), rel=1e-6)


def test_parts_pool_by_tokens_not_by_documents(tiny: BailingMoeForCausalLM, make_documents: Make) -> None:
    documents = make_documents(20)
    whole, parts = measure(tiny, documents), [measure(tiny, documents[:3]), measure(tiny, documents[3:])]
    assert whole.tokens == sum(p.tokens for p in parts)
    for name in ("entropy", "cross_entropy"):
        pooled = sum(getattr(p, name) * p.tokens for p in parts) / whole.tokens
        assert getattr(whole, name) == pytest.approx(pooled, rel=1e-6)
        by_document = sum(getattr(measure(tiny, [d]), name) for d in documents) / len(documents)
        assert getattr(whole, name) != pytest.approx(by_document, rel=1e-3)


def test_prompts_are_not_counted(tiny: BailingMoeForCausalLM) -> None:
    document = Document((3, 4, 5, 6), (7, 8, 9))
    assert measure(tiny, [document]).tokens == 3
    # the same tokens with more of them as response: the longer response holds the shorter one's share
    longer = measure(tiny, [Document((3, 4), (5, 6, 7, 8, 9))])
    first = measure(tiny, [Document((3, 4), (5, 6))])
    rest = measure(tiny, [document])
    assert longer.entropy == pytest.approx((2 * first.entropy + 3 * rest.entropy) / 5, rel=1e-6)


def test_no_documents_raise(tiny: BailingMoeForCausalLM) -> None:
    with pytest.raises(ValueError, match="at least one"):
        measure(tiny, [])
