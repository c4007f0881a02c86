"""Two ranks under half the budget each make the step of one process under the whole one."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
import two_ranks

from ringexp.training.ranks import Ranks

TIMES = ("time/", "throughput/")


@pytest.fixture(scope="module")
def ranks() -> Iterator[Ranks]:
    with Ranks(2) as ranks:
        yield ranks


def both(
    ranks: Ranks, folder: Path, *overrides: str, silent: int = 0, trainer: str = "ddp"
) -> tuple[dict[str, float], dict[str, torch.Tensor]]:
    """What both ranks logged and ended with, which is the same."""
    job = (str(folder), (f"trainer={trainer}", *overrides), silent)
    with ranks.running(two_ranks.step, *job) as others:
        metrics, weights = two_ranks.step(ranks.environment, *job)
    ((their_metrics, their_weights),) = others
    assert their_metrics == metrics
    assert all(torch.equal(their_weights[name], weight) for name, weight in weights.items())
    return metrics, weights


@pytest.mark.parametrize("trainer", ["ddp", "fsdp"])
@pytest.mark.parametrize("overrides", [
    (), ("algorithm.micro_batch_tokens=30",), ("algorithm=grpo",), ("algorithm=dapo", "algorithm.rounds=1"),
    ("algorithm=dr_grpo",), ("algorithm=gspo",),
], ids=lambda overrides: ",".join(overrides) or "c3po")  # fmt: skip
def test_weights_and_metrics_are_those_of_one_process(
    tmp_path: Path, ranks: Ranks, overrides: tuple[str, ...], trainer: str
) -> None:
    metrics, weights = both(ranks, tmp_path, *overrides, trainer=trainer)
    alone, expected = two_ranks.step(None, str(tmp_path), overrides)
    assert metrics["budget/tokens"] == two_ranks.BUDGET
    for name, weight in expected.items():
        torch.testing.assert_close(weights[name], weight, rtol=0, atol=1e-6, msg=name)
    assert set(metrics) == set(alone)
    for name, value in alone.items():
        if not name.startswith((*TIMES, "mismatch/p999")):  # each engine is judged by itself
            assert metrics[name] == pytest.approx(value, rel=1e-5, abs=1e-7), name


@pytest.mark.parametrize("trainer", ["ddp", "fsdp"])
def test_a_rank_without_anything_to_train_takes_part(tmp_path: Path, ranks: Ranks, trainer: str) -> None:
    """The first rank's groups carry no signal: weights and loss are those of the second one's alone."""
    overrides = ("algorithm/normaliser=tokens", "algorithm.cap=false", "algorithm.drop_zero_variance=true")
    metrics, weights = both(ranks, tmp_path, *overrides, silent=2, trainer=trainer)
    alone, expected = two_ranks.step(None, str(tmp_path), overrides, 2)
    assert metrics["budget/tokens"] == alone["budget/tokens"] == two_ranks.BUDGET // 2
    assert metrics["train/loss"] == pytest.approx(alone["train/loss"], rel=1e-5)
    for name, weight in expected.items():
        torch.testing.assert_close(weights[name], weight, rtol=0, atol=1e-6, msg=name)


def test_each_update_of_each_rank_has_its_part_of_the_budget(tmp_path: Path, ranks: Ranks) -> None:
    metrics, _ = both(ranks, tmp_path, "algorithm.updates=2")
    assert metrics["clip/fraction"] > 0
    assert metrics["budget/tokens"] == two_ranks.BUDGET - metrics["budget/cut"]


@pytest.mark.parametrize("before", ["ddp", "fsdp"])
def test_sharded_training_continues_from_whole_weights_and_moments(tmp_path: Path, ranks: Ranks, before: str) -> None:
    """Its own or those of unsharded ranks: bitwise, and to rounding."""
    job = (str(tmp_path), ("trainer=fsdp",), (f"trainer={before}",))
    with ranks.running(two_ranks.continued, *job):
        straight, parts = two_ranks.continued(ranks.environment, *job)
    close = {"rtol": 0, "atol": 0 if before == "fsdp" else 1e-4}
    for name, weight in straight.items():
        torch.testing.assert_close(parts[name], weight, **close, msg=name)


@pytest.mark.parametrize("trainer", ["ddp", "fsdp"])
def test_fine_tuning_in_unequal_numbers_of_micro_batches(ranks: Ranks, trainer: str) -> None:
    """The first rank has three micro-batches, the second one."""
    overrides = ("sft.micro_batch_tokens=30", "sft.balance_coef=0.1", "sft.z_coef=0.01", "sft.max_grad_norm=1e9")
    job = (f"trainer={trainer}", *overrides)
    with ranks.running(two_ranks.sft_step, job):
        loss, weights = two_ranks.sft_step(ranks.environment, job)
    alone, expected = two_ranks.sft_step(None, overrides)
    assert loss == pytest.approx(alone, rel=1e-5)
    for name, weight in expected.items():
        torch.testing.assert_close(weights[name], weight, rtol=0, atol=1e-6, msg=name)


def test_the_step_moves_every_weight(tmp_path: Path) -> None:
    """So that the comparison above compares something, router included."""
    _, after = two_ranks.step(None, str(tmp_path), ())
    before = dict(two_ranks.tiny_policy.model(two_ranks.tiny_policy.tokenizer()).named_parameters())
    assert all(float((after[name] - before[name]).abs().max()) > 1e-4 for name in before)
