"""Log-probability and entropy of softmax(hidden Wᵀ / temperature) from hidden states, without a [T, V] tensor.

Both passes walk over tiles of the logits: a chunk of the vocabulary by a chunk of the tokens. The forward pass keeps
three running numbers per token (online softmax, arXiv 1805.02867, with the entropy's moment beside the sum); the
backward pass computes each tile again. Tiles come in a fixed order and nothing is added atomically, so results repeat
bitwise. Imports torch only.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

TILES = {"cpu": (512, 1024)}
"""Tokens × vocabulary entries of a tile, by device type: on the CPU its sweeps stay in the cache of two cores."""
LARGE_TILE = (4096, 8192)
"""A tile on any other device: 128 MiB of float32, since there the launches count and not the cache."""


class _Factors(NamedTuple):
    """Per token [R], the temperature's factor included: dz = p (constant + slope log p) + target · onehot."""

    constant: Tensor
    slope: Tensor | None
    target: Tensor | None


class _FusedLogprobEntropy(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, hidden: Tensor, weight: Tensor, targets: Tensor, temperature: float) -> tuple[Tensor, Tensor]:
        ctx.set_materialize_grads(False)
        ctx.temperature = temperature
        maximum = hidden.new_full(targets.shape, torch.finfo(torch.float32).min, dtype=torch.float32)
        total, moment, chosen = (torch.zeros_like(maximum) for _ in range(3))
        tiles = _Tiles(hidden, weight, temperature)
        for vocabulary, w in tiles.columns():
            for tokens in tiles.rows:
                z = tiles.logits(tokens, w)
                place, inside = _place(targets[tokens], vocabulary)
                torch.where(inside, z.gather(1, place)[:, 0], chosen[tokens], out=chosen[tokens])
                _absorb(z, tiles.spare(z), maximum[tokens], total[tokens], moment[tokens])
        logprob = chosen.sub_(maximum).sub_(total.log())
        entropy = total.log().sub_(moment.div_(total))
        ctx.save_for_backward(hidden, weight, targets, entropy, total.log_().add_(maximum))
        return logprob, entropy

    @staticmethod
    @once_differentiable
    def backward(
        ctx: Any, g_logprob: Tensor | None, g_entropy: Tensor | None
    ) -> tuple[Tensor | None, Tensor | None, None, None]:
        hidden, weight, targets, entropy, lse = ctx.saved_tensors
        factors = _factors(g_logprob, g_entropy, entropy, ctx.temperature)
        for_hidden, for_weight = ctx.needs_input_grad[:2]
        grad_hidden = torch.zeros_like(hidden, dtype=torch.float32) if for_hidden else None
        grad_weight = torch.empty_like(weight) if for_weight else None
        tiles = _Tiles(hidden, weight, ctx.temperature)
        for vocabulary, w in tiles.columns():
            part = None if grad_weight is None else _zeros(grad_weight[vocabulary])
            for tokens in tiles.rows:
                z = tiles.logits(tokens, w)
                dz = _gradient(z, tiles.spare(z), lse, factors, targets, tokens, vocabulary).to(w.dtype)
                if grad_hidden is not None:
                    _add_product(grad_hidden[tokens], dz, w)
                if part is not None:
                    _add_product(part, dz.T, tiles.hidden[tokens])
            if grad_weight is not None and part is not None and part.dtype != weight.dtype:
                grad_weight[vocabulary] = part
        return None if grad_hidden is None else grad_hidden.to(hidden.dtype), grad_weight, None, None


class _Tiles:
    """The walk over hidden [R, H] and weight [V, H], and the two buffers of one tile's size that it reuses.

    Operands are float32, except half precision on CUDA, whose products come out in float32 as they are.
    """

    def __init__(self, hidden: Tensor, weight: Tensor, temperature: float) -> None:
        mixed = hidden.is_cuda and hidden.dtype == weight.dtype and hidden.dtype in (torch.bfloat16, torch.float16)
        self.dtype = hidden.dtype if mixed else torch.float32
        self.hidden, self._weight, self._scale = hidden.to(self.dtype), weight, 1 / temperature
        rows, self._width = TILES.get(hidden.device.type, LARGE_TILE)
        self.rows = _chunks(len(hidden), rows)
        elements = min(rows, len(hidden)) * min(self._width, len(weight))
        self._logits, self._spare = (hidden.new_empty(elements, dtype=torch.float32) for _ in range(2))

    def columns(self) -> Iterator[tuple[slice, Tensor]]:
        """Chunks of the vocabulary with their rows of the LM head."""
        for vocabulary in _chunks(len(self._weight), self._width):
            yield vocabulary, self._weight[vocabulary].to(self.dtype)

    def logits(self, tokens: slice, w: Tensor) -> Tensor:
        """One tile, float32, overwritten by the next call."""
        h = self.hidden[tokens]
        z = self._logits[: len(h) * len(w)].view(len(h), len(w))
        return _add_product(z, h, w.T, beta=0, alpha=self._scale)

    def spare(self, z: Tensor) -> Tensor:
        """The other buffer, in the shape of `z`."""
        return self._spare[: z.numel()].view_as(z)


def _chunks(length: int, size: int) -> list[slice]:
    return [slice(start, min(start + size, length)) for start in range(0, length, size)]


def _zeros(part: Tensor) -> Tensor:
    """Where a chunk of a gradient is summed: in place if it is float32, else beside it."""
    return part.zero_() if part.dtype == torch.float32 else torch.zeros_like(part, dtype=torch.float32)


def _add_product(out: Tensor, a: Tensor, b: Tensor, beta: float = 1, alpha: float = 1) -> Tensor:
    """out = beta · out + alpha · a b, in float32 whatever the factors are."""
    if a.dtype == out.dtype:
        return out.addmm_(a, b, beta=beta, alpha=alpha)
    return torch.addmm(out, a, b, out_dtype=out.dtype, beta=beta, alpha=alpha, out=out)


def _place(targets: Tensor, vocabulary: slice) -> tuple[Tensor, Tensor]:
    """The targets' columns in a tile [r, 1], and whether they lie in it [r]; where not, the column is any valid one."""
    column = targets - vocabulary.start
    inside = (column >= 0) & (targets < vocabulary.stop)
    return column.clamp_(0, vocabulary.stop - vocabulary.start - 1)[:, None], inside


def _absorb(z: Tensor, spare: Tensor, maximum: Tensor, total: Tensor, moment: Tensor) -> None:
    """Add a tile to the running max z, Σ e^(z - max) and Σ (z - max) e^(z - max) of its tokens; overwrites `z`."""
    top = torch.maximum(maximum, z.amax(1))
    shift = maximum - top
    e = torch.exp(z.sub_(top[:, None]), out=spare)
    moment.addcmul_(total, shift).mul_(shift.exp_()).add_(torch.linalg.vecdot(e, z))
    total.mul_(shift).add_(e.sum(1))
    maximum.copy_(top)


def _factors(g_logprob: Tensor | None, g_entropy: Tensor | None, entropy: Tensor, temperature: float) -> _Factors:
    """d logprob / dz = onehot - p and dH / dz = -p (log p + H), and dz / d(hidden Wᵀ) = 1 / temperature."""
    target = None if g_logprob is None else g_logprob / temperature
    slope = None if g_entropy is None else -g_entropy / temperature
    constant = torch.zeros_like(entropy) if slope is None else slope * entropy
    return _Factors(constant if target is None else constant - target, slope, target)


def _gradient(
    z: Tensor, spare: Tensor, lse: Tensor, factors: _Factors, targets: Tensor, tokens: slice, vocabulary: slice
) -> Tensor:
    """The gradient with respect to a tile of hidden Wᵀ, written over `z`."""
    z.sub_(lse[tokens, None])
    constant = factors.constant[tokens, None]
    if factors.slope is None:
        z.exp_().mul_(constant)
    else:
        p = torch.exp(z, out=spare)
        z.mul_(factors.slope[tokens, None]).add_(constant).mul_(p)
    if factors.target is not None:
        place, inside = _place(targets[tokens], vocabulary)
        z.scatter_(1, place, z.gather(1, place) + (factors.target[tokens] * inside)[:, None])
    return z


def token_logprob_entropy(
    hidden: Tensor, weight: Tensor, targets: Tensor, temperature: float = 1.0
) -> tuple[Tensor, Tensor]:
    """Log-probability of `targets` and entropy (nats) of the whole distribution, softmax(hidden Wᵀ / temperature).

    hidden [R, H], weight [V, H], targets [R] in [0, V) → two float32 tensors [R], both differentiable once. Logits and
    sums are float32 also where hidden and weight are not. Raises IndexError for a target outside the vocabulary.
    """
    if not len(targets):
        empty = hidden.new_zeros(0, dtype=torch.float32)
        return empty, empty
    if int(targets.min()) < 0 or int(targets.max()) >= len(weight):
        raise IndexError(f"a target lies outside the vocabulary of {len(weight)} tokens: give ids of 0 ≤ id < V")
    with torch.autocast(hidden.device.type, enabled=False):  # which would round the products of the sums
        fused = _FusedLogprobEntropy.apply(hidden, weight, targets, temperature)  # type: ignore[no-untyped-call]
    return cast(tuple[Tensor, Tensor], fused)
