"""The policy objective against hand-computed numbers and a loop over the recipe's formula (paper Eq. 2)."""

import math
import random

import pytest
import torch

from ringexp.rl.budget import fill_budget
from ringexp.rl.objective import (
    PolicyObjective,
    ResponseTokens,
    UpdateSize,
    Weights,
    budget_weights,
    clipped_surrogate,
    constant_weights,
    icepop,
    k3_divergence,
    sequence_ratio,
    sequence_weights,
    token_ratio,
    token_weights,
    truncated_importance,
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


def size(lengths: list[int], budget: int | None = None, ranks: int = 1) -> UpdateSize:
    """An update of `ranks` ranks that all have responses of these lengths, 32 tokens at most."""
    return UpdateSize(tuple(lengths), ranks * sum(lengths), ranks * len(lengths), ranks, budget, 32)


def tokens_of(**fields: torch.Tensor) -> ResponseTokens:
    """Response tokens of one document; behaviour as old, entropy 0 unless given."""
    base = fields["logprob"]
    defaults = {"entropy": torch.zeros_like(base), "behaviour": fields["old"], "reference": None,
                "weight": torch.ones_like(base), "document": torch.zeros(len(base), dtype=torch.long)}
    return ResponseTokens(**(defaults | fields))


def flat(rows: Field) -> torch.Tensor:
    return torch.tensor([x for row in rows for x in row], dtype=torch.float64)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("share", [0.3, 0.75, 1.0, 1.7])
def test_c3po_equals_the_loop_over_its_formula(seed: int, share: float) -> None:
    new, old, ref, entropy, advantage = random_step(seed)
    lengths = [len(row) for row in new]
    budget = max(1, round(share * sum(lengths)))
    taken = fill_budget(lengths, range(len(new)), budget).taken
    weights = budget_weights(size([n for _, n in taken], budget))

    def trained(rows: Field) -> Field:
        return [rows[i][:n] for i, n in taken]

    logprob, h = flat(trained(new)).requires_grad_(), flat(trained(entropy)).requires_grad_()
    spread = flat([[advantage[i]] * n for i, n in taken])
    weight = flat([[w] * n for w, (_, n) in zip(weights, taken)])
    objective = PolicyObjective(token_ratio, budget_weights, clip_low=LOW, clip_high=HIGH, kl_coef=BETA,
                                entropy_coef=ENTROPY)
    loss = objective(tokens_of(logprob=logprob, old=flat(trained(old)), reference=flat(trained(ref)), entropy=h,
                               advantage=spread, weight=weight)).loss
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
    value = clipped_surrogate(token_ratio(logprob, torch.zeros(1), torch.zeros(1)), torch.tensor([advantage]), 0.2, 0.3)
    value.sum().backward()
    assert float(value.detach()) == pytest.approx(expected, rel=1e-7)
    assert float(logprob.grad) == pytest.approx(slope, rel=1e-7)


def test_loss_of_three_tokens_by_hand() -> None:
    logprob, old = torch.tensor([0.5, 0.9, 0.25]).log(), torch.tensor([0.25, 0.9, 0.5]).log()
    reference, entropy = torch.tensor([0.5, 0.45, 0.25]).log(), torch.tensor([1.0, 2.0, 3.0])
    advantage, weight = torch.tensor([1.0, -2.0, -1.0]), torch.full((3,), 0.25)
    objective = PolicyObjective(token_ratio, budget_weights, kl_coef=0.1, entropy_coef=0.01)
    terms = objective(tokens_of(logprob=logprob, old=old, reference=reference, entropy=entropy, advantage=advantage,
                                weight=weight))
    # ratios 2, 1, ½: gains min(2, 1.2) = 1.2, −2, min(−0.5, −0.8) = −0.8; k3 only of token 2: ½ + ln 2 − 1
    k3 = 0.5 + math.log(2) - 1
    assert float(terms.loss) == pytest.approx(-0.25 * (1.2 - 2 - 0.8 - 0.1 * k3 + 0.01 * 6), rel=1e-5)
    assert int(terms.clipped) == 2
    assert terms.reference_kl is not None
    assert float(terms.reference_kl) == pytest.approx(k3, rel=1e-5)
    assert float(terms.entropy) == pytest.approx(6.0)


def test_k3_is_unbiased_for_the_divergence_and_never_negative() -> None:
    p, q = torch.tensor([0.5, 0.3, 0.2], dtype=torch.float64), torch.tensor([0.2, 0.2, 0.6], dtype=torch.float64)
    estimate = k3_divergence(p.log(), q.log())
    assert bool((estimate >= 0).all())
    assert float((p * estimate).sum()) == pytest.approx(float((p * (p / q).log()).sum()), rel=1e-12)


def test_gradient_flows_through_the_policy_alone() -> None:
    names = ("logprob", "entropy", "old", "behaviour", "reference")
    parts = {name: torch.rand(4, requires_grad=True) for name in names}
    terms = PolicyObjective(token_ratio, budget_weights, truncated_importance)(
        tokens_of(**parts, advantage=torch.randn(4)))
    terms.loss.backward()
    assert [name for name in names if parts[name].grad is not None] == ["logprob", "entropy"]
    assert not (terms.reference_kl.requires_grad or terms.entropy.requires_grad)


def test_a_kl_term_needs_a_reference() -> None:
    batch = tokens_of(logprob=torch.zeros(2), old=torch.zeros(2), advantage=torch.ones(2))
    with pytest.raises(ValueError, match="needs the reference"):
        PolicyObjective(token_ratio, budget_weights)(batch)
    assert PolicyObjective(token_ratio, budget_weights, kl_coef=0.0)(batch).reference_kl is None


def test_the_sequence_ratio_is_the_geometric_mean_of_the_tokens() -> None:
    ratios = torch.tensor([2.0, 0.5, 4.0, 3.0, 0.1], dtype=torch.float64)
    logprob = ratios.log().requires_grad_()
    found = sequence_ratio(logprob, torch.zeros(5), torch.tensor([0, 0, 0, 1, 1]))
    first, second = 4 ** (1 / 3), 0.3**0.5
    assert found.tolist() == pytest.approx([first] * 3 + [second] * 2)
    found[0].backward()  # d s / d log π_t = s / |y|, for the response's own tokens
    assert logprob.grad.tolist() == pytest.approx([first / 3] * 3 + [0, 0])


def test_corrections_by_hand() -> None:
    old, behaviour = torch.zeros(5), -torch.tensor([0.4, 0.5, 1.0, 3.0, 6.0]).log()
    assert truncated_importance(old, behaviour, cap=2.0).tolist() == pytest.approx([0.4, 0.5, 1.0, 2.0, 2.0])
    assert icepop(old, behaviour, 0.45, 5.0).tolist() == pytest.approx([0.0, 0.5, 1.0, 3.0, 0.0])


def test_a_correction_multiplies_the_clipped_term_and_nothing_else() -> None:
    logprob, old = torch.tensor([0.5, 0.9]).log(), torch.tensor([0.25, 0.9]).log()
    behaviour = old - torch.tensor([3.0, 100.0]).log()
    objective = PolicyObjective(token_ratio, budget_weights, icepop, kl_coef=0.5, entropy_coef=0.1)
    terms = objective(tokens_of(logprob=logprob, old=old, behaviour=behaviour, reference=old,
                                entropy=torch.tensor([1.0, 2.0]), advantage=torch.tensor([1.0, -2.0])))
    # ratio 2 is clipped to 1.2 and weighs 3; the second token is dropped, its KL (0) and entropy are not
    k3 = 0.5 + math.log(2) - 1
    assert float(terms.loss) == pytest.approx(-(3 * 1.2 - 0.5 * k3 + 0.1 * 3), rel=1e-5)
    assert (int(terms.rejected), int(terms.clipped)) == (1, 1)
    assert float(terms.corrected) == pytest.approx(3.0, rel=1e-5)


COUNTS = [5, 1, 9, 3]
WEIGHTS = [budget_weights, token_weights, sequence_weights, constant_weights]


def test_budget_weights_with_a_full_step_are_token_weights() -> None:
    assert budget_weights(size(COUNTS, sum(COUNTS))) == token_weights(size(COUNTS)) == [1 / 18] * 4


def test_budget_weights_stay_constant_in_an_unfilled_step() -> None:
    assert budget_weights(size(COUNTS, 40)) == [1 / 40] * 4
    assert budget_weights(size(COUNTS[:1], 40)) == [1 / 40]


def test_sequence_weights_are_those_of_grpo() -> None:
    weights = sequence_weights(size(COUNTS))
    assert weights == [1 / 20, 1 / 4, 1 / 36, 1 / 12]
    assert [w * n for w, n in zip(weights, COUNTS)] == pytest.approx([1 / 4] * 4)


def test_constant_weights_know_the_longest_response_and_not_the_lengths() -> None:
    assert constant_weights(size(COUNTS)) == constant_weights(size([1, 1, 1, 1])) == [1 / 128] * 4


@pytest.mark.parametrize("weights", WEIGHTS)
def test_the_mean_over_ranks_is_the_weight_of_one_process(weights: Weights) -> None:
    """Two ranks with the same responses and half the budget each are one process with all."""
    alone = weights(size(COUNTS + COUNTS, 36))
    assert [w / 2 for w in weights(size(COUNTS, 18, ranks=2))] * 2 == pytest.approx(alone)


def test_budget_weights_need_a_budget() -> None:
    with pytest.raises(ValueError, match="token_budget"):
        budget_weights(size(COUNTS))


@pytest.mark.parametrize("weights", WEIGHTS)
def test_nothing_trained_has_no_weights(weights: Weights) -> None:
    assert weights(size([], 10)) == []
