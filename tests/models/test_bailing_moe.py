"""The packed model against an independent one that loops over tokens; packing, padding, files, determinism."""

import json

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from tiny_bailing import make_model, packed_batch, reference
from torch import Tensor
from transformers import AutoConfig, AutoModelForCausalLM

from ringexp.models.attention import plan_layout
from ringexp.models.bailing_moe import (
    BailingMoeConfig,
    BailingMoeForCausalLM,
    load_released_weights,
    released_weights,
)
from ringexp.models.registry import register

LENGTHS = [5, 31, 1, 17, 40, 17, 9]


@pytest.mark.parametrize("changes", [
    {}, {"first_k_dense_replace": 1, "norm_topk_prob": False, "num_shared_experts": 0},
])  # fmt: skip
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
        mlps = [f"experts.{e}." for e in range(config.num_experts)] + ["shared_experts."]
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
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), loaded.parameters(), strict=True))
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
def test_gradients_are_bitwise_repeatable(checkpointing: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also that no pass reads a buffer before it is written: deterministic mode puts NaN there."""
    monkeypatch.setattr(torch.utils.deterministic, "fill_uninitialized_memory", True)
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


def test_a_seed_fixes_the_initial_weights() -> None:
    model, again = make_model(3), make_model(3)
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), again.parameters()))
    assert float(model.model.layers[0].mlp.experts.gate_up_proj.std()) == pytest.approx(0.2, rel=0.1)
    assert bool((model.model.norm.weight == 1).all())


def test_lengths_that_do_not_fit_are_refused() -> None:
    model = make_model()
    ids, positions = packed_batch([5, 5])
    for lengths in ([5, 4], [10, 0], []):
        with pytest.raises(ValueError, match="document_lengths"):
            model.packed(ids, positions, lengths)
    with pytest.raises(ValueError, match="position_ids"):
        model.packed(ids, positions[:-1], [5, 5])
