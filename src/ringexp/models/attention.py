"""Causal self-attention over packed documents, with rotary positions and grouped keys and values.

Documents never see each other. On the CPU (and in float32 anywhere) they are laid in a few right-padded buckets of
like length, inside attention only; half-precision tokens on CUDA go to a variable-length kernel as they are.
"""

from dataclasses import dataclass
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.attention.varlen import varlen_attn

from ringexp.models.bailing_config import BailingMoeConfig
from ringexp.models.cached import CachedRows
from ringexp.models.layers import rotate

SHRINK = 0.75
"""A new bucket opens at documents shorter than this share of the bucket's longest."""
SMALL = 16
"""Buckets this short are not split further."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Where T packed tokens lie while in attention.

    buckets: (documents, length) of each padded block; slots [T]: each token's row in the blocks laid end to end, None
    where that is its own place (equal lengths). starts [N+1] (int32) and longest: what the variable-length kernel asks.
    """

    buckets: tuple[tuple[int, int], ...]
    slots: Tensor | None
    starts: Tensor
    longest: int

    @property
    def rows(self) -> int:
        """Rows of all blocks together, padding included."""
        return sum(documents * length for documents, length in self.buckets)


def plan_layout(lengths: Tensor) -> Layout:
    """Sort documents into buckets of like length. lengths [N] (tokens per document, at least 1)."""
    device, lengths = lengths.device, lengths.cpu()
    sizes, order = lengths.sort(descending=True, stable=True)
    starts = F.pad(lengths.cumsum(0), (1, 0))
    longest = int(sizes[0])
    buckets: list[tuple[int, int]] = []
    first_row = torch.empty_like(lengths)
    done = rows = 0
    while done < len(sizes):
        length = int(sizes[done])
        least = SHRINK * length if length > SMALL else 0
        end = int((sizes >= least).sum())
        first_row[order[done:end]] = rows + length * torch.arange(end - done)
        buckets.append((end - done, length))
        rows += length * (end - done)
        done = end
    slots = None
    if rows != int(starts[-1]) or not torch.equal(first_row, starts[:-1]):
        slots = torch.arange(int(starts[-1])) + (first_row - starts[:-1]).repeat_interleave(lengths)
        slots = slots.to(device)
    return Layout(tuple(buckets), slots, starts.to(device, torch.int32), longest)


class _MoveRows(torch.autograd.Function):
    """`out[target] = x[source]`, zeros elsewhere, both sets of rows distinct (None: all, in order); no atomics."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, source: Tensor | None, target: Tensor | None, rows: int) -> Tensor:
        ctx.source, ctx.target, ctx.rows = source, target, x.shape[0]
        return _move_rows(x, source, target, rows)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None, None]:
        return _move_rows(grads[0], ctx.target, ctx.source, ctx.rows), None, None, None


def _move_rows(x: Tensor, source: Tensor | None, target: Tensor | None, rows: int) -> Tensor:
    x = x if source is None else x.index_select(0, source)
    if target is None:
        return x
    return x.new_zeros(rows, *x.shape[1:]).index_copy_(0, target, x)


def causal_attention(q: Tensor, k: Tensor, v: Tensor, layout: Layout) -> Tensor:
    """Causal attention inside each document: q [T, heads, d], k and v [T, groups, d] → [T, heads · d]."""
    if q.is_cuda and q.dtype in (torch.float16, torch.bfloat16):
        out = varlen_attn(q, k, v, layout.starts, layout.starts, layout.longest, layout.longest,
                          window_size=(-1, 0), enable_gqa=True)
        return cast(Tensor, out).flatten(1)
    if layout.slots is not None:
        q, k, v = (cast(Tensor, _MoveRows.apply(x, None, layout.slots, layout.rows))  # type: ignore[no-untyped-call]
                   for x in (q, k, v))
    sizes = [documents * length for documents, length in layout.buckets]
    blocks = []
    parts = (torch.split(x, sizes) for x in (q, k, v))
    for (documents, length), *qkv in zip(layout.buckets, *parts, strict=True):
        bq, bk, bv = (x.view(documents, length, *x.shape[1:]).transpose(1, 2) for x in qkv)
        # padding is on the right, where no causal query of a real token looks
        block = F.scaled_dot_product_attention(bq, bk, bv, is_causal=True, enable_gqa=True)
        blocks.append(block.transpose(1, 2).flatten(2).flatten(0, 1))
    out = blocks[0] if len(blocks) == 1 else torch.cat(blocks)
    if layout.slots is None:
        return out
    moved = _MoveRows.apply(out, layout.slots, None, len(layout.slots))  # type: ignore[no-untyped-call]
    return cast(Tensor, moved)


class Attention(nn.Module):
    """Grouped-query attention with one fused projection, as released. `index` is the layer's place in the cache."""

    def __init__(self, config: BailingMoeConfig, index: int) -> None:
        super().__init__()
        self.index = index
        head_dim = config.rotary_dim
        self.head_dim = head_dim
        self.heads, self.groups = config.num_attention_heads, config.num_key_value_heads
        self.query_key_value = nn.Linear(config.hidden_size, (self.heads + 2 * self.groups) * head_dim,
                                         bias=config.use_bias or config.use_qkv_bias)
        self.dense = nn.Linear(self.heads * head_dim, config.hidden_size, bias=config.use_bias)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor, layout: Layout | CachedRows) -> Tensor:
        """x [T, H], rotary tables [T, 1, head_dim] → [T, H]."""
        qkv = self.query_key_value(x).view(x.shape[0], -1, self.head_dim)
        qk, v = torch.split(qkv, [self.heads + self.groups, self.groups], dim=1)
        q, k = torch.split(rotate(qk, cos, sin), [self.heads, self.groups], dim=1)
        if isinstance(layout, CachedRows):
            return cast(Tensor, self.dense(layout.attend(q, k, v, self.index)))
        return cast(Tensor, self.dense(causal_attention(q, k, v, layout)))
