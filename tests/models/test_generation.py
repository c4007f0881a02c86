"""Generation with a cache against the packed forward pass that training uses."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from ringexp.models.bailing_moe import BailingMoeForCausalLM
from ringexp.models.cached import reserved_cache

Make = Callable[..., BailingMoeForCausalLM]
LENGTHS = [1, 4, 9, 9, 17]
SHAPES = {"experts": {}, "dense-first": {"first_k_dense_replace": 1}, "four-of-six": {"num_experts": 6,
          "num_experts_per_tok": 4, "num_shared_experts": 0}}  # fmt: skip


@pytest.fixture(params=SHAPES)
def model(request: pytest.FixtureRequest, make_tiny: Make) -> BailingMoeForCausalLM:
    return make_tiny(3, **SHAPES[request.param]).eval()


def left_padded(width: int = 17) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(5)
    ids = torch.randint(2, 64, (len(LENGTHS), width), generator=generator)
    mask = (torch.arange(width) >= width - torch.tensor(LENGTHS)[:, None]).long()
    return ids, mask


@pytest.mark.parametrize("reserved", [False, True])
def test_cached_logits_are_the_packed_ones(model: BailingMoeForCausalLM, reserved: bool) -> None:
    """Prefill and three one-token steps, of rows padded on the left, against one pass without a cache."""
    ids, mask = left_padded()
    cache = reserved_cache(2, 30) if reserved else None
    with torch.no_grad():
        whole = model(ids, attention_mask=mask).logits
        out = model(ids[:, :14], attention_mask=mask[:, :14], past_key_values=cache, use_cache=True)
        parts = [out.logits]
        for step in range(14, 17):
            new, seen = ids[:, step : step + 1], mask[:, : step + 1]
            out = model(new, attention_mask=seen, past_key_values=out.past_key_values)
            parts.append(out.logits)
    real = mask.bool()
    assert torch.allclose(torch.cat(parts, 1)[real], whole[real], atol=1e-5)
    assert float(whole[real].std()) > 0.1
    assert out.past_key_values.get_seq_length() == 17


def test_logits_to_keep_are_the_last(model: BailingMoeForCausalLM) -> None:
    ids, mask = left_padded()
    with torch.no_grad():
        whole = model(ids, attention_mask=mask).logits
        assert torch.equal(model(ids, attention_mask=mask, logits_to_keep=2).logits, whole[:, -2:])
        cached = model(ids, attention_mask=mask, logits_to_keep=1, use_cache=True).logits
    assert cached.shape == (5, 1, 64)
    assert torch.allclose(cached, whole[:, -1:], atol=1e-5)


def test_greedy_generation_is_the_argmax_of_the_uncached_pass(model: BailingMoeForCausalLM) -> None:
    ids, mask = left_padded()
    found = model.generate(ids, attention_mask=mask, max_new_tokens=12, do_sample=False, use_cache=True,
                           eos_token_id=None, pad_token_id=0)  # fmt: skip
    for row, length in zip(found.tolist(), LENGTHS, strict=True):
        sequence = row[17 - length : 17]
        for _ in range(12):
            with torch.no_grad():
                sequence.append(int(model(torch.tensor([sequence])).logits[0, -1].argmax()))
        assert row[17 - length :] == sequence


def test_tiled_experts_are_the_experts(model: BailingMoeForCausalLM) -> None:
    """And a token's result does not depend on which other tokens share its experts."""
    mlp = model.model.layers[1].mlp
    x = torch.randn(70, 32, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        tiled, _ = mlp(x, tiled=True)
        assert torch.allclose(tiled, mlp(x)[0], atol=1e-6)
        routing = mlp.gate.route(x)
        together = mlp.experts.tiled(x, routing)
        for rows in (slice(0, 1), slice(40, 70)):
            weights, experts = routing.weights[rows], routing.experts[rows]
            counts = torch.bincount(experts.flatten(), minlength=mlp.gate.out_features)
            some = routing._replace(weights=weights, experts=experts, counts=counts)
            assert torch.equal(mlp.experts.tiled(x[rows], some), together[rows])


def test_generation_leaves_the_packed_pass_alone(model: BailingMoeForCausalLM) -> None:
    ids, mask = left_padded()
    with torch.no_grad():
        before = model(ids, attention_mask=mask).logits
        model.generate(ids, attention_mask=mask, max_new_tokens=3, do_sample=False, use_cache=True, pad_token_id=0)
        assert torch.equal(model(ids, attention_mask=mask).logits, before)
