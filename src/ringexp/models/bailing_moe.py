"""Ling-lite's architecture, our own: one code path over packed tokens, a Hugging Face face over it.

Parameters carry the released names, except that the experts of a layer are stacked in memory; files and weight
syncs always use the released names (see `released`).
"""

from typing import Any, NamedTuple, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint
from transformers import initialization as init
from transformers.cache_utils import Cache, DynamicCache
from transformers.conversion_mapping import get_checkpoint_conversion_mapping, register_checkpoint_conversion_mapping
from transformers.generation import GenerationMixin
from transformers.modeling_outputs import CausalLMOutputWithPast
from transformers.modeling_utils import PreTrainedModel

from ringexp.models.attention import Attention, Layout, plan_layout
from ringexp.models.bailing_config import BailingMoeConfig
from ringexp.models.cached import CachedRows, visible_keys
from ringexp.models.layers import DenseMLP, RMSNorm, rotary_tables
from ringexp.models.moe import Experts, Router, RouterStatistics, Routing
from ringexp.models.released import count_parameters, load_released_weights, released_weights

__all__ = [
    "BailingMoeConfig",
    "BailingMoeForCausalLM",
    "PackedOutput",
    "RouterStatistics",
    "count_parameters",
    "load_released_weights",
    "released_weights",
]

# Stacks the experts on loading and unstacks them on saving: the same layout as Qwen2-MoE's.
register_checkpoint_conversion_mapping("bailing_moe", get_checkpoint_conversion_mapping("qwen2_moe"), overwrite=True)


class PackedOutput(NamedTuple):
    """hidden [T, H]: the final norm's output for each packed token; router: statistics over these T tokens.

    margin [T]: the smallest router margin of the token over the layers (see `moe.Routing`).
    """

    hidden: Tensor
    router: RouterStatistics
    margin: Tensor


class SparseMLP(nn.Module):
    """Routed experts plus the shared experts, which every token passes."""

    def __init__(self, config: BailingMoeConfig) -> None:
        super().__init__()
        self.gate = Router(config.hidden_size, config.num_experts, config.num_experts_per_tok, config.norm_topk_prob)
        self.experts = Experts(config.num_experts, config.hidden_size, config.moe_intermediate_size)
        self.shared_experts = None
        if config.num_shared_experts:
            self.shared_experts = DenseMLP(config.hidden_size, config.shared_intermediate_size, config.use_bias)

    def forward(self, x: Tensor, tiled: bool = False) -> tuple[Tensor, Routing]:
        """x [T, H] → [T, H] and the router's choice. `tiled`: see `Experts.tiled`."""
        routing = self.gate.route(x)
        out = self.experts.tiled(x, routing) if tiled else self.experts(x, routing)
        if self.shared_experts is not None:
            out = out + self.shared_experts(x)
        return out, routing


class Block(nn.Module):
    """One layer: attention and MLP, each on the normed residual stream."""

    def __init__(self, config: BailingMoeConfig, index: int) -> None:
        super().__init__()
        self.input_layernorm = RMSNorm(config.hidden_size, eps=config.rms_norm_eps)
        self.attention = Attention(config, index)
        self.post_attention_layernorm = RMSNorm(config.hidden_size, eps=config.rms_norm_eps)
        dense = index < config.first_k_dense_replace
        self.mlp: nn.Module = (
            DenseMLP(config.hidden_size, config.intermediate_size, config.use_bias) if dense else SparseMLP(config)
        )

    def forward(
        self, x: Tensor, cos: Tensor, sin: Tensor, layout: Layout | CachedRows
    ) -> tuple[Tensor, Routing | None]:
        """x [T, H] → [T, H], and the router's choice where the layer has a router."""
        x = x + self.attention(self.input_layernorm(x), cos, sin, layout)
        normed = self.post_attention_layernorm(x)
        if isinstance(self.mlp, SparseMLP):
            out, routing = self.mlp(normed, isinstance(layout, CachedRows))
            return x + out, routing
        return x + self.mlp(normed), None


class BailingMoeModel(nn.Module):
    """Embedding, layers, final norm. `gradient_checkpointing` computes each layer again in the backward pass."""

    def __init__(self, config: BailingMoeConfig) -> None:
        super().__init__()
        self.config = config
        self.word_embeddings = nn.Embedding(config.vocab_size, config.hidden_size)
        self.layers = nn.ModuleList(Block(config, index) for index in range(config.num_hidden_layers))
        self.norm = RMSNorm(config.hidden_size, eps=config.rms_norm_eps)
        self.gradient_checkpointing = False

    def forward(self, input_ids: Tensor, position_ids: Tensor, layout: Layout | CachedRows) -> PackedOutput:
        """input_ids, position_ids [T], laid out as `layout` says."""
        x = self.word_embeddings(input_ids)
        tables = rotary_tables(position_ids, self.config.rotary_dim, self.config.rotary_theta)
        cos, sin = (table.to(x.dtype) for table in tables)
        routings: list[Routing] = []
        for layer in self.layers:
            if self.gradient_checkpointing and self.training:
                x, routing = checkpoint(layer, x, cos, sin, layout, use_reentrant=False)
            else:
                x, routing = layer(x, cos, sin, layout)
            if routing is not None:
                routings.append(routing)
        prob_sum, counts, z_sum, entropy_sum = (
            torch.stack([getattr(r, name) for r in routings]) for name in ("prob_sum", "counts", "z_sum", "entropy_sum")
        )
        router = RouterStatistics(prob_sum, counts, z_sum, entropy_sum, input_ids.shape[0])
        margin = torch.stack([r.margin for r in routings]).amin(0)
        return PackedOutput(self.norm(x), router, margin)


class BailingMoeForCausalLM(PreTrainedModel, GenerationMixin):  # type: ignore[misc]
    """Ling-lite: `packed` for training, `forward` for whoever has a padded batch, `generate` from transformers."""

    config_class = BailingMoeConfig
    base_model_prefix = "model"
    supports_gradient_checkpointing = True
    _no_split_modules = ["Block"]  # noqa: RUF012
    _supports_sdpa = True

    def __init__(self, config: BailingMoeConfig) -> None:
        super().__init__(config)
        self.model = BailingMoeModel(config)
        self.lm_head = nn.Linear(config.hidden_size, config.vocab_size, bias=False)
        self.post_init()

    def get_input_embeddings(self) -> nn.Embedding:
        """The table of token embeddings."""
        return self.model.word_embeddings

    def set_input_embeddings(self, value: nn.Embedding) -> None:
        """Replace the table of token embeddings."""
        self.model.word_embeddings = value

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        std = self.config.initializer_range
        if isinstance(module, nn.Linear | nn.Embedding):
            init.normal_(module.weight, mean=0.0, std=std)
            if isinstance(module, nn.Linear) and module.bias is not None:
                init.zeros_(module.bias)
        elif isinstance(module, RMSNorm):
            init.ones_(module.weight)
        elif isinstance(module, Experts):
            init.normal_(module.gate_up_proj, mean=0.0, std=std)
            init.normal_(module.down_proj, mean=0.0, std=std)

    def packed(self, input_ids: Tensor, position_ids: Tensor, document_lengths: list[int] | Tensor) -> PackedOutput:
        """Run documents laid end to end, without padding; attention never crosses documents.

        input_ids, position_ids [T] (positions restart per document), document_lengths [N], summing to T.
        Raises ValueError where the lengths do not fit the tokens.
        """
        lengths = torch.as_tensor(document_lengths, dtype=torch.long)
        tokens = input_ids.shape[0]
        if input_ids.ndim != 1 or position_ids.shape != input_ids.shape:
            shapes = f"{[*input_ids.shape]} and {[*position_ids.shape]}"
            raise ValueError(f"input_ids and position_ids must both be [T], not {shapes}")
        if not len(lengths) or int(lengths.min()) < 1 or int(lengths.sum()) != tokens:
            raise ValueError(f"document_lengths must be positive and sum to the {tokens} tokens given")
        return cast(PackedOutput, self.model(input_ids, position_ids, plan_layout(lengths.to(input_ids.device))))

    def forward(self, input_ids: Tensor, attention_mask: Tensor | None = None, position_ids: Tensor | None = None,
                labels: Tensor | None = None, past_key_values: Cache | None = None, use_cache: bool | None = None,
                logits_to_keep: int = 0, **kwargs: Any) -> CausalLMOutputWithPast:
        """Logits of a batch padded on either side; those at padding are zeros (with a cache: of no meaning).

        input_ids [B, L]; attention_mask [B, L], 1 at real tokens; position_ids [B, L], by default counted from each
        row's first real token; labels [B, L]: cross-entropy of the next token, -100 and padding ignored. With
        `use_cache` or `past_key_values` of P tokens, for inference only: attention_mask [B, P + L], of rows padded on
        the left. Logits of the last `logits_to_keep` positions, 0: of all.
        """
        kept = slice(-logits_to_keep or None, None)
        if use_cache or past_key_values is not None:
            if labels is not None:
                raise ValueError("the cache is for inference: give labels without use_cache and past_key_values")
            past_key_values = DynamicCache() if past_key_values is None else past_key_values
            hidden = self._cached(input_ids, attention_mask, position_ids, past_key_values)
            return CausalLMOutputWithPast(logits=self.lm_head(hidden[:, kept]), past_key_values=past_key_values)
        mask = torch.ones_like(input_ids) if attention_mask is None else attention_mask
        mask = mask.bool()
        if position_ids is None:
            position_ids = mask.long().cumsum(-1) - 1
        real = mask.flatten().nonzero()[:, 0]
        lengths = mask.sum(-1)
        hidden = self.packed(input_ids[mask], position_ids.expand_as(mask)[mask], lengths[lengths > 0]).hidden
        logits = self.lm_head(hidden)
        if real.shape[0] < mask.numel():
            logits = logits.new_zeros(mask.numel(), logits.shape[-1]).index_copy(0, real, logits)
        logits = logits.view(*mask.shape, -1)
        loss = None if labels is None else _next_token_loss(logits, labels, mask)
        return CausalLMOutputWithPast(loss=loss, logits=logits[:, kept])

    @torch.no_grad()
    def _cached(
        self, input_ids: Tensor, attention_mask: Tensor | None, position_ids: Tensor | None, cache: Cache
    ) -> Tensor:
        """The final norm's output [B, L, H] of new tokens, padding included; their keys and values join the cache."""
        rows, length = input_ids.shape
        if attention_mask is None:
            attention_mask = input_ids.new_ones(rows, cache.get_seq_length() + length)
        if position_ids is None:
            position_ids = (attention_mask.long().cumsum(-1) - 1).clamp(min=0)[:, -length:]
        positions = position_ids.expand_as(input_ids).flatten()
        layout = CachedRows(cache, visible_keys(attention_mask, length))
        return cast(Tensor, self.model(input_ids.flatten(), positions, layout).hidden.view(rows, length, -1))


def _next_token_loss(logits: Tensor, labels: Tensor, mask: Tensor) -> Tensor:
    """Mean cross-entropy of labels[:, 1:] under logits[:, :-1], where both tokens are real."""
    targets = labels[:, 1:].masked_fill(~(mask[:, 1:] & mask[:, :-1]), -100)
    return F.cross_entropy(logits[:, :-1].flatten(0, 1).float(), targets.flatten())
