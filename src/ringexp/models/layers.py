"""Layers that need their own backward pass to be quick on the CPU, and the gated MLP: norm, rotation, dense MLP."""

from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable


class RMSNorm(nn.RMSNorm):
    """`x / sqrt(mean(x²) + eps) · weight`; on the CPU at full precision with a backward pass in four sweeps over x."""

    def forward(self, x: Tensor) -> Tensor:
        """x [T, H] → [T, H]."""
        if x.device.type == "cpu" and x.dtype in (torch.float32, torch.float64):
            return cast(Tensor, _RMSNorm.apply(x, self.weight, self.eps))  # type: ignore[no-untyped-call]
        return super().forward(x)


class _RMSNorm(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, eps: float) -> Tensor:
        mean = torch.linalg.vector_norm(x, dim=-1, keepdim=True).square_().div_(x.shape[-1])
        scale = mean.add_(eps).rsqrt_()
        ctx.save_for_backward(x, weight, scale)
        return torch.mul(x, scale).mul_(weight)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, None]:
        x, weight, scale = ctx.saved_tensors
        both = grad * x
        grad_weight = both.T @ scale[:, 0]
        # d scale / d x = -scale³ x / H
        slope = (both @ weight)[:, None].mul_(scale.pow(3)).div_(-x.shape[-1])
        return torch.mul(grad, scale).mul_(weight).addcmul_(x, slope), grad_weight, None


def rotary_tables(position_ids: Tensor, head_dim: int, theta: float) -> tuple[Tensor, Tensor]:
    """Cosines and sines of the rotary embedding: position_ids [T] → two float32 tensors [T, 1, head_dim]."""
    steps = torch.arange(0, head_dim, 2, device=position_ids.device, dtype=torch.float32)
    angles = position_ids.float()[:, None, None] / theta ** (steps / head_dim)
    angles = torch.cat((angles, angles), dim=-1)
    return angles.cos(), angles.sin()


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotate x [T, heads, d] by the tables [T, 1, d]: feature i pairs with feature i + d/2."""
    return cast(Tensor, _Rotate.apply(x, cos, sin))  # type: ignore[no-untyped-call]


class _Rotate(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        ctx.save_for_backward(cos, sin)
        return _rotation(x, cos, sin, 1)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        cos, sin = ctx.saved_tensors
        return _rotation(grad, cos, sin, -1), None, None


def _rotation(x: Tensor, cos: Tensor, sin: Tensor, direction: int) -> Tensor:
    half = x.shape[-1] // 2
    out = x * cos
    out[..., :half].addcmul_(x[..., half:], sin[..., half:], value=-direction)
    out[..., half:].addcmul_(x[..., :half], sin[..., :half], value=direction)
    return out


class DenseMLP(nn.Module):
    """The gated MLP of the shared experts and of the first dense layers: `down(silu(gate x) · up x)`."""

    def __init__(self, hidden: int, width: int, bias: bool) -> None:
        super().__init__()
        self.gate_proj = nn.Linear(hidden, width, bias=bias)
        self.up_proj = nn.Linear(hidden, width, bias=bias)
        self.down_proj = nn.Linear(width, hidden, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        """x [T, H] → [T, H]."""
        return cast(Tensor, self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x)))
