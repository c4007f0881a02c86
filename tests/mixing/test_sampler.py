"""The mixture sampler: stateless, each prompt once per epoch, shares as the weights say."""

import math
from collections import Counter

import pytest

from ringexp.config.recipe import AlgorithmConfig
from ringexp.mixing.sampler import MixtureSampler, PromptRounds
from ringexp.records import Prompt

POOLS = {d: [Prompt(f"{d}-{i}", d, "?", "1") for i in range(n)] for d, n in (("math", 13), ("code", 7), ("science", 5))}
MIX = {"math": 5.0, "code": 3.0, "science": 2.0}


def make(weights: dict[str, float] = MIX, per_step: int = 6, steps: int = 40, seed: int = 0,
         place: str = "rl-math") -> MixtureSampler:  # fmt: skip
    return MixtureSampler(POOLS, weights, per_step, steps, seed, place)


def ids(sampler: MixtureSampler, *steps: int) -> list[str]:
    return [p.id for step in steps or range(len(sampler)) for p in sampler[step]]


def test_an_item_does_not_depend_on_what_else_was_read() -> None:
    expected = [ids(make(), step) for step in range(40)]
    backwards, fresh = make(), [ids(make(), step) for step in (0, 17, 39)]
    assert [ids(backwards, step) for step in reversed(range(40))] == expected[::-1]
    assert fresh == [expected[0], expected[17], expected[39]]
    assert ids(make(steps=80), *range(40)) == [i for step in expected for i in step]


def test_items_depend_on_seed_and_place() -> None:
    assert len({tuple(ids(s)) for s in (make(), make(seed=1), make(place="rl-code"))}) == 3
    assert ids(make()) == ids(make())


@pytest.mark.parametrize("weights", [MIX, {"math": 1.0}, {"code": 1.0, "science": 1.0}])
def test_each_prompt_comes_once_per_epoch(weights: dict[str, float]) -> None:
    drawn = ids(make(weights))
    for domain in weights:
        own, size = [i for i in drawn if i.startswith(domain)], len(POOLS[domain])
        epochs = [own[i : i + size] for i in range(0, len(own), size)]
        assert len(epochs) > 3
        assert all(len(set(epoch)) == len(epoch) for epoch in epochs)
        assert all(set(epoch) == {p.id for p in POOLS[domain]} for epoch in epochs[:-1])
        assert epochs[0] != epochs[1]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("per_step", [1, 6, 64])
def test_each_step_holds_its_share_to_the_rounding(seed: int, per_step: int) -> None:
    sampler = make(per_step=per_step, seed=seed)
    for step in range(len(sampler)):
        counts = Counter(p.domain for p in sampler[step])
        for domain, weight in MIX.items():
            exact = per_step * weight / sum(MIX.values())
            assert math.floor(exact) <= counts[domain] <= math.ceil(exact)


@pytest.mark.parametrize("seed", range(3))
def test_realised_shares_are_the_weights_on_average(seed: int) -> None:
    """With one prompt a step the rounding is all there is: its mean is the weight, within 3 σ of a free draw."""
    total = 12_000
    counts = Counter(i.split("-")[0] for i in ids(make(per_step=1, steps=total, seed=seed)))
    for domain, weight in MIX.items():
        share = weight / sum(MIX.values())
        assert abs(counts[domain] - total * share) < 3 * math.sqrt(total * share * (1 - share))


def test_domains_of_a_step_come_in_mixed_order() -> None:
    firsts = Counter(step[0].domain for step in make(per_step=10, steps=400))
    assert all(abs(firsts[d] - 400 * w / 10) < 4 * math.sqrt(400 * w / 10) for d, w in MIX.items())


def test_weights_count_by_their_ratio_and_zero_means_never() -> None:
    assert ids(make({d: 10 * w for d, w in MIX.items()})) == ids(make())
    assert {i.split("-")[0] for i in ids(make({"math": 1.0, "code": 0.0}))} == {"math"}


def test_a_sampler_has_exactly_its_steps() -> None:
    sampler = make()
    assert (len(sampler), len(list(sampler)), len(sampler[39])) == (40, 40, 6)
    for step in (-1, 40):
        with pytest.raises(IndexError):
            sampler[step]


@pytest.mark.parametrize("weights", [{}, {"math": 0.0}, {"math": -1.0, "code": 3.0}, {"math": math.nan}])
def test_weights_without_a_positive_sum_raise(weights: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="weights"):
        make(weights)


def test_a_domain_without_prompts_raises() -> None:
    with pytest.raises(ValueError, match="'law'"):
        make({"math": 1.0, "law": 1.0})


def test_every_step_has_its_rounds_whether_it_draws_them_or_not() -> None:
    pools = {"math": [Prompt(f"m{i}", "math", "", "") for i in range(7)], "code": [Prompt("c", "code", "", "")]}
    config = AlgorithmConfig(prompts_per_step=4, rounds=3)
    rounds = PromptRounds(pools, {"math": 3, "code": 1}, config, 5, 0, "s")
    plain = MixtureSampler(pools, {"math": 3, "code": 1}, 4, 15, 0, "s")
    assert len(rounds) == 5
    assert [prompts for step in range(5) for prompts in rounds[step]] == [plain[i] for i in range(15)]
    with pytest.raises(IndexError):
        rounds[5]
