"""Learning-rate schedules at points worked out by hand; which weights decay."""

import math
from collections.abc import Callable
from functools import partial

import pytest
import torch

from ringexp.models.bailing_moe import BailingMoeForCausalLM
from ringexp.training.optim import build_optimizer, constant, cosine


@pytest.mark.parametrize(("steps", "fraction", "step", "expected"), [
    (100, 0.1, 0, 0.1),                       # warm-up of 10 steps, the first already learns
    (100, 0.1, 4, 0.5),
    (100, 0.1, 9, 1.0),
    (100, 0.1, 10, 1.0),
    (100, 0.1, 55, 0.5),                      # halfway down
    (100, 0.1, 40, 0.5 * (1 + 0.5)),          # a third: cos 60° = ½
    (100, 0.1, 100, 0.0),
    (100, 0.0, 0, 1.0),
    (100, 0.0, 25, 0.5 * (1 + math.sqrt(0.5))),
    (100, 0.011, 0, 0.5),                     # 1.1 steps round up to 2
    (10, 1.0, 9, 1.0),
    (1, 0.01, 0, 1.0),
])  # fmt: skip
def test_cosine(steps: int, fraction: float, step: int, expected: float) -> None:
    assert cosine(steps, fraction)(step) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(("warmup", "expected"), [
    (0, [1.0, 1.0, 1.0]), (1, [1.0, 1.0]), (4, [0.25, 0.5, 0.75, 1.0, 1.0, 1.0]),
])  # fmt: skip
def test_constant(warmup: int, expected: list[float]) -> None:
    assert [constant(warmup)(step) for step in range(len(expected))] == expected
    assert constant(warmup)(10**6) == 1.0


def test_schedules_rise_then_never_rise_again() -> None:
    for scale in (cosine(200, 0.05), constant(10)):
        values = [scale(step) for step in range(200)]
        assert values[:10] == sorted(values[:10])
        assert values[10:] == sorted(values[10:], reverse=True)
        assert min(values) > 0


def test_only_matrices_decay(make_tiny: Callable[..., BailingMoeForCausalLM]) -> None:
    model = make_tiny(0)
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    optimizer = build_optimizer(partial(torch.optim.AdamW, lr=0.1, weight_decay=0.5), model)
    assert sum(len(group["params"]) for group in optimizer.param_groups) == len(before)
    for p in model.parameters():
        p.grad = torch.zeros_like(p)
    optimizer.step()
    for name, p in model.named_parameters():
        factor = 1.0 if "norm" in name else 1 - 0.1 * 0.5
        torch.testing.assert_close(p.detach(), before[name] * factor, msg=partial("{}: {}".format, name))
