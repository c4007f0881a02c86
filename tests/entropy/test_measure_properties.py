"""The three quantities against a reference in float64, and what they must not depend on."""

import math
import random
from collections.abc import Callable
from copy import deepcopy
from functools import cache

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from ringexp.entropy.measure import measure
from ringexp.models.bailing_moe import BailingMoeForCausalLM
from ringexp.models.logprob import TokenValues, score_documents
from ringexp.models.packing import Document

EOS, VOCABULARY = 1, 64
TOLERANCE = 1e-6
"""Of means, in nats; a single token's value is float32, from float32 logits of a few units: 20 times that."""

token = st.integers(0, VOCABULARY - 1)
document = st.builds(
    lambda prompt, response, ended: Document(tuple(prompt), (*response, EOS) if ended else tuple(response)),
    st.lists(token, min_size=1, max_size=6), st.lists(token, min_size=1, max_size=14), st.booleans(),
)  # fmt: skip
documents = st.lists(document, min_size=1, max_size=8)
temperature = st.floats(0.3, 3.0)
Make = Callable[..., BailingMoeForCausalLM]


@pytest.fixture(scope="module")
def models(make_tiny: Make) -> Callable[[int], tuple[BailingMoeForCausalLM, BailingMoeForCausalLM]]:
    """By seed: a model, and the same weights in float64."""

    @cache
    def pair(seed: int) -> tuple[BailingMoeForCausalLM, BailingMoeForCausalLM]:
        model = make_tiny(seed).eval()
        return model, deepcopy(model).double()

    return pair


@torch.no_grad()
def reference(exact: BailingMoeForCausalLM, document: Document, temperature: float) -> tuple[Tensor, Tensor]:
    """Entropy and cross-entropy of every response token, one document in one plain forward pass.

    Weights, hidden states, logits and sums are float64; the model itself computes the rotary angles and the router's
    logits in float32 whatever its weights are.
    """
    ids = torch.tensor([document.prompt_ids + document.response_ids])
    log_p = (exact(ids).logits[0].double() / temperature).log_softmax(-1)
    log_p = log_p[len(document.prompt_ids) - 1 : -1]
    return -(log_p.exp() * log_p).sum(-1), -log_p.gather(1, torch.tensor(document.response_ids)[:, None])[:, 0]


def near(values: TokenValues, others: tuple[Tensor, Tensor], tolerance: float) -> bool:
    found = (values.entropy.double(), -values.logprob.double())
    return all(len(a) == len(b) and float((a - b).abs().max()) <= tolerance
               for a, b in zip(found, others, strict=True))  # fmt: skip


@given(documents=documents, seed=st.integers(0, 3), temperature=temperature)
def test_every_token_and_the_means_equal_a_float64_reference(
    models: Callable[[int], tuple[BailingMoeForCausalLM, BailingMoeForCausalLM]], documents: list[Document], seed: int,
    temperature: float,
) -> None:
    model, exact = models(seed)
    expected = [reference(exact, d, temperature) for d in documents]
    for values, one in zip(score_documents(model, documents, temperature), expected, strict=True):
        assert near(values, one, 20 * TOLERANCE / min(temperature, 1))
    found = measure(model, documents, temperature=temperature)
    entropy, cross_entropy = (torch.cat(x).mean() for x in zip(*expected, strict=True))
    assert found.entropy == pytest.approx(float(entropy), abs=5 * TOLERANCE)
    assert found.cross_entropy == pytest.approx(float(cross_entropy), abs=5 * TOLERANCE)


@pytest.mark.parametrize("temperature", [0.6, 1.0, 1.5])
def test_a_probes_mean_equals_the_reference_to_1e_6(
    models: Callable[[int], tuple[BailingMoeForCausalLM, BailingMoeForCausalLM]], make_documents: Callable[..., list],
    temperature: float,
) -> None:
    """200 documents, as a probe has: the means that decide."""
    model, exact = models(0)
    documents = make_documents(200, seed=7)
    entropy, cross_entropy = (torch.cat(x) for x in zip(*(reference(exact, d, temperature) for d in documents)))
    found = measure(model, documents, temperature=temperature, micro_batch_tokens=500)
    assert found.tokens == len(entropy) > 1000
    assert found.entropy == pytest.approx(float(entropy.mean()), abs=TOLERANCE)
    assert found.cross_entropy == pytest.approx(float(cross_entropy.mean()), abs=TOLERANCE)


@given(documents=documents, micro_batch_tokens=st.integers(1, 120), order=st.randoms(use_true_random=False))
def test_a_response_is_scored_alike_alone_and_in_any_company(
    models: Callable[[int], tuple[BailingMoeForCausalLM, BailingMoeForCausalLM]], documents: list[Document],
    micro_batch_tokens: int, order: random.Random,
) -> None:
    """Neither the micro-batch, nor what is packed with it, nor its place changes a token's value beyond rounding."""
    model, _ = models(0)
    places = list(range(len(documents)))
    order.shuffle(places)
    found = score_documents(model, [documents[i] for i in places], 0.8, micro_batch_tokens)
    for place, values in zip(places, found, strict=True):
        (alone,) = score_documents(model, [documents[place]], 0.8)
        assert near(values, (alone.entropy.double(), -alone.logprob.double()), 5e-6)
        assert torch.allclose(values.margin, alone.margin, atol=1e-6)


@given(documents=documents, side=st.sampled_from(["left", "right"]), extra=st.integers(0, 9))
def test_a_padded_batch_has_the_same_means(
    models: Callable[[int], tuple[BailingMoeForCausalLM, BailingMoeForCausalLM]], documents: list[Document], side: str,
    extra: int,
) -> None:
    """The Hugging Face way, documents padded to one length and masked, gives our means where padding is not counted."""
    model, exact = models(1)
    whole = [d.prompt_ids + d.response_ids for d in documents]
    width = max(map(len, whole)) + extra
    ids, mask, counted = (torch.zeros(len(whole), width, dtype=torch.long) for _ in range(3))
    for row, (d, tokens) in enumerate(zip(documents, whole, strict=True)):
        start = width - len(tokens) if side == "left" else 0
        ids[row, start : start + len(tokens)] = torch.tensor(tokens)
        mask[row, start : start + len(tokens)] = 1
        counted[row, start + len(d.prompt_ids) - 1 : start + len(tokens) - 1] = 1
    with torch.no_grad():
        log_p = exact(ids, attention_mask=mask).logits.double().log_softmax(-1)
    entropy = -(log_p.exp() * log_p).sum(-1)[counted.bool()]
    found = measure(model, documents)
    assert found.tokens == len(entropy)
    assert found.entropy == pytest.approx(float(entropy.mean()), abs=5 * TOLERANCE)


@given(document=document, temperature=temperature)
def test_the_end_token_is_counted_and_the_prompt_is_not(
    models: Callable[[int], tuple[BailingMoeForCausalLM, BailingMoeForCausalLM]], document: Document,
    temperature: float,
) -> None:
    """An end-of-sequence token adds the entropy of the distribution it was drawn from, and one token, no more."""
    model, exact = models(2)
    ended = Document(document.prompt_ids, (*document.response_ids, EOS))
    before, after = (measure(model, [d], temperature=temperature) for d in (document, ended))
    assert (before.tokens, after.tokens) == (len(document.response_ids), len(document.response_ids) + 1)
    entropy, cross_entropy = (float(x[-1]) for x in reference(exact, ended, temperature))
    scale = after.tokens * 10 * TOLERANCE / min(temperature, 1)
    assert after.entropy * after.tokens - before.entropy * before.tokens == pytest.approx(entropy, abs=scale)
    added = after.cross_entropy * after.tokens - before.cross_entropy * before.tokens
    assert added == pytest.approx(cross_entropy, abs=scale)


def test_own_samples_have_a_cross_entropy_near_their_entropy_at_their_own_temperature(make_tiny: Make) -> None:
    """On samples from p at T, E[−log p_T] = H(p_T): the cross-entropy at T meets the entropy at T, at 1 it does not.

    4,000 tokens drawn by hand from full distributions; their −log p has a standard deviation below 2 nats, so the two
    lie within 0.1 (three standard errors).
    """
    model, draw = make_tiny(3, initializer_range=0.6).eval(), torch.Generator().manual_seed(0)
    ids = torch.randint(2, VOCABULARY, (200, 1), generator=draw)
    with torch.no_grad():
        for _ in range(20):
            p = (model(ids).logits[:, -1].double() / 0.5).softmax(-1)
            ids = torch.cat([ids, torch.multinomial(p, 1, generator=draw)], 1)
    samples = [Document((row[0],), tuple(row[1:])) for row in ids.tolist()]
    own, at_one = measure(model, samples, temperature=0.5), measure(model, samples)
    assert math.isclose(own.entropy, own.cross_entropy, abs_tol=0.1)
    assert abs(at_one.entropy - at_one.cross_entropy) > 0.3
