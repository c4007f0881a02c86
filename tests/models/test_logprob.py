"""The fused log-probability and entropy against a dense float64 computation with autograd."""

import pytest
import torch
from torch import Tensor

from ringexp.models import logprob
from ringexp.models.logprob import smallest_so_far, token_logprob_entropy

ROWS, WIDTH, VOCABULARY = 37, 16, 50


def inputs(seed: int) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    draw = torch.Generator().manual_seed(seed)
    hidden, weight = torch.randn(ROWS, WIDTH, generator=draw), torch.randn(VOCABULARY, WIDTH, generator=draw) * 0.4
    targets = torch.randint(VOCABULARY, (ROWS,), generator=draw)
    return hidden, weight, targets, torch.randn(ROWS, generator=draw), torch.randn(ROWS, generator=draw)


def dense(hidden: Tensor, weight: Tensor, targets: Tensor, temperature: float) -> tuple[Tensor, Tensor]:
    log_p = (hidden @ weight.T / temperature).log_softmax(-1)
    return log_p[torch.arange(len(targets)), targets], -(log_p.exp() * log_p).sum(-1)


@pytest.mark.parametrize("temperature", [1.0, 0.6, 1.7])
@pytest.mark.parametrize("elements", [1, 3 * VOCABULARY, 36 * VOCABULARY, 1 << 24])
@pytest.mark.parametrize("parts", [(1, 0), (0, 1), (1, 1)])
def test_values_and_gradients(
    monkeypatch: pytest.MonkeyPatch, elements: int, temperature: float, parts: tuple[int, int]
) -> None:
    monkeypatch.setattr(logprob, "CHUNK_ELEMENTS", elements)
    hidden, weight, targets, g_logprob, g_entropy = inputs(0)
    results = []
    for dtype, function in ((torch.float32, token_logprob_entropy), (torch.float64, dense)):
        h, w = hidden.to(dtype, copy=True).requires_grad_(), weight.to(dtype, copy=True).requires_grad_()
        lp, entropy = function(h, w, targets, temperature)
        # a part without weight is left out of the graph, so that its incoming gradient is absent
        used = [g.to(dtype) @ x for part, g, x in zip(parts, (g_logprob, g_entropy), (lp, entropy)) if part]
        sum(used).backward()  # type: ignore[union-attr]
        results.append((lp.detach(), entropy.detach(), h.grad, w.grad))
    for fused, exact in zip(*results, strict=True):
        assert fused.dtype == torch.float32
        scale = max(1.0, float(exact.abs().max()))
        torch.testing.assert_close(fused.double(), exact, atol=1e-5 * scale, rtol=0)


def test_extreme_logits_stay_finite() -> None:
    hidden = torch.tensor([[200.0], [-200.0], [0.0]], requires_grad=True)
    weight = torch.tensor([[1.0], [0.0], [-1.0]], requires_grad=True)
    lp, entropy = token_logprob_entropy(hidden, weight, torch.tensor([0, 0, 1]))
    torch.testing.assert_close(lp, torch.tensor([0.0, -400.0, -1.0986123]))
    torch.testing.assert_close(entropy, torch.tensor([0.0, 0.0, 1.0986123]))
    (lp.sum() + entropy.sum()).backward()
    assert all(bool(x.grad.isfinite().all()) for x in (hidden, weight))


def test_no_rows_give_empty_tensors() -> None:
    lp, entropy = token_logprob_entropy(torch.zeros(0, 4), torch.zeros(9, 4), torch.zeros(0, dtype=torch.long))
    assert lp.shape == entropy.shape == (0,)


@pytest.mark.parametrize("lengths", [[1], [4, 1, 9, 3], [2, 2, 2]])
def test_smallest_so_far_equals_a_loop(lengths: list[int]) -> None:
    values = torch.randn(sum(lengths), generator=torch.Generator().manual_seed(3)) + 2
    expected = []
    for document in values.split(lengths):
        smallest = float("inf")
        for value in document.tolist():
            smallest = min(smallest, value)
            expected.append(smallest)
    assert smallest_so_far(values, torch.tensor(lengths)).tolist() == expected
