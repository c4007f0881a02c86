"""The released names of the weights: what files hold and what the rollout engine is synced with.

In memory the experts of a layer are stacked; released checkpoints name each expert's three matrices.
"""

from collections.abc import Iterator, Mapping
from typing import cast

import torch
from torch import Tensor, nn

from ringexp.models.bailing_config import BailingMoeConfig


def released_weights(model: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """Every weight of a BailingMoeForCausalLM under its released name: detached, contiguous views, no copies."""
    for name, parameter in model.named_parameters():
        yield from _unstack(name, parameter.detach())


def _unstack(name: str, weight: Tensor) -> Iterator[tuple[str, Tensor]]:
    prefix, _, leaf = name.rpartition(".mlp.experts.")
    if not prefix:
        yield name, weight
        return
    for number, expert in enumerate(weight.unbind(0)):
        if leaf == "down_proj":
            yield f"{prefix}.mlp.experts.{number}.down_proj.weight", expert
        else:
            for part, matrix in zip(("gate_proj", "up_proj"), expert.chunk(2), strict=True):
                yield f"{prefix}.mlp.experts.{number}.{part}.weight", matrix


@torch.no_grad()
def load_released_weights(model: nn.Module, mapping: Mapping[str, Tensor]) -> None:
    """Copy released weights into the model, in place.

    Raises ValueError, before anything is changed, where a name is missing or unknown or a shape differs.
    """
    own = dict(released_weights(model))
    missing, unknown = sorted(own.keys() - mapping.keys()), sorted(mapping.keys() - own.keys())
    if missing or unknown:
        raise ValueError(f"weights do not fit the model: {len(missing)} missing {missing[:3]}, "
                         f"{len(unknown)} unknown {unknown[:3]}")
    for name, weight in own.items():
        if weight.shape != mapping[name].shape:
            raise ValueError(f"{name}: the model has shape {[*weight.shape]}, the file {[*mapping[name].shape]}")
    for name, weight in own.items():
        weight.copy_(mapping[name])


def count_parameters(config_or_model: BailingMoeConfig | nn.Module) -> tuple[int, int]:
    """(total, active) parameters, computed from the sizes alone.

    Active is what one token uses, counted as the release does (2.75 B of Ling-lite-1.5's 16.8 B): everything but the
    routed experts a token does not visit; so the embedding and the LM head whole, the shared experts, the router.
    """
    config = cast(BailingMoeConfig, getattr(config_or_model, "config", config_or_model))
    hidden, head_dim = config.hidden_size, config.rotary_dim
    heads, qkv = config.num_attention_heads * head_dim, (config.num_attention_heads
                                                         + 2 * config.num_key_value_heads) * head_dim
    attention = hidden * (qkv + heads) + qkv * (config.use_bias or config.use_qkv_bias) + hidden * config.use_bias
    shared_width, dense_width = config.shared_intermediate_size, config.intermediate_size
    shared, dense = (3 * hidden * width + config.use_bias * (2 * width + hidden) * (width > 0)
                     for width in (shared_width, dense_width))
    expert = 3 * hidden * config.moe_intermediate_size
    always = 2 * config.vocab_size * hidden + hidden + config.num_hidden_layers * (attention + 2 * hidden)
    always += config.first_k_dense_replace * dense + config.num_moe_layers * (config.num_experts * hidden + shared)
    total = always + config.num_moe_layers * config.num_experts * expert
    return total, always + config.num_moe_layers * config.num_experts_per_tok * expert
