"""What a step reports of each domain, against numbers worked out by hand."""

import pytest
import torch

from ringexp.mixing.schedule import mixture_metrics
from ringexp.models.packing import pack, rollout_document
from ringexp.records import Group, Outcome, Prompt, Request, Rollout, Verdict
from ringexp.rl.experience import MicroBatch
from ringexp.rl.metrics import Totals, rollout_metrics
from ringexp.rl.objective import ObjectiveTerms
from ringexp.tracking.names import describe

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
    found = rollout_metrics(GROUPS, [False, True, True])
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
    found = mixture_metrics([g.prompt.domain for g in GROUPS], {"code": 0.25, "math": 0.75})
    assert found == pytest.approx({
        "mixture/target/code": 0.25, "mixture/target/math": 0.75,
        "mixture/realised/code": 1 / 3, "mixture/realised/math": 2 / 3,
    })  # fmt: skip


def test_entropy_and_tokens_of_each_domain_add_up_to_the_whole() -> None:
    totals = Totals(46)
    entropies = []
    for part in (GROUPS[:1], GROUPS[1:]):
        rollouts = [rollout for g in part for rollout in g.rollouts]
        packed = pack([rollout_document(r) for r in rollouts])
        entropy = torch.arange(len(packed.targets), dtype=torch.float32)
        entropies.append(entropy)
        zero = torch.zeros(())
        batch = MicroBatch(packed, tuple(r.request.prompt.domain for r in rollouts), zero, zero, zero)
        totals.add(batch, zero, ObjectiveTerms(zero, zero, zero, entropy.sum()), entropy)
    found = totals.metrics()
    code = sum(range(30)) / 30
    maths = (sum(range(10)) + sum(range(30, 36))) / 16
    assert found["entropy/rollout/code"] == pytest.approx(code)
    assert found["entropy/rollout/math"] == pytest.approx(maths)
    assert found["mixture/tokens/math"] == pytest.approx(16 / 46)
    assert found["entropy/rollout"] == pytest.approx((30 * code + 16 * maths) / 46)
    assert all(describe(name) for name in found)
