"""The packed model against an independent one that loops over tokens; packing, padding, files, sizes, determinism."""

import json
import pickle

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor
from transformers import AutoConfig, AutoModelForCausalLM

from ringexp.models.attention import plan_layout
from ringexp.models.bailing_moe import (
    BailingMoeConfig,
    BailingMoeForCausalLM,
    count_parameters,
    load_released_weights,
    released_weights,
)
from ringexp.models.registry import register

LENGTHS = [5, 31, 1, 17, 40, 17, 9]


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


@pytest.mark.parametrize("changes", [{}, {"first_k_dense_replace": 1, "norm_topk_prob": False, "num_shared_experts": 0}])
def test_packed_equals_a_loop_over_tokens(changes: dict[str, object]) -> None:
    model = make_model(**changes)
    lengths = [5, 12, 1, 30]
    ids, positions = packed_batch(lengths)
    out = model.packed(ids, positions, lengths)
    expected = [reference(model, document) for document in ids.split(lengths)]
    torch.testing.assert_close(model.lm_head(out.hidden), torch.cat([e[0] for e in expected]), atol=1e-5, rtol=0)
    sums = [[torch.stack(column) for column in zip(*statistics)] for _, statistics in expected]
    prob_sum, counts, z_sum = (sum(column) for column in zip(*sums))
    torch.testing.assert_close(out.router.prob_sum, prob_sum, atol=1e-4, rtol=1e-5)
    torch.testing.assert_close(out.router.z_sum, z_sum, atol=1e-3, rtol=1e-5)
    assert torch.equal(out.router.counts, counts)
    assert out.router.tokens == sum(lengths)


def test_gradients_equal_those_of_the_loop() -> None:
    model = make_model()
    lengths = [4, 9]
    ids, positions = packed_batch(lengths)
    names = [name for name, _ in model.named_parameters() if ".experts." not in name]
    parameters = [dict(model.named_parameters())[name] for name in names]
    probe = torch.randn(13, 61, generator=torch.Generator().manual_seed(2))
    out = model.packed(ids, positions, lengths)
    own = torch.autograd.grad((model.lm_head(out.hidden) * probe).sum() + out.router.z_sum.sum(), parameters)
    logits, statistics = zip(*(reference(model, document) for document in ids.split(lengths)))
    loss = (torch.cat(logits) * probe).sum() + sum(z for layers in statistics for *_, z in layers)
    for name, a, b in zip(names, own, torch.autograd.grad(loss, parameters), strict=True):
        torch.testing.assert_close(a, b, atol=2e-5 * float(b.abs().max()), rtol=1e-4, msg=lambda m, n=name: f"{n}: {m}")


def test_packing_changes_no_document() -> None:
    model = make_model()
    ids, positions = packed_batch(LENGTHS)
    together = model.lm_head(model.packed(ids, positions, torch.tensor(LENGTHS)).hidden)
    alone = torch.cat([model(document[None]).logits[0] for document in ids.split(LENGTHS)])
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=0)


@pytest.mark.parametrize("lengths", [LENGTHS, [8, 8, 8], [1], list(range(1, 90, 3))])
def test_layout_gives_each_token_a_row_of_its_own(lengths: list[int]) -> None:
    layout = plan_layout(torch.tensor(lengths))
    slots = torch.arange(sum(lengths)) if layout.slots is None else layout.slots
    assert len(set(slots.tolist())) == sum(lengths)
    assert sum(documents for documents, _ in layout.buckets) == len(lengths)
    for document in slots.split(lengths):
        assert torch.equal(document, document[0] + torch.arange(len(document)))
    assert layout.rows <= sum(max(n / 0.75, 16) for n in lengths) + 1


def test_padding_side_does_not_matter() -> None:
    model = make_model()
    lengths, width = [3, 8, 6], 8
    ids, positions = packed_batch(lengths)
    expected = model.lm_head(model.packed(ids, positions, lengths).hidden).split(lengths)
    losses = []
    for left in (False, True):
        batch, mask = torch.zeros(3, width, dtype=torch.long), torch.zeros(3, width, dtype=torch.long)
        for row, document in enumerate(ids.split(lengths)):
            start = width - len(document) if left else 0
            batch[row, start : start + len(document)] = document
            mask[row, start : start + len(document)] = 1
        out = model(batch, attention_mask=mask, labels=batch)
        losses.append(out.loss)
        assert not out.logits[mask == 0].any()
        torch.testing.assert_close(out.logits[mask == 1], torch.cat(expected), atol=1e-5, rtol=0)
    by_hand = torch.cat([F.cross_entropy(logits[:-1], document[1:], reduction="none")
                         for logits, document in zip(expected, ids.split(lengths))])
    torch.testing.assert_close(torch.stack(losses), by_hand.mean().expand(2), atol=1e-5, rtol=0)


def test_labels_of_minus_100_are_ignored() -> None:
    model = make_model()
    ids = packed_batch([12])[0][None]
    labels = ids.masked_fill(torch.arange(12) < 7, -100)
    out = model(ids, labels=labels)
    torch.testing.assert_close(out.loss, F.cross_entropy(out.logits[0, 6:-1], ids[0, 7:]))


def released_names(config: BailingMoeConfig) -> set[str]:
    names = {"model.word_embeddings.weight", "model.norm.weight", "lm_head.weight"}
    for layer in range(config.num_hidden_layers):
        parts = ["input_layernorm", "post_attention_layernorm", "attention.query_key_value", "attention.dense"]
        mlps = [f"experts.{e}." for e in range(config.num_experts)] + ["shared_experts."] * (config.num_shared_experts > 0)
        if layer < config.first_k_dense_replace:
            mlps = [""]
        else:
            parts.append("mlp.gate")
        parts += [f"mlp.{mlp}{part}_proj" for mlp in mlps for part in ("gate", "up", "down")]
        names |= {f"model.layers.{layer}.{part}.weight" for part in parts}
    return names


@pytest.mark.parametrize("dense", [0, 1])
def test_files_hold_the_released_names_and_load_back(tmp_path, dense: int) -> None:
    register()
    register()
    model = make_model(first_k_dense_replace=dense)
    model.save_pretrained(tmp_path)
    saved = load_file(tmp_path / "model.safetensors")
    assert set(saved) == released_names(model.config) == {name for name, _ in released_weights(model)}
    assert all(torch.equal(saved[name], weight) for name, weight in released_weights(model))
    written = json.loads((tmp_path / "config.json").read_text())
    assert written["architectures"] == ["BailingMoeForCausalLM"] and written["model_type"] == "bailing_moe"
    assert written["rope_parameters"] == {"rope_theta": 10_000.0, "rope_type": "default"}
    loaded = AutoModelForCausalLM.from_pretrained(tmp_path)
    assert type(loaded) is BailingMoeForCausalLM and type(AutoConfig.from_pretrained(tmp_path)) is BailingMoeConfig
    assert all(torch.equal(a, b) for a, b in zip(model.state_dict().values(), loaded.state_dict().values(), strict=True))
    loaded.save_pretrained(tmp_path / "again")
    assert set(load_file(tmp_path / "again" / "model.safetensors")) == set(saved)


def test_released_weights_are_views_and_load_strictly() -> None:
    model, other = make_model(0), make_model(1)
    storages = {p.untyped_storage().data_ptr() for p in model.parameters()}
    assert {w.untyped_storage().data_ptr() for _, w in released_weights(model)} == storages
    assert all(w.is_contiguous() and not w.requires_grad for _, w in released_weights(model))
    mapping = dict(released_weights(other))
    load_released_weights(model, mapping)
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), other.parameters()))
    name = "model.layers.0.mlp.experts.3.up_proj.weight"
    for wrong, match in [({k: v for k, v in mapping.items() if k != name}, "1 missing"),
                         (mapping | {"x": mapping[name]}, "1 unknown"), (mapping | {name: mapping[name].T}, name)]:
        with pytest.raises(ValueError, match=match):
            load_released_weights(model, wrong)


@pytest.mark.parametrize("checkpointing", [False, True])
def test_gradients_are_bitwise_repeatable(checkpointing: bool) -> None:
    ids, positions = packed_batch(LENGTHS)

    def gradients(checkpointing: bool) -> list[Tensor]:
        model = make_model().train()
        model.model.gradient_checkpointing = checkpointing
        out = model.packed(ids, positions, LENGTHS)
        (out.hidden.square().sum() + out.router.prob_sum.square().sum() + out.router.z_sum.sum()).backward()
        return [p.grad for p in model.model.parameters()]

    torch.use_deterministic_algorithms(True)
    try:
        pairs = list(zip(gradients(False), gradients(checkpointing), strict=True))
    finally:
        torch.use_deterministic_algorithms(False)
    assert all(torch.equal(a, b) for a, b in pairs)


def test_ling_lite_counts_16_8_and_2_75_billion_parameters() -> None:
    config = BailingMoeConfig()
    with torch.device("meta"):
        model = BailingMoeForCausalLM(config)
    total, active = count_parameters(model)
    assert (total, active) == count_parameters(config)
    assert total == sum(p.numel() for p in model.parameters())
    assert (round(total / 1e9, 2), round(active / 1e9, 2)) == (16.80, 2.75)
    assert config.rope_parameters == {"rope_theta": 600_000.0, "rope_type": "default"}


@pytest.mark.parametrize("changes", [{}, {"first_k_dense_replace": 2}, {"use_bias": True}, {"use_qkv_bias": True}])
def test_counted_parameters_are_the_models(changes: dict[str, object]) -> None:
    model = make_model(**changes)
    assert count_parameters(model)[0] == sum(p.numel() for p in model.parameters())


def test_a_seed_fixes_the_initial_weights() -> None:
    model, again = make_model(3), make_model(3)
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), again.parameters()))
    assert float(model.model.layers[0].mlp.experts.gate_up_proj.std()) == pytest.approx(0.2, rel=0.1)
    assert bool((model.model.norm.weight == 1).all())


def test_configuration_is_picklable() -> None:
    assert pickle.loads(pickle.dumps(make_config())) == make_config()


@pytest.mark.parametrize(("changes", "match"), [
    ({"tie_word_embeddings": True}, "tie_word_embeddings"), ({"num_experts_per_tok": 7}, "num_experts_per_tok"),
    ({"num_key_value_heads": 3}, "num_key_value_heads"), ({"head_dim": 7}, "head_dim"), ({"vocab_size": 0}, "vocab_size"),
    ({"hidden_act": "gelu"}, "hidden_act"), ({"first_k_dense_replace": 3}, "first_k_dense_replace"),
    ({"norm_head": True}, "norm_head"), ({"attention_dropout": 0.1}, "attention_dropout"),
    ({"use_qk_norm": True}, "use_qk_norm"), ({"rope_scaling": {"rope_type": "linear", "factor": 2.0}}, "rope_type"),
])  # fmt: skip
def test_impossible_configurations_are_refused(changes: dict[str, object], match: str) -> None:
    with pytest.raises(ValueError, match=match):
        make_config(**changes)


def test_lengths_that_do_not_fit_are_refused() -> None:
    model = make_model()
    ids, positions = packed_batch([5, 5])
    for lengths in ([5, 4], [10, 0], []):
        with pytest.raises(ValueError, match="document_lengths"):
            model.packed(ids, positions, lengths)
    with pytest.raises(ValueError, match="position_ids"):
        model.packed(ids, positions[:-1], [5, 5])
