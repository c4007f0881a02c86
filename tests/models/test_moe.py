"""Experts, layers with a backward pass of their own, and the router losses: against plain formulas."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from ringexp.models.layers import RMSNorm, rotary_tables, rotate
from ringexp.models.moe import (
    Experts,
    Router,
    RouterStatistics,
    Routing,
    balance_loss,
    dead_experts,
    max_load_violation,
    z_loss,
)


def routed(tokens: int, experts: int, top_k: int, renormalise: bool = True) -> tuple[Tensor, Routing]:
    torch.manual_seed(0)
    x = torch.randn(tokens, 5)
    router = Router(5, experts, top_k, renormalise)
    return x, router.route(x)


def statistics(routing: Routing) -> RouterStatistics:
    sums = (routing.prob_sum, routing.counts, routing.z_sum, routing.entropy_sum)
    return RouterStatistics(*(part[None] for part in sums), len(routing.weights))


@pytest.mark.parametrize("top_k", [1, 2, 4])
def test_experts_equal_a_loop_over_tokens_with_gradients(top_k: int) -> None:
    x, routing = routed(9, 4, top_k)
    layer = Experts(4, 5, 3).double()
    for p in layer.parameters():
        torch.nn.init.normal_(p)
    x = x.double().requires_grad_()
    weights = routing.weights.double().detach().requires_grad_()
    leaves = [x, weights, layer.gate_up_proj, layer.down_proj]
    rows = []
    for t in range(9):
        row = torch.zeros(5, dtype=torch.double)
        for weight, e in zip(weights[t], routing.experts[t].tolist()):
            gate, up = (layer.gate_up_proj[e] @ x[t]).chunk(2)
            row = row + weight * (layer.down_proj[e] @ (F.silu(gate) * up))
        rows.append(row)
    expected, out = torch.stack(rows), layer(x, routing._replace(weights=weights))
    torch.testing.assert_close(out, expected)
    probe = torch.randn_like(out)
    own, loop = (torch.autograd.grad((rows * probe).sum(), leaves) for rows in (out, expected))
    for a, b in zip(own, loop, strict=True):
        torch.testing.assert_close(a, b)


def test_an_expert_without_tokens_has_zero_gradient() -> None:
    x = torch.randn(3, 5)
    layer = Experts(4, 5, 3)
    for p in layer.parameters():
        torch.nn.init.normal_(p)
    chosen = torch.tensor([[1, 3], [3, 1], [1, 3]])
    blank = torch.zeros(())
    counts = torch.bincount(chosen.flatten(), minlength=4)
    routing = Routing(torch.full((3, 2), 0.5), chosen, blank, blank, counts, blank, blank)
    layer(x, routing).sum().backward()
    for p in layer.parameters():
        assert [bool(g.any()) for g in p.grad] == [False, True, False, True]


def test_router_renormalises_the_top_of_a_softmax_over_all() -> None:
    _, routing = routed(6, 4, 2)
    _, raw = routed(6, 4, 2, renormalise=False)
    torch.testing.assert_close(routing.weights.sum(-1), torch.ones(6))
    torch.testing.assert_close(routing.weights, raw.weights / raw.weights.sum(-1, keepdim=True))
    assert bool((raw.weights.sum(-1) < 1).all())
    torch.testing.assert_close(routing.prob_sum.sum(), torch.tensor(6.0))


def test_balance_loss_of_hand_worked_loads() -> None:
    balanced = balance_loss(torch.full((3, 4), 2.5), torch.full((3, 4), 5), tokens=10, top_k=2)
    assert float(balanced) == pytest.approx(1.0)
    # one expert takes everything with probability 1: E · 1 · 1
    assert float(balance_loss(torch.tensor([[8.0, 0, 0, 0]]), torch.tensor([[8, 0, 0, 0]]), 8, 1)) == pytest.approx(4.0)
    # E=2, k=1, 4 tokens, counts (3, 1), mean probabilities (0.6, 0.4): 2 · (0.75 · 0.6 + 0.25 · 0.4) = 1.1
    assert float(balance_loss(torch.tensor([[2.4, 1.6]]), torch.tensor([[3, 1]]), 4, 1)) == pytest.approx(1.1)


def test_losses_of_hand_worked_sums() -> None:
    assert float(z_loss(torch.tensor([8.0, 4.0]), tokens=4)) == pytest.approx(1.5)
    assert float(max_load_violation(torch.tensor([[4, 4, 4, 4], [1, 2, 3, 10]]))) == pytest.approx(1.5)


def test_dead_experts_are_counted_over_all_layers() -> None:
    assert dead_experts(torch.tensor([[4, 0, 4, 0], [1, 2, 3, 10], [0, 16, 0, 0]])) == 5


def test_the_routers_entropy_is_that_of_all_experts() -> None:
    torch.manual_seed(0)
    x, router = torch.randn(7, 5), Router(5, 4, 2, True)
    probs = (x @ router.weight.T).detach().double().softmax(-1)
    found = router.route(x).entropy_sum
    assert float(found) == pytest.approx(float(-(probs * probs.log()).sum()), rel=1e-6)
    assert not found.requires_grad


@pytest.mark.parametrize("sizes", [[12], [5, 7], [1, 2, 9], [4, 4, 4]])
def test_step_losses_do_not_depend_on_the_micro_batch_split(sizes: list[int]) -> None:
    torch.manual_seed(0)
    x, router = torch.randn(12, 5), Router(5, 6, 2, True)
    whole = statistics(router.route(x))
    wanted = balance_loss(whole.prob_sum, whole.counts, whole.tokens, 2) + z_loss(whole.z_sum, whole.tokens)
    (wanted_grad,) = torch.autograd.grad(wanted, [router.weight])
    parts = [statistics(router.route(part)) for part in x.split(sizes)]
    step = sum(parts[1:], start=parts[0]).detach()
    assert torch.equal(step.counts, whole.counts) and step.tokens == 12
    losses = [balance_loss(p.prob_sum, step.counts, step.tokens, 2) + z_loss(p.z_sum, step.tokens) for p in parts]
    torch.testing.assert_close(sum(losses), wanted)
    torch.testing.assert_close(sum(torch.autograd.grad(loss, [router.weight])[0] for loss in losses), wanted_grad)


def test_norm_equals_torchs_with_gradients() -> None:
    torch.manual_seed(0)
    x, weight = torch.randn(7, 6, dtype=torch.double, requires_grad=True), torch.randn(6, dtype=torch.double)
    norm = RMSNorm(6, eps=1e-3).double()
    norm.weight.data.copy_(weight)
    torch.testing.assert_close(norm(x), F.rms_norm(x, (6,), weight, 1e-3))
    assert torch.autograd.gradcheck(lambda x, w: torch.func.functional_call(norm, {"weight": w}, (x,)),
                                    (x, weight.requires_grad_()))


def test_rotation_keeps_lengths_and_depends_on_distance_only() -> None:
    torch.manual_seed(0)
    q, k = torch.randn(1, 1, 8), torch.randn(1, 1, 8)

    def score(a: int, b: int) -> Tensor:
        at = [rotary_tables(torch.tensor([position]), 8, 100.0) for position in (a, b)]
        return (rotate(q, *at[0]) * rotate(k, *at[1])).sum()

    torch.testing.assert_close(score(7, 3), score(14, 10))
    cos, sin = rotary_tables(torch.arange(4), 8, 100.0)
    x = torch.randn(4, 2, 8, dtype=torch.double, requires_grad=True)
    torch.testing.assert_close(rotate(x, cos, sin).norm(dim=-1), x.norm(dim=-1))
    assert torch.autograd.gradcheck(lambda x: rotate(x, cos.double(), sin.double()), (x,))
