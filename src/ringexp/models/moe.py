"""Mixture of experts: the router, the routed experts, the routers' statistics and the losses made from them.

No atomics: tokens are permuted into expert order and back, so forward and backward are bitwise repeatable.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

TILE = 16
"""Rows of one product of `Experts.tiled`."""


@dataclass(frozen=True, slots=True)
class RouterStatistics:
    """Sums over tokens, per mixture-of-experts layer; those of micro-batches add up to those of the step.

    prob_sum [layers, E]: router probabilities (differentiable). counts [layers, E]: assignments, int64, no gradient.
    z_sum [layers]: logsumexp(router logits)² (differentiable). entropy_sum [layers]: entropy of the router's
    distribution over all experts (nats), no gradient. tokens: real tokens M, never padding.
    """

    prob_sum: Tensor
    counts: Tensor
    z_sum: Tensor
    entropy_sum: Tensor
    tokens: int

    def __add__(self, other: "RouterStatistics") -> "RouterStatistics":
        """The statistics of both sets of tokens."""
        return RouterStatistics(self.prob_sum + other.prob_sum, self.counts + other.counts, self.z_sum + other.z_sum,
                                self.entropy_sum + other.entropy_sum, self.tokens + other.tokens)

    def detach(self) -> "RouterStatistics":
        """The same numbers, without a graph."""
        return RouterStatistics(self.prob_sum.detach(), self.counts, self.z_sum.detach(), self.entropy_sum, self.tokens)

    def of_no_token(self) -> "RouterStatistics":
        """Zeros in the same shapes, without a graph."""
        prob_sum, counts, z_sum, entropy_sum = (
            torch.zeros_like(part) for part in (self.prob_sum, self.counts, self.z_sum, self.entropy_sum)
        )
        return RouterStatistics(prob_sum, counts, z_sum, entropy_sum, 0)


def balance_loss(prob_sum: Tensor, counts: Tensor, tokens: int, top_k: int) -> Tensor:
    """Load-balance loss `mean over layers of E · Σ_e F_e · P_e`; 1 when balanced. Paper Eq. 5 / our resolution.

    F_e = counts_e / (top_k · tokens), P_e = prob_sum_e / tokens. prob_sum, counts [layers, E]: sums over all tokens of
    the optimizer step; for one micro-batch's gradient give its own prob_sum with the step's counts and tokens: the
    loss is linear in prob_sum, so the gradients (and the losses) of the micro-batches add up to the step's.
    """
    load = counts.to(prob_sum.dtype) / (top_k * tokens)
    return prob_sum.shape[-1] * (load * prob_sum / tokens).sum(-1).mean()


def z_loss(z_sum: Tensor, tokens: int) -> Tensor:
    """Router z-loss: the mean over tokens and layers of logsumexp(logits)². Paper Eq. 5. z_sum [layers]."""
    return z_sum.mean() / tokens


def max_load_violation(counts: Tensor) -> Tensor:
    """The worst expert's excess load: max over layers of `max_e counts_e / mean_e counts_e − 1`; 0 when balanced."""
    load = counts.double()
    return (load.amax(-1) / load.mean(-1) - 1).max()


def dead_experts(counts: Tensor) -> int:
    """How many experts, over all layers, no token was sent to. counts [layers, E]."""
    return int((counts == 0).sum())


class Routing(NamedTuple):
    """A router's choice for T tokens: weights and experts [T, k], and its statistics as in RouterStatistics.

    margin [T]: the last chosen expert's probability less the first refused one's (1 where none is refused).
    """

    weights: Tensor
    experts: Tensor
    margin: Tensor
    prob_sum: Tensor
    counts: Tensor
    z_sum: Tensor
    entropy_sum: Tensor


class Router(nn.Linear):
    """Softmax over all experts in float32, then the top k, renormalised to sum to 1 where `renormalise`."""

    def __init__(self, hidden: int, experts: int, top_k: int, renormalise: bool) -> None:
        super().__init__(hidden, experts, bias=False)
        self.top_k = top_k
        self.renormalise = renormalise

    def route(self, x: Tensor) -> Routing:
        """Choose experts for tokens x [T, H]."""
        logits = F.linear(x.float(), self.weight.float())
        lse = logits.logsumexp(-1)
        probs = (logits - lse[:, None]).exp()
        weights, experts = probs.topk(self.top_k, dim=-1)
        margin = self._margin(probs.detach(), weights.detach(), experts)
        if self.renormalise:
            weights = weights / weights.sum(-1, keepdim=True)
        counts = torch.bincount(experts.flatten(), minlength=self.out_features)
        with torch.no_grad():
            entropy = lse.sum() - torch.linalg.vecdot(probs, logits).sum()
        return Routing(weights, experts, margin, probs.sum(0), counts, lse.square().sum(), entropy)

    def _margin(self, probs: Tensor, chosen: Tensor, experts: Tensor) -> Tensor:
        if self.top_k == self.out_features:
            return torch.ones_like(probs[:, 0])
        return chosen[:, -1] - probs.scatter(1, experts, -1.0).amax(-1)


class Experts(nn.Module):
    """E gated MLPs, `down(silu(gate x) · up x)`, stacked: gate_up_proj [E, 2F, H], down_proj [E, H, F]."""

    def __init__(self, experts: int, hidden: int, width: int) -> None:
        super().__init__()
        self.gate_up_proj = nn.Parameter(torch.empty(experts, 2 * width, hidden))
        self.down_proj = nn.Parameter(torch.empty(experts, hidden, width))

    def forward(self, x: Tensor, routing: Routing) -> Tensor:
        """The weighted sum of each token's k experts: x [T, H] → [T, H]."""
        weights = routing.weights.to(x.dtype)
        out = _RoutedExperts.apply(x, weights, routing.experts, routing.counts,  # type: ignore[no-untyped-call]
                                   self.gate_up_proj, self.down_proj)
        return cast(Tensor, out)

    def tiled(self, x: Tensor, routing: Routing) -> Tensor:
        """As `forward`, without gradients, a token's result independent of how many tokens share its experts.

        Every product has TILE rows, so that no kernel is chosen by an expert's load.
        """
        owner = routing.experts.flatten()
        order = owner.argsort(stable=True)
        tiles = (routing.counts + TILE - 1) // TILE
        shift = (tiles * TILE).cumsum(0) - tiles * TILE - (routing.counts.cumsum(0) - routing.counts)
        place = torch.arange(len(order), device=x.device) + shift[owner[order]]
        slots = torch.empty_like(order).index_copy_(0, order, place).view_as(routing.experts)
        owners = [expert for expert, count in enumerate(tiles.tolist()) for _ in range(count)]
        rows = x.new_zeros(len(owners) * TILE, x.shape[1])
        rows.index_copy_(0, place, x.index_select(0, order // routing.experts.shape[1]))
        gate, up = _by_tile(rows, self.gate_up_proj.mT, owners).chunk(2, dim=-1)
        rows = _by_tile(F.silu(gate).mul_(up), self.down_proj.mT, owners)
        return _combine(rows, slots, routing.weights.to(x.dtype))


def _by_tile(rows: Tensor, matrices: Tensor, owners: list[int]) -> Tensor:
    """Tile i of the rows times matrix owners[i]: rows [tiles · TILE, M], matrices [E, M, N] → [tiles · TILE, N]."""
    out = rows.new_empty(rows.shape[0], matrices.shape[2])
    for tile, target, expert in zip(torch.split(rows, TILE), torch.split(out, TILE), owners, strict=True):
        torch.mm(tile, matrices[expert], out=target)
    return out


class _RoutedExperts(torch.autograd.Function):
    """The experts' forward and backward on (token, slot) pairs sorted by expert; S = T·k pairs.

    Saves the tokens and the gate/up activations only; the rest is computed again.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, weights: Tensor, experts: Tensor, counts: Tensor,
                gate_up: Tensor, down: Tensor) -> Tensor:
        order = experts.flatten().argsort(stable=True)
        inverse = torch.empty_like(order)
        inverse[order] = torch.arange(len(order), device=order.device)
        token = order // experts.shape[1]
        hidden = _grouped(x.index_select(0, token), gate_up.mT, counts)
        gate, up = hidden.chunk(2, dim=-1)
        rows = _grouped(F.silu(gate).mul_(up), down.mT, counts)
        ctx.save_for_backward(x, weights, counts, order, inverse, token, hidden, gate_up, down)
        return _combine(rows, inverse.view_as(weights), weights)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, weights, counts, order, inverse, token, hidden, gate_up, down = ctx.saved_tensors
        grad_rows = grad.index_select(0, token)
        weight = weights.flatten()[order, None]
        gate, up = hidden.chunk(2, dim=-1)
        silu = F.silu(gate)
        act = silu * up
        grad_act = _grouped(grad_rows, down, counts)
        # d out / d weight = <grad, down act> = <downᵀ grad, act>: the experts' outputs need not be kept
        grad_weights = torch.linalg.vecdot(grad_act, act)[inverse].view_as(weights)
        grad_down = _grouped_outer(grad_rows, act.mul_(weight), counts)
        grad_act.mul_(weight)
        grad_hidden = torch.empty_like(hidden)
        grad_gate, grad_up = grad_hidden.chunk(2, dim=-1)
        torch.mul(grad_act, silu, out=grad_up)
        torch.ops.aten.silu_backward.grad_input(grad_act.mul_(up), gate, grad_input=grad_gate)
        grad_gate_up = _grouped_outer(grad_hidden, x.index_select(0, token), counts)
        grad_x = _combine(_grouped(grad_hidden, gate_up, counts), inverse.view_as(weights), None)
        return grad_x, grad_weights, None, None, grad_gate_up, grad_down


def _combine(rows: Tensor, slots: Tensor, weights: Tensor | None) -> Tensor:
    """Sum each token's k rows, weighted where weights [T, k] are given: rows [T·k, H], slots [T, k] → [T, H]."""
    out = rows.index_select(0, slots[:, 0])
    if weights is not None:
        out.mul_(weights[:, 0, None])
    for slot in range(1, slots.shape[1]):
        row = rows.index_select(0, slots[:, slot])
        out = out.add_(row) if weights is None else out.addcmul_(row, weights[:, slot, None])
    return out


def _use_grouped_kernel(a: Tensor) -> bool:
    return a.is_cuda and a.dtype == torch.bfloat16


def _offsets(counts: Tensor) -> Tensor:
    return counts.cumsum(0).to(torch.int32)


def _grouped(a: Tensor, b: Tensor, counts: Tensor) -> Tensor:
    """Rows of expert e times matrix e: a [S, M] sorted by expert, b [E, M, N], counts [E] → [S, N]."""
    if _use_grouped_kernel(a):
        return F.grouped_mm(a, b, offs=_offsets(counts))
    out = a.new_empty(a.shape[0], b.shape[2])
    start = 0
    for expert, count in enumerate(counts.tolist()):
        if count:
            torch.mm(a[start : start + count], b[expert], out=out[start : start + count])
            start += count
    return out


def _grouped_outer(a: Tensor, b: Tensor, counts: Tensor) -> Tensor:
    """The matrix aᵀb of each expert's rows: a [S, M], b [S, N] sorted by expert, counts [E] → [E, M, N]."""
    if _use_grouped_kernel(a):
        return F.grouped_mm(a.mT, b, offs=_offsets(counts))
    out = a.new_empty(counts.shape[0], a.shape[1], b.shape[1])
    start = 0
    for expert, count in enumerate(counts.tolist()):
        if count:
            torch.mm(a[start : start + count].T, b[start : start + count], out=out[expert])
            start += count
        else:
            out[expert].zero_()
    return out
