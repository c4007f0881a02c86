"""The router's margin: what decides whether trainer and engine may disagree on a token."""

import torch

from ringexp.models.bailing_moe import BailingMoeConfig, BailingMoeForCausalLM
from ringexp.models.moe import Router


def test_margin_is_the_gap_between_last_chosen_and_first_refused() -> None:
    torch.manual_seed(0)
    router = Router(16, 8, 2, renormalise=True)
    x = torch.randn(50, 16)
    ranked = torch.softmax(x @ router.weight.T, -1).sort(descending=True).values
    assert torch.allclose(router.route(x).margin, ranked[:, 1] - ranked[:, 2], atol=1e-6)


def test_margin_without_a_refused_expert_is_one() -> None:
    router = Router(16, 2, 2, renormalise=True)
    assert router.route(torch.randn(5, 16)).margin.tolist() == [1.0] * 5


def test_model_reports_the_smallest_margin_over_layers() -> None:
    torch.manual_seed(1)
    sizes = {"vocab_size": 64, "hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 2,
             "num_key_value_heads": 1, "head_dim": 16, "num_experts": 4, "num_experts_per_tok": 2,
             "moe_intermediate_size": 16, "max_position_embeddings": 64, "initializer_range": 0.3}  # fmt: skip
    model = BailingMoeForCausalLM(BailingMoeConfig(**sizes)).eval()
    seen: list[torch.Tensor] = []
    for layer in model.model.layers:
        route = layer.mlp.gate.route
        layer.mlp.gate.route = lambda x, route=route: (seen.append(route(x).margin), route(x))[1]
    ids = torch.randint(0, 64, (20,))
    margin = model.packed(ids, torch.arange(20), [20]).margin
    assert len(seen) == 3
    assert torch.equal(margin, torch.stack(seen).amin(0))
