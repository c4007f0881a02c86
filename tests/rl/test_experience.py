"""One step's experience: advantages, alignment, and a loss that does not depend on how the step is split."""

import random
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor

from ringexp.models.bailing_moe import BailingMoeForCausalLM
from ringexp.models.logprob import Scored, score_responses
from ringexp.records import Group, Outcome, Prompt, Request, Rollout, Verdict
from ringexp.rl.advantage import group_advantage
from ringexp.rl.experience import Experience, MicroBatch, build_experience
from ringexp.rl.objective import (
    PolicyObjective,
    ResponseTokens,
    UpdateSize,
    Weights,
    budget_weights,
    sequence_weights,
    token_ratio,
    token_weights,
)
from ringexp.training.module import RouterLosses, whole_statistics

REWARDS = [[1, 0, 0, 1], [0, 0, 0, 0], [1, 1, 0, 1], [0, 1, 0, 0], [1, 1, 1, 1]]


def make_groups(rewards: list[list[int]] = REWARDS, seed: int = 0) -> list[Group]:
    """Responses of random lengths; number n starts with token n, and its token t has log-probability −n − t/1000."""
    draw, groups, number = random.Random(seed), [], 0
    for g, own in enumerate(rewards):
        prompt = Prompt(f"p{g}", "math", "?", "1", token_ids=tuple(draw.choices(range(64), k=draw.randint(2, 7))))
        rollouts = []
        for sample in range(len(own)):
            tokens = (number, *draw.choices(range(64), k=draw.randint(0, 14)))
            logprobs = tuple(-number - t / 1000 for t in range(len(tokens)))
            rollouts.append(Rollout(Request(prompt, sample, 0), tokens, logprobs, (0,) * len(tokens), "", False))
            number += 1
        verdicts = tuple(Verdict(Outcome.CORRECT if r else Outcome.WRONG) for r in own)
        groups.append(Group(prompt, tuple(rollouts), verdicts))
    return groups


def build(groups: list[Group], **changes: Any) -> Experience:
    options: dict[str, Any] = {"token_budget": None, "drop_zero_variance": False, "seed": 0, "place": ("math", 0)}
    return build_experience(groups, group_advantage, **(options | changes))


def split(
    experience: Experience, weights: Weights = token_weights, micro: int = 60, budget: int | None = None,
    update: int = 0,
) -> list[MicroBatch]:
    """The micro-batches of an update, as one rank makes them."""
    lengths = experience.lengths(update)
    size = UpdateSize(lengths, sum(lengths), len(lengths), 1, budget, 15)
    return experience.micro_batches(update, weights(size), micro)


def responses(batches: list[MicroBatch]) -> dict[int, dict[str, Tensor]]:
    """The trained part of every response, by its number."""
    found: dict[int, dict[str, Tensor]] = {}
    for batch in batches:
        for document in range(len(batch.packed.lengths)):
            rows = batch.packed.document == document
            parts = {"tokens": batch.packed.targets[rows], "advantage": batch.advantage[rows],
                     "weight": batch.weight[rows], "behaviour": batch.behaviour[rows]}
            assert int(parts["tokens"][0]) not in found
            found[int(parts["tokens"][0])] = parts
    return found


def lengths_of(groups: list[Group]) -> list[int]:
    return [len(rollout.token_ids) for group in groups for rollout in group.rollouts]


@pytest.mark.parametrize("budget", [None, 1, 30, 75, 10_000])
@pytest.mark.parametrize("micro", [1, 40, 10_000])
def test_advantages_come_from_complete_groups_whatever_is_cut(budget: int | None, micro: int) -> None:
    groups = make_groups()
    expected = torch.cat(group_advantage(REWARDS))
    rollouts = [rollout for group in groups for rollout in group.rollouts]
    found = responses(split(build(groups, token_budget=budget), micro=micro))
    total = sum(lengths_of(groups))
    assert sum(len(part["tokens"]) for part in found.values()) == min(budget or total, total)
    for number, part in found.items():
        count = len(part["tokens"])
        assert tuple(part["tokens"].tolist()) == rollouts[number].token_ids[:count]
        assert part["advantage"].tolist() == [float(expected[number])] * count


def test_behaviour_log_probabilities_stay_with_their_tokens() -> None:
    for number, part in responses(split(build(make_groups(), token_budget=90), micro=25)).items():
        expected = [-number - t / 1000 for t in range(len(part["tokens"]))]
        torch.testing.assert_close(part["behaviour"], torch.tensor(expected), atol=1e-6, rtol=0)


def test_weights_follow_their_responses() -> None:
    groups = make_groups()
    lengths = lengths_of(groups)
    for number, part in responses(split(build(groups), sequence_weights)).items():
        assert part["weight"].tolist() == pytest.approx([1 / (len(lengths) * lengths[number])] * lengths[number])
    cut = responses(split(build(groups, token_budget=50), budget_weights, budget=50))
    assert sum(float(part["weight"].sum()) for part in cut.values()) == pytest.approx(1.0)
    four = 4 * sum(lengths)
    unfilled = responses(split(build(groups, token_budget=four), budget_weights, budget=four))
    assert sum(float(part["weight"].sum()) for part in unfilled.values()) == pytest.approx(0.25)


def test_dropped_groups_do_not_claim_the_budget() -> None:
    groups = make_groups()
    lengths = lengths_of(groups)
    silent = {4, 5, 6, 7, 16, 17, 18, 19}
    every = build(groups, drop_zero_variance=True)
    assert every.zero_variance == (False, True, False, False, True)
    assert set(responses(split(every))) == set(range(20)) - silent
    assert every.budgeted.dropped == sum(lengths[i] for i in silent)
    budget = sum(lengths) - every.budgeted.dropped
    assert build(groups, drop_zero_variance=True, token_budget=budget).budgeted.tokens == budget
    assert set(responses(split(build(groups)))) == set(range(20))


def test_dynamic_sampling_trains_the_first_groups_with_a_signal() -> None:
    groups = make_groups()
    experience = build(groups, drop_zero_variance=True, most_groups=2)
    assert set(responses(split(experience))) == {0, 1, 2, 3, 8, 9, 10, 11}
    assert experience.budgeted.responses_dropped == 12


def test_updates_train_disjoint_parts_with_equal_tokens() -> None:
    groups = make_groups()
    experience = build(groups, token_budget=60, updates=3)
    parts = [responses(split(experience, budget_weights, budget=20, update=update)) for update in range(3)]
    assert [sum(len(part["tokens"]) for part in found.values()) for found in parts] == [20, 20, 20]
    assert sum(map(len, parts)) == len(set().union(*parts))
    assert [sum(float(part["weight"].sum()) for part in found.values()) for found in parts] == pytest.approx([1] * 3)


def test_the_stand_in_of_an_idle_rank_weighs_nothing() -> None:
    batch = build(make_groups()).stand_in()
    assert (batch.weight.tolist(), len(batch.packed.targets)) == ([0.0], 1)


def test_a_step_without_signal_trains_nothing_when_such_groups_are_dropped() -> None:
    groups = make_groups([[0, 0], [1, 1]])
    experience = build(groups, drop_zero_variance=True, token_budget=50)
    assert experience.lengths(0) == ()
    assert (experience.budgeted.tokens, experience.budgeted.dropped) == (0, sum(lengths_of(groups)))


def tokens_of(batch: MicroBatch, scored: Scored, reference: Tensor) -> ResponseTokens:
    """A micro-batch at the first update: π_old is π_θ."""
    return ResponseTokens(scored.logprob, scored.entropy, scored.logprob.detach(), batch.behaviour, reference,
                          batch.advantage, batch.weight, batch.packed.document)  # fmt: skip


def gradients(
    model: BailingMoeForCausalLM, reference: BailingMoeForCausalLM, micro: list[MicroBatch]
) -> tuple[float, dict[str, Tensor]]:
    """Loss and gradients of a whole step, composed as C3POModule does."""
    objective = PolicyObjective(token_ratio, token_weights, kl_coef=0.1, entropy_coef=0.05)
    whole = whole_statistics(model, [(m.packed, False) for m in micro])
    router = RouterLosses([whole], 2, balance_coef=0.1, z_coef=0.01)
    model.zero_grad()
    total = 0.0
    for batch in micro:
        scored = score_responses(model, batch.packed)
        with torch.no_grad():
            target = score_responses(reference, batch.packed).logprob
        terms = objective(tokens_of(batch, scored, target))
        loss = terms.loss + router.share(scored.router)
        loss.backward()
        total += float(loss.detach())
    return total, {name: p.grad.clone() for name, p in model.named_parameters()}


@pytest.mark.parametrize("micro", [1, 25, 60])
@pytest.mark.parametrize("seed", [0, 1])
def test_loss_and_gradients_do_not_depend_on_the_split_or_the_order(
    make_tiny: Callable[..., BailingMoeForCausalLM], micro: int, seed: int
) -> None:
    model, reference = make_tiny(0), make_tiny(1)
    groups = make_groups(seed=seed)
    whole = split(build(groups), micro=10_000)
    assert len(whole) == 1
    loss, expected = gradients(model, reference, whole)
    random.Random(seed).shuffle(groups)
    parts = split(build(groups, place=("math", 1)), micro=micro)
    assert len(parts) > 3
    random.Random(seed).shuffle(parts)
    other, found = gradients(model, reference, parts)
    assert other == pytest.approx(loss, rel=1e-5)
    for name, grad in expected.items():
        torch.testing.assert_close(found[name], grad, rtol=1e-5, atol=1e-5 * float(grad.abs().max()),
                                   msg=partial("{}: {}".format, name))  # fmt: skip


def test_gradient_equals_that_of_dense_forward_passes(make_tiny: Callable[..., BailingMoeForCausalLM]) -> None:
    """At the first update the ratio is 1: the gradient is that of −Σ w·(A·log π − β·k3 + α·H)."""
    model, reference = make_tiny(0), make_tiny(1)
    groups = make_groups([[1, 0, 0], [0, 1, 1]])
    batches = split(build(groups, token_budget=40), budget_weights, micro=20, budget=40)
    objective = PolicyObjective(token_ratio, budget_weights, kl_coef=0.1, entropy_coef=0.05)
    model.zero_grad()
    for batch in batches:
        scored = score_responses(model, batch.packed)
        with torch.no_grad():
            target = score_responses(reference, batch.packed).logprob
        objective(tokens_of(batch, scored, target)).loss.backward()
    names = [name for name, _ in model.named_parameters() if name != "model.word_embeddings.weight"]
    found = {name: p.grad.clone() for name, p in model.named_parameters()}

    model.zero_grad()
    advantages = torch.cat(group_advantage([group.rewards for group in groups]))
    rollouts = [rollout for group in groups for rollout in group.rollouts]
    for number, part in responses(batches).items():
        prompt, response = rollouts[number].request.prompt.token_ids, part["tokens"]
        ids = torch.cat([torch.tensor(prompt), response])[None, :-1]
        rows = slice(len(prompt) - 1, None)
        log_p = model(ids).logits[0, rows].double().log_softmax(-1)
        log_q = reference(ids).logits[0, rows].double().log_softmax(-1).detach()
        logprob, other = (x.gather(1, response[:, None])[:, 0] for x in (log_p, log_q))
        k3 = (other - logprob).exp() - (other - logprob) - 1
        entropy = -(log_p.exp() * log_p).sum(-1)
        (-(advantages[number] * logprob - 0.1 * k3 + 0.05 * entropy) / 40).sum().backward()
    for name in names:
        grad = dict(model.named_parameters())[name].grad
        torch.testing.assert_close(found[name], grad, rtol=1e-4, atol=1e-5 * float(grad.abs().max()))
