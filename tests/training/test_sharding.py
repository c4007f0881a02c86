"""What does not need several ranks; sharded training itself: tests/rl/test_two_ranks.py."""

import pytest
import torch
from torch import nn

from ringexp.training.sharding import clip_gradients


def layer(scale: float) -> nn.Linear:
    torch.manual_seed(0)
    found = nn.Linear(5, 3)
    (found(torch.randn(7, 5)) * scale).square().sum().backward()
    return found


@pytest.mark.parametrize("limit", [0.1, 1e6])
def test_gradients_are_clipped_as_torch_does(limit: float) -> None:
    own, theirs = layer(1.0), layer(1.0)
    expected = torch.nn.utils.clip_grad_norm_(theirs.parameters(), limit)
    assert clip_gradients(own.parameters(), limit) == float(expected)
    for a, b in zip(own.parameters(), theirs.parameters(), strict=True):
        assert torch.equal(a.grad, b.grad)


@pytest.mark.parametrize("scale", [float("nan"), float("inf")])
def test_gradients_that_are_not_finite_are_an_error(scale: float) -> None:
    with pytest.raises(RuntimeError, match="norm of the gradients is"):
        clip_gradients(layer(scale).parameters(), 1.0)
