"""Policy steps of every algorithm, really taken: engine, verifier, budget, updates, sync."""

from pathlib import Path

import pytest
import tiny_policy
import torch

from ringexp.cli import conf_dir
from ringexp.errors import EngineMismatchError
from ringexp.tracking.names import describe

ALGORITHMS = sorted(path.stem for path in (conf_dir() / "algorithm").glob("*.yaml"))


def steps_of(folder: Path, *overrides: str, steps: int = 3) -> tuple[list[dict[str, float]], tiny_policy.C3POModule]:
    config = tiny_policy.configuration(*overrides)
    module = tiny_policy.policy(folder, config)
    return tiny_policy.train(module, config, steps), module


@pytest.mark.parametrize("updates", [1, 2])
@pytest.mark.parametrize("name", ALGORITHMS)
def test_every_algorithm_takes_its_steps(tmp_path: Path, name: str, updates: int) -> None:
    found, module = steps_of(tmp_path, f"algorithm={name}", f"algorithm.updates={updates}")
    assert len(found) == module.step == module.version == 3
    assert module.tokens == sum(metrics["budget/tokens"] for metrics in found)
    config = module.config
    for metrics in found:
        assert all(describe(key) for key in metrics)
        assert all(torch.isfinite(torch.tensor(value)) for value in metrics.values())
        assert metrics["mismatch/p999_logprob"] < 1e-4
        assert metrics["train/grad_norm"] > 0
        assert ("kl/reference" in metrics) == (config.objective["kl_coef"] > 0)
        assert (metrics["clip/fraction"] > 0) == (updates > 1)  # the ratio is 1 in a step's first update
        if config.cap:
            assert metrics["budget/tokens"] == 120
        elif not config.drop_zero_variance:
            assert (metrics["budget/dropped"], metrics["budget/responses_dropped"]) == (0, 0)


def test_tokens_a_step_do_not_vary_where_they_are_capped(tmp_path: Path) -> None:
    capped, _ = steps_of(tmp_path, steps=5)
    free, _ = steps_of(tmp_path, "algorithm.cap=false", steps=5)
    assert {metrics["budget/tokens"] for metrics in capped} == {120}
    assert len({metrics["budget/tokens"] for metrics in free}) > 1


def test_dynamic_sampling_draws_until_enough_groups_carry_a_signal(tmp_path: Path) -> None:
    # groups of two are equal half of the time, so that one round of 4 groups seldom suffices
    few = ("algorithm=dapo", "algorithm.group_size=2", "algorithm.token_budget=60")
    once, module = steps_of(tmp_path, *few, "algorithm.rounds=1")
    assert len(module.groups) == 4
    thrice, module = steps_of(tmp_path, *few, "algorithm.rounds=3")
    assert sum(m["budget/tokens"] for m in thrice) > sum(m["budget/tokens"] for m in once)
    told = [group for group in module.groups if len(set(group.rewards)) > 1]
    assert len(module.groups) in (4, 8, 12)
    assert len(told) >= 4 or len(module.groups) == 12


def test_a_step_in_which_no_group_carries_a_signal_leaves_the_weights(tmp_path: Path) -> None:
    config = tiny_policy.configuration("algorithm.drop_zero_variance=true")
    module = tiny_policy.policy(tmp_path, config)
    wrong = tiny_policy.Verdict(tiny_policy.Outcome.WRONG)
    module._outside[1].verifier.score = lambda prompts, texts: [wrong] * len(texts)
    before = [p.clone() for p in module.model.parameters()]
    found = tiny_policy.train(module, config)
    assert [m["budget/tokens"] for m in found] == [0, 0, 0]
    assert all(torch.equal(a, b) for a, b in zip(before, module.model.parameters(), strict=True))


def test_one_update_on_everything_is_the_same_whatever_the_micro_batches(tmp_path: Path) -> None:
    whole, _ = steps_of(tmp_path, "algorithm.micro_batch_tokens=100000")
    split, _ = steps_of(tmp_path, "algorithm.micro_batch_tokens=40")
    for a, b in zip(whole, split, strict=True):
        for key in ("train/loss", "train/grad_norm", "moe/balance", "kl/reference", "entropy/rollout"):
            assert a[key] == pytest.approx(b[key], rel=2e-3, abs=1e-6), key


def test_a_rerun_is_bitwise_equal(tmp_path: Path) -> None:
    runs = [steps_of(tmp_path, "algorithm.updates=2") for _ in range(2)]
    def same(metrics: dict[str, float]) -> dict[str, float]:
        return {k: v for k, v in metrics.items() if not k.startswith(("time/", "throughput/"))}
    assert [same(m) for m in runs[0][0]] == [same(m) for m in runs[1][0]]
    pairs = zip(runs[0][1].model.parameters(), runs[1][1].model.parameters(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)


@pytest.mark.parametrize("updates", [1, 2])
def test_an_engine_with_other_weights_is_found_before_a_weight_is_changed(tmp_path: Path, updates: int) -> None:
    config = tiny_policy.configuration(f"algorithm.updates={updates}")
    module = tiny_policy.policy(tmp_path, config)
    evaluator, strangers = module._outside[1], tiny_policy.model(tiny_policy.tokenizer(), 5)
    module.sync = lambda: evaluator.sync(strangers, module.version)
    before = [p.clone() for p in module.model.parameters()]
    with pytest.raises(EngineMismatchError, match="policy version 0"):
        tiny_policy.train(module, config)
    assert all(torch.equal(a, b) for a, b in zip(before, module.model.parameters(), strict=True))
