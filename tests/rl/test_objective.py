"""The policy objective against hand-computed numbers and a loop over the recipe's formula (paper Eq. 2)."""

import math
import random
from collections.abc import Callable

import pytest
import torch

from ringexp.rl.budget import fill_budget
from ringexp.rl.objective import (
    PolicyObjective,
    budget_weights,
    clipped_surrogate,
    k3_divergence,
    sequence_weights,
    token_ratio,
    token_weights,
)

Field = list[list[float]]
LOW, HIGH, BETA, ENTROPY = 0.2, 0.3, 0.1, 0.05


def loop_c3po(new: Field, old: Field, ref: Field, entropy: Field, advantage: list[float], budget: int) -> float:
    """L_C3PO − α_ent·H, double loop over all responses in order, Ψ as the indicator of Eq. 2."""
    total, used = 0.0, 0
    for i in range(len(new)):
        for t in range(len(new[i])):
            if used == budget:
                continue
            used += 1
            r = math.exp(new[i][t] - old[i][t])
            clipped = max(1 - LOW, min(1 + HIGH, r))
            gain = min(r * advantage[i], clipped * advantage[i])
            ratio_ref = math.exp(ref[i][t]) / math.exp(new[i][t])
            kl = ratio_ref - math.log(ratio_ref) - 1
            total += gain - BETA * kl + ENTROPY * entropy[i][t]
    return -total / budget


def random_step(seed: int) -> tuple[Field, Field, Field, Field, list[float]]:
    draw = random.Random(seed)
    lengths = [draw.randint(1, 6) for _ in range(5)]
    new = [[draw.uniform(-3, -0.1) for _ in range(n)] for n in lengths]
    old, ref = ([[x + draw.gauss(0, 0.4) for x in row] for row in new] for _ in range(2))
    entropy = [[draw.uniform(0, 4) for _ in range(n)] for n in lengths]
    return new, old, ref, entropy, [draw.gauss(0, 1) for _ in lengths]


def flat(rows: Field) -> torch.Tensor:
    return torch.tensor([x for row in rows for x in row], dtype=torch.float64)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("share", [0.3, 0.75, 1.0, 1.7])
def test_c3po_equals_the_loop_over_its_formula(seed: int, share: float) -> None:
    new, old, ref, entropy, advantage = random_step(seed)
    lengths = [len(row) for row in new]
    budget = max(1, round(share * sum(lengths)))
    taken = fill_budget(lengths, range(len(new)), budget).taken
    weights = budget_weights([n for _, n in taken], budget)

    def trained(rows: Field) -> Field:
        return [rows[i][:n] for i, n in taken]

    logprob, h = flat(trained(new)).requires_grad_(), flat(trained(entropy)).requires_grad_()
    spread = flat([[advantage[i]] * n for i, n in taken])
    weight = flat([[w] * n for w, (_, n) in zip(weights, taken)])
    objective = PolicyObjective(token_ratio, budget_weights, LOW, HIGH, BETA, ENTROPY)
    loss = objective(logprob, flat(trained(old)), flat(trained(ref)), h, spread, weight).loss
    assert float(loss.detach()) == pytest.approx(loop_c3po(new, old, ref, entropy, advantage, budget), rel=1e-12)

    loss.backward()
    tokens = [(i, t) for i, n in taken for t in range(n)]
    for where, field, grad in ((0, new, logprob.grad), (3, entropy, h.grad)):
        for (i, t), value in zip(tokens, grad, strict=True):
            assert float(value) == pytest.approx(slope((new, old, ref, entropy), where, i, t, advantage, budget),
                                                 rel=1e-5, abs=1e-9), field  # fmt: skip


def slope(fields: tuple[Field, ...], where: int, i: int, t: int, advantage: list[float], budget: int) -> float:
    """Central difference of the loop in one number."""
    values = []
    for step in (1e-6, -1e-6):
        moved = [[list(row) for row in field] for field in fields]
        moved[where][i][t] += step
        values.append(loop_c3po(moved[0], moved[1], moved[2], moved[3], advantage, budget))
    return (values[0] - values[1]) / 2e-6


@pytest.mark.parametrize(("ratio", "advantage", "expected", "slope"), [
    (1.1, 2.0, 2.2, 2.2),     # inside: r·A, gradient r·A with respect to log π
    (1.5, 2.0, 2.6, 0.0),     # above and good: clipped at 1.3
    (1.5, -2.0, -3.0, -3.0),  # above and bad: not clipped
    (0.5, 2.0, 1.0, 1.0),     # below and good: not clipped
    (0.5, -2.0, -1.6, 0.0),   # below and bad: clipped at 0.8
])  # fmt: skip
def test_clipping_on_both_sides(ratio: float, advantage: float, expected: float, slope: float) -> None:
    logprob = torch.tensor([math.log(ratio)], dtype=torch.float64, requires_grad=True)
    value = clipped_surrogate(token_ratio(logprob, torch.zeros(1)), torch.tensor([advantage]), 0.2, 0.3)
    value.sum().backward()
    assert float(value.detach()) == pytest.approx(expected, rel=1e-7)
    assert float(logprob.grad) == pytest.approx(slope, rel=1e-7)


def test_loss_of_three_tokens_by_hand() -> None:
    logprob, old = torch.tensor([0.5, 0.9, 0.25]).log(), torch.tensor([0.25, 0.9, 0.5]).log()
    reference, entropy = torch.tensor([0.5, 0.45, 0.25]).log(), torch.tensor([1.0, 2.0, 3.0])
    advantage, weight = torch.tensor([1.0, -2.0, -1.0]), torch.full((3,), 0.25)
    objective = PolicyObjective(token_ratio, budget_weights, 0.2, 0.2, kl_coef=0.1, entropy_coef=0.01)
    terms = objective(logprob, old, reference, entropy, advantage, weight)
    # ratios 2, 1, ½: gains min(2, 1.2) = 1.2, −2, min(−0.5, −0.8) = −0.8; k3 only of token 2: ½ + ln 2 − 1
    k3 = 0.5 + math.log(2) - 1
    assert float(terms.loss) == pytest.approx(-0.25 * (1.2 - 2 - 0.8 - 0.1 * k3 + 0.01 * 6), rel=1e-5)
    assert int(terms.clipped) == 2
    assert float(terms.reference_kl) == pytest.approx(k3, rel=1e-5)
    assert float(terms.entropy) == pytest.approx(6.0)


def test_k3_is_unbiased_for_the_divergence_and_never_negative() -> None:
    p, q = torch.tensor([0.5, 0.3, 0.2], dtype=torch.float64), torch.tensor([0.2, 0.2, 0.6], dtype=torch.float64)
    estimate = k3_divergence(p.log(), q.log())
    assert bool((estimate >= 0).all())
    assert float((p * estimate).sum()) == pytest.approx(float((p * (p / q).log()).sum()), rel=1e-12)


def test_gradient_flows_through_the_policy_alone() -> None:
    parts = [torch.rand(4, requires_grad=True) for _ in range(4)]
    terms = PolicyObjective(token_ratio, budget_weights)(*parts, torch.randn(4), torch.ones(4))
    terms.loss.backward()
    assert [part.grad is not None for part in parts] == [True, False, False, True]  # policy, old, reference, entropy
    assert not (terms.reference_kl.requires_grad or terms.entropy.requires_grad)


COUNTS = [5, 1, 9, 3]


def test_budget_weights_with_a_full_step_are_token_weights() -> None:
    assert budget_weights(COUNTS, sum(COUNTS)) == token_weights(COUNTS, None) == [1 / 18] * 4


def test_budget_weights_stay_constant_in_an_unfilled_step() -> None:
    assert budget_weights(COUNTS, 40) == [1 / 40] * 4
    assert budget_weights(COUNTS[:1], 40) == [1 / 40]


def test_sequence_weights_are_those_of_grpo() -> None:
    weights = sequence_weights(COUNTS, None)
    assert weights == [1 / 20, 1 / 4, 1 / 36, 1 / 12]
    assert [w * n for w, n in zip(weights, COUNTS)] == pytest.approx([1 / 4] * 4)


def test_budget_weights_need_a_budget() -> None:
    with pytest.raises(ValueError, match="token_budget"):
        budget_weights(COUNTS, None)


@pytest.mark.parametrize("weights", [budget_weights, token_weights, sequence_weights])
def test_nothing_trained_has_no_weights(weights: Callable[[list[int], int], list[float]]) -> None:
    assert weights([], 10) == []
