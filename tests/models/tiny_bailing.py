"""Tiny models for the tests beside it, and an independent model that loops over tokens, heads and experts."""

import torch
from torch import Tensor

from ringexp.models.bailing_moe import BailingMoeConfig, BailingMoeForCausalLM, released_weights


def make_config(**changes: object) -> BailingMoeConfig:
    sizes: dict[str, object] = {
        "vocab_size": 61, "hidden_size": 32, "intermediate_size": 40, "num_hidden_layers": 3, "num_attention_heads": 4,
        "num_key_value_heads": 2, "head_dim": 8, "num_experts": 6, "num_experts_per_tok": 2, "num_shared_experts": 2,
        "moe_intermediate_size": 24, "max_position_embeddings": 128, "rope_theta": 10_000.0, "initializer_range": 0.2,
    }  # fmt: skip
    return BailingMoeConfig(**(sizes | changes))


def make_model(seed: int = 0, **changes: object) -> BailingMoeForCausalLM:
    torch.manual_seed(seed)
    return BailingMoeForCausalLM(make_config(**changes))


def packed_batch(lengths: list[int], vocabulary: int = 61) -> tuple[Tensor, Tensor]:
    ids = torch.randint(vocabulary, (sum(lengths),), generator=torch.Generator().manual_seed(1))
    return ids, torch.cat([torch.arange(n) for n in lengths])


def reference(model: BailingMoeForCausalLM, ids: Tensor) -> tuple[Tensor, list[tuple[Tensor, Tensor, Tensor]]]:
    """Logits [L, V] of one document, and per layer with a router (prob_sum, counts, z_sum): token by token."""
    c = model.config
    w = {name: p for name, p in model.named_parameters() if ".experts." not in name}
    w |= {name: p for name, p in released_weights(model) if ".experts." in name}

    def norm(x: Tensor, name: str) -> Tensor:
        return torch.stack([row / (row.pow(2).mean() + c.rms_norm_eps).sqrt() * w[name] for row in x])

    def mlp(x: Tensor, name: str) -> Tensor:
        gate, up = (w[f"{name}.{part}_proj.weight"] @ x for part in ("gate", "up"))
        return w[f"{name}.down_proj.weight"] @ (gate * torch.sigmoid(gate) * up)

    def rotated(x: Tensor, position: int) -> Tensor:
        half = c.head_dim // 2
        angle = torch.tensor([position / 10_000.0 ** (i / half) for i in range(half)])
        z = torch.complex(x[:half], x[half:]) * torch.polar(torch.ones(half), angle)
        return torch.cat((z.real, z.imag))

    def attention(x: Tensor, name: str) -> Tensor:
        heads, groups, d = c.num_attention_heads, c.num_key_value_heads, c.head_dim
        qkv = (x @ w[f"{name}.query_key_value.weight"].T).view(len(x), heads + 2 * groups, d)
        rows = []
        for t in range(len(x)):
            outs = []
            for head in range(heads):
                group = heads + head * groups // heads
                q = rotated(qkv[t, head], t)
                k = torch.stack([rotated(qkv[s, group], s) for s in range(t + 1)])
                outs.append((k @ q / d**0.5).softmax(0) @ qkv[: t + 1, group + groups])
            rows.append(w[f"{name}.dense.weight"] @ torch.cat(outs))
        return torch.stack(rows)

    def experts(x: Tensor, name: str) -> tuple[Tensor, tuple[Tensor, Tensor, Tensor]]:
        prob_sum, counts, z = torch.zeros(c.num_experts), torch.zeros(c.num_experts, dtype=torch.long), torch.zeros(())
        rows = []
        for row in x:
            logits = w[f"{name}.gate.weight"] @ row
            probs = logits.softmax(0)
            chosen = sorted(range(c.num_experts), key=lambda e, p=probs: -float(p[e]))[: c.num_experts_per_tok]
            scale = sum(probs[e] for e in chosen) if c.norm_topk_prob else 1.0
            rows.append(sum(probs[e] / scale * mlp(row, f"{name}.experts.{e}") for e in chosen))
            if c.num_shared_experts:
                rows[-1] = rows[-1] + mlp(row, f"{name}.shared_experts")
            prob_sum, z = prob_sum + probs, z + logits.exp().sum().log() ** 2
            counts[chosen] += 1
        return torch.stack(rows), (prob_sum, counts, z)

    x, statistics = w["model.word_embeddings.weight"][ids], []
    for layer in range(c.num_hidden_layers):
        name = f"model.layers.{layer}"
        x = x + attention(norm(x, f"{name}.input_layernorm.weight"), f"{name}.attention")
        h = norm(x, f"{name}.post_attention_layernorm.weight")
        if layer < c.first_k_dense_replace:
            out = torch.stack([mlp(row, f"{name}.mlp") for row in h])
        else:
            out, stats = experts(h, f"{name}.mlp")
            statistics.append(stats)
        x = x + out
    return norm(x, "model.norm.weight") @ w["lm_head.weight"].T, statistics
