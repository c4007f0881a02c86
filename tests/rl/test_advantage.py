"""Group advantages against numbers worked out by hand."""

import math

import pytest
import torch

from ringexp.rl.advantage import group_advantage, zero_variance


@pytest.mark.parametrize(("rewards", "expected"), [
    ([1, 0], [1, -1]),                                                    # mean 1/2, population std 1/2
    ([1, 0, 0, 0], [math.sqrt(3), *[-1 / math.sqrt(3)] * 3]),             # mean 1/4, variance 3/16
    ([1, 1, 1, 0, 0, 0, 0, 0], [*[math.sqrt(5 / 3)] * 3, *[-math.sqrt(3 / 5)] * 5]),
    ([0.0, 0.5, 2.5], [-1 / math.sqrt(7 / 6), -0.5 / math.sqrt(7 / 6), 1.5 / math.sqrt(7 / 6)]),
])  # fmt: skip
def test_advantage_is_centred_and_divided_by_the_population_std(rewards: list[float], expected: list[float]) -> None:
    (advantage,) = group_advantage([rewards])
    torch.testing.assert_close(advantage, torch.tensor(expected, dtype=torch.float32), atol=1e-7, rtol=1e-6)


@pytest.mark.parametrize("value", [0.0, 1.0, 0.1, 1e-9, 1e9])
@pytest.mark.parametrize("size", [1, 3, 16])
@pytest.mark.parametrize("scale", [True, False])
def test_equal_rewards_give_exactly_zero(value: float, size: int, scale: bool) -> None:
    assert group_advantage([[value] * size], scale_by_std=scale)[0].tolist() == [0.0] * size


def test_without_scaling_only_the_mean_goes() -> None:
    (advantage,) = group_advantage([[1, 0, 0, 0]], scale_by_std=False)
    assert advantage.tolist() == [0.75, -0.25, -0.25, -0.25]


def test_groups_do_not_touch_each_other() -> None:
    groups = [[1.0, 0.0, 0.0], [1.0, 1.0], [0.0, 1.0, 1.0, 1.0]]
    together = group_advantage(groups)
    assert [a.dtype for a in together] == [torch.float32] * 3
    assert [a.tolist() for a in together] == [group_advantage([group])[0].tolist() for group in groups]


def test_zero_variance_flags_groups_of_equal_rewards() -> None:
    assert zero_variance([[0, 0, 0], [0, 1, 0], [1, 1], [0.5]]) == [True, False, True, True]
