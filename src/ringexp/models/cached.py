"""Attention over a cache of keys and values, for generation: rows padded on the left, as `generate` lays them.

Training and scoring never come here; they run packed documents (see `attention`).
"""

from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel
from transformers.cache_utils import Cache, DynamicCache, DynamicLayer


@dataclass(frozen=True, slots=True)
class CachedRows:
    """B rows of L new tokens, and what came before them: visible [B, 1, L, P + L], True where a key may be looked at.

    `cache` holds P tokens of every layer, the new ones are added as the layers are run.
    """

    cache: Cache
    visible: Tensor

    def attend(self, q: Tensor, k: Tensor, v: Tensor, layer: int) -> Tensor:
        """Attention of the new tokens: q [B · L, heads, d], k and v [B · L, groups, d] → [B · L, heads · d].

        A single token a row goes by plain products on the CPU: in the fused kernel its last bits depend, on some
        processors, on the thread that computes it, and so on its place among the rows.
        """
        rows, _, length, _ = self.visible.shape
        q, k, v = (x.view(rows, length, *x.shape[1:]).transpose(1, 2) for x in (q, k, v))
        k, v = cast(tuple[Tensor, Tensor], self.cache.update(k, v, layer))
        with sdpa_kernel(SDPBackend.MATH) if length == 1 and q.device.type == "cpu" else nullcontext():
            out = F.scaled_dot_product_attention(q, k, v, attn_mask=self.visible, enable_gqa=True)
        return out.transpose(1, 2).flatten(2).flatten(0, 1)


def visible_keys(attention_mask: Tensor, length: int) -> Tensor:
    """Which keys the last `length` tokens see: attention_mask [B, K], 1 at real tokens → bool [B, 1, length, K].

    A token sees the real tokens up to itself, and padding sees itself, so that its unused result stays finite.
    """
    total = attention_mask.shape[1]
    key = torch.arange(total, device=attention_mask.device)
    query = key[total - length :, None]
    return ((attention_mask.bool()[:, None, :] & (key <= query)) | (key == query))[:, None]


class ReservedLayer(DynamicLayer):  # type: ignore[misc]
    """A layer's keys and values in memory reserved for `tokens` tokens: adding one does not copy the others."""

    def __init__(self, tokens: int) -> None:
        super().__init__()
        self._tokens = tokens

    def update(self, key_states: Tensor, value_states: Tensor, *args: Any, **kwargs: Any) -> tuple[Tensor, Tensor]:
        """Add new keys and values [B, groups, L, d]; all there are, as views [B, groups, P + L, d]."""
        start = self.get_seq_length()
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
            shape = (*key_states.shape[:2], self._tokens, key_states.shape[3])
            self._all_keys, self._all_values = key_states.new_empty(shape), value_states.new_empty(shape)
        end = start + key_states.shape[2]
        self._all_keys[:, :, start:end] = key_states
        self._all_values[:, :, start:end] = value_states
        self.keys, self.values = self._all_keys[:, :, :end], self._all_values[:, :, :end]
        return self.keys, self.values


def reserved_cache(layers: int, tokens: int) -> DynamicCache:
    """An empty cache with room for `tokens` tokens in each of the layers."""
    cache = DynamicCache()
    cache.layers = [ReservedLayer(tokens) for _ in range(layers)]
    return cache
