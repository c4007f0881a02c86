"""What a step reports of each domain, against numbers worked out by hand."""

import pytest
import torch

from ringexp.models.packing import pack, rollout_document
from ringexp.records import Group, Outcome, Prompt, Request, Rollout, Verdict
from ringexp.rl.budget import BudgetedSet
from ringexp.rl.experience import MicroBatch
from ringexp.rl.metrics import add_budget, add_rollouts, add_terms
from ringexp.rl.objective import ObjectiveTerms
from ringexp.tracking.names import describe
from ringexp.training.tally import Tally, add_mixture

C, W, U = Outcome.CORRECT, Outcome.WRONG, Outcome.UNPARSABLE


def group(domain: str, lengths: list[int], outcomes: list[Outcome], cut: int = 0) -> Group:
    """Responses of these lengths; the first `cut` of them ended by the limit."""
    prompt = Prompt(domain, domain, "?", "1", token_ids=(5, 6))
    rollouts = tuple(
        Rollout(Request(prompt, i, 0), (7,) * n, (0.0,) * n, (0,) * n, "", i < cut) for i, n in enumerate(lengths)
    )
    return Group(prompt, rollouts, tuple(map(Verdict, outcomes)))


GROUPS = [group("math", [4, 6], [C, W]), group("code", [10, 20], [U, U], cut=1), group("math", [2, 4], [C, C])]


def test_every_domain_is_reported_beside_the_whole() -> None:
    tally = Tally()
    add_rollouts(tally, GROUPS, [False, True, True])
    found = tally.metrics()
    expected = {
        "reward/mean": 3 / 6, "reward/math": 3 / 4, "reward/code": 0.0,
        "length/mean": 46 / 6, "length/math": 4.0, "length/code": 15.0, "length/max": 20,
        "length/truncated": 1 / 6, "length/truncated/math": 0.0, "length/truncated/code": 0.5,
        "group/zero_variance": 2 / 3, "group/zero_variance/math": 0.5, "group/zero_variance/code": 1.0,
        "outcome/correct": 0.5, "outcome/wrong": 1 / 6, "outcome/unparsable": 1 / 3,
        "outcome/correct/math": 0.75, "outcome/unparsable/math": 0.0, "outcome/unparsable/code": 1.0,
        "outcome/timeout/code": 0.0,
    }  # fmt: skip
    assert {name: found[name] for name in expected} == pytest.approx(expected)
    assert all(describe(name) for name in found)


def test_the_mixture_is_reported_beside_its_target() -> None:
    tally = Tally()
    add_mixture(tally, [g.prompt.domain for g in GROUPS], {"code": 0.25, "math": 0.75})
    assert tally.metrics() == pytest.approx({
        "mixture/target/code": 0.25, "mixture/target/math": 0.75,
        "mixture/realised/code": 1 / 3, "mixture/realised/math": 2 / 3,
    })  # fmt: skip


def test_entropy_of_each_domain_adds_up_to_the_whole() -> None:
    tally = Tally()
    for part in (GROUPS[:1], GROUPS[1:]):
        rollouts = [rollout for g in part for rollout in g.rollouts]
        packed = pack([rollout_document(r) for r in rollouts])
        entropy = torch.arange(len(packed.targets), dtype=torch.float32)
        zero = torch.zeros(())
        batch = MicroBatch(packed, tuple(r.request.prompt.domain for r in rollouts), zero, zero, zero)
        terms = ObjectiveTerms(zero, torch.tensor(3), 2 * entropy.sum(), torch.tensor(1), None, entropy.sum())
        add_terms(tally, batch, terms, entropy)
    found = tally.metrics()
    code = sum(range(30)) / 30
    maths = (sum(range(10)) + sum(range(30, 36))) / 16
    assert found["entropy/rollout/code"] == pytest.approx(code)
    assert found["entropy/rollout/math"] == pytest.approx(maths)
    assert found["entropy/rollout"] == pytest.approx((30 * code + 16 * maths) / 46)
    assert found["clip/fraction"] == pytest.approx(6 / 46)
    assert found["correction/factor"] == pytest.approx(2 * found["entropy/rollout"])
    assert found["correction/rejected"] == pytest.approx(2 / 46)
    assert "kl/reference" not in found
    assert all(describe(name) for name in found)


def test_the_budget_tells_what_it_took_and_left() -> None:
    tally = Tally()
    add_budget(tally, BudgetedSet((((2, 8),), ((0, 2),)), 10, 15, 3, 1), 20, ["math", "code", "math"])
    found = tally.metrics()
    assert found == pytest.approx({
        "budget/tokens": 10, "budget/fill": 0.5, "budget/dropped": 0.6, "budget/cut": 3, "budget/responses_dropped": 1,
        "mixture/tokens/math": 1.0, "mixture/tokens/code": 0.0,
    })  # fmt: skip
    assert all(describe(name) for name in found)


def test_the_tallies_of_two_ranks_merge_to_that_of_one() -> None:
    whole, ranks = Tally(), [Tally(), Tally()]
    add_rollouts(whole, GROUPS, [False, True, True])
    add_rollouts(ranks[0], GROUPS[:1], [False])
    add_rollouts(ranks[1], GROUPS[1:], [True, True])
    assert Tally.merged(ranks).metrics() == pytest.approx(whole.metrics())
