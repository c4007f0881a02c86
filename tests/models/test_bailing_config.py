"""The configuration: Ling-lite-1.5's sizes, counts of parameters, impossible values refused."""

import pickle

import pytest
import torch
from tiny_bailing import make_config, make_model

from ringexp.models.bailing_moe import BailingMoeConfig, BailingMoeForCausalLM, count_parameters


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


def test_configuration_is_picklable() -> None:
    assert pickle.loads(pickle.dumps(make_config())) == make_config()


@pytest.mark.parametrize(("changes", "match"), [
    ({"tie_word_embeddings": True}, "tie_word_embeddings"), ({"num_experts_per_tok": 7}, "num_experts_per_tok"),
    ({"num_key_value_heads": 3}, "num_key_value_heads"), ({"head_dim": 7}, "head_dim"),
    ({"vocab_size": 0}, "vocab_size"),
    ({"hidden_act": "gelu"}, "hidden_act"), ({"first_k_dense_replace": 3}, "first_k_dense_replace"),
    ({"norm_head": True}, "norm_head"), ({"attention_dropout": 0.1}, "attention_dropout"),
    ({"use_qk_norm": True}, "use_qk_norm"), ({"rope_scaling": {"rope_type": "linear", "factor": 2.0}}, "rope_type"),
])  # fmt: skip
def test_impossible_configurations_are_refused(changes: dict[str, object], match: str) -> None:
    with pytest.raises(ValueError, match=match):
        make_config(**changes)
