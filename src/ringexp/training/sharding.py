"""FSDP2: a policy whose weights, gradients and optimizer moments are divided among the ranks.

Every layer is gathered for its own computation alone; embedding, last norm and LM head stay gathered from the forward
pass to the end of the backward pass. What leaves training (an engine's weights, a checkpoint) is whole tensors, which
any number of ranks can read, sharded or not. Functions on sharded tensors are collective: every rank calls them, in the
same order.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.fsdp import fully_shard, register_fsdp_forward_method
from torch.distributed.tensor import DTensor, distribute_tensor
from torch.optim import Optimizer
from torch.utils._pytree import tree_map_only

from ringexp.models.bailing_moe import BailingMoeForCausalLM


def shard(model: BailingMoeForCausalLM, mesh: DeviceMesh) -> None:
    """Divide the model's parameters along their first dimension among the ranks of a one-dimensional mesh, in place."""
    for layer in model.model.layers:
        fully_shard(layer, mesh=mesh)
    fully_shard(model, mesh=mesh)
    register_fsdp_forward_method(model, "packed")


def is_sharded(model: nn.Module) -> bool:
    """Whether the parameters are divided among ranks."""
    return any(isinstance(parameter, DTensor) for parameter in model.parameters())


def whole(value: Tensor) -> Tensor:
    """The tensor with all its parts; any other tensor as it is."""
    return value.full_tensor() if isinstance(value, DTensor) else value


@torch.no_grad()
def copy_whole(source: nn.Module, target: nn.Module) -> None:
    """Copy the parameters of a sharded module into an unsharded one of the same architecture, one after the other."""
    for own, part in zip(target.parameters(), source.parameters(), strict=True):
        own.copy_(whole(part.detach()))


def whole_state(state: Mapping[str, Any]) -> dict[str, Any]:
    """An optimizer's state with whole tensors, as an optimizer without shards has it."""
    found: dict[str, Any] = tree_map_only(DTensor, whole, dict(state))
    return found


def load_state(optimizer: Optimizer, state: Mapping[str, Any]) -> None:
    """Load a whole state (`whole_state`) into an optimizer, whose parameters may be sharded."""
    optimizer.load_state_dict(dict(state))
    for parameter, moments in optimizer.state.items():
        if isinstance(parameter, DTensor):
            for name, value in moments.items():
                if isinstance(value, Tensor) and value.shape == parameter.shape:
                    moments[name] = distribute_tensor(value, parameter.device_mesh, parameter.placements)


def clip_gradients(parameters: Iterable[nn.Parameter], limit: float) -> float:
    """Scale the gradients down to a total norm of `limit`, over all parts; the norm before.

    Raises RuntimeError where the norm is not finite.
    """
    given = [parameter for parameter in parameters if parameter.grad is not None]
    norm = whole(torch.nn.utils.get_total_norm([p.grad for p in given if p.grad is not None]))
    if not torch.isfinite(norm):
        raise RuntimeError(f"the norm of the gradients is {float(norm)}: the weights are left as they were")
    torch.nn.utils.clip_grads_with_norm_(given, limit, norm)
    return float(norm)
