"""The fused log-probability and entropy against a dense float64 computation with autograd."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from ringexp.models import fused_logprob
from ringexp.models.logprob import smallest_so_far, token_logprob_entropy

ROWS, WIDTH, VOCABULARY = 37, 16, 50
Score = Callable[[Tensor, Tensor, Tensor, float], tuple[Tensor, Tensor]]


def inputs(seed: int, rows: int = ROWS, vocabulary: int = VOCABULARY, width: int = WIDTH) -> tuple[Tensor, ...]:
    """Hidden states, LM head, targets, and the gradients that come in."""
    draw = torch.Generator().manual_seed(seed)
    hidden, weight = torch.randn(rows, width, generator=draw), torch.randn(vocabulary, width, generator=draw) * 0.4
    targets = torch.randint(vocabulary, (rows,), generator=draw)
    return hidden, weight, targets, torch.randn(rows, generator=draw), torch.randn(rows, generator=draw)


def dense(hidden: Tensor, weight: Tensor, targets: Tensor, temperature: float) -> tuple[Tensor, Tensor]:
    log_p = (hidden @ weight.T / temperature).log_softmax(-1)
    return log_p[torch.arange(len(targets)), targets], -(log_p.exp() * log_p).sum(-1)


@contextmanager
def tile(tokens: int, vocabulary: int) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(fused_logprob.TILES, "cpu", (tokens, vocabulary))
        yield


def results(
    score: Score, case: tuple[Tensor, ...], dtype: torch.dtype, temperature: float, parts: tuple[int, int] = (1, 1)
) -> list[Tensor]:
    """Log-probability, entropy, and both gradients; a part of 0 is left out of the graph, so its gradient is absent."""
    hidden, weight = (x.to(dtype, copy=True).requires_grad_() for x in case[:2])
    scores = score(hidden, weight, case[2], temperature)
    used = [(x, g.to(x.dtype)) for part, x, g in zip(parts, scores, case[3:], strict=True) if part]
    torch.autograd.backward(*zip(*used, strict=True))
    return [*(x.detach() for x in scores), hidden.grad, weight.grad]


def assert_near(fused: list[Tensor], exact: list[Tensor], tolerance: float = 1e-5) -> None:
    for ours, reference in zip(fused, exact, strict=True):
        scale = max(1.0, float(reference.abs().max()))
        torch.testing.assert_close(ours.double(), reference.double(), atol=tolerance * scale, rtol=0)


@pytest.mark.parametrize("temperature", [1.0, 0.6, 1.7])
@pytest.mark.parametrize("shape", [(1, 1), (8, 16), (36, 49), (37, 50), (512, 1024)])
@pytest.mark.parametrize("parts", [(1, 0), (0, 1), (1, 1)])
def test_values_and_gradients(shape: tuple[int, int], temperature: float, parts: tuple[int, int]) -> None:
    with tile(*shape):
        fused = results(token_logprob_entropy, inputs(0), torch.float32, temperature, parts)
    assert all(x.dtype == torch.float32 for x in fused)
    assert_near(fused, results(dense, inputs(0), torch.float64, temperature, parts))


@given(
    rows=st.integers(1, 40),
    vocabulary=st.integers(1, 90),
    shape=st.tuples(st.integers(1, 41), st.integers(1, 91)),
    temperature=st.floats(0.3, 3.0),
    offset=st.sampled_from([0.0, -60.0, 60.0]),
    seed=st.integers(0, 9),
)
@settings(max_examples=40, deadline=None)
def test_any_sizes_and_tiles_equal_the_dense_computation(
    rows: int, vocabulary: int, shape: tuple[int, int], temperature: float, offset: float, seed: int
) -> None:
    hidden, weight, *rest = inputs(seed, rows, vocabulary)
    # one more hidden unit moves all logits of a token by the same amount, which changes nothing but the running maximum
    hidden = torch.cat([hidden, torch.full((rows, 1), offset)], dim=1)
    case = (hidden, torch.cat([weight, torch.ones(vocabulary, 1)], dim=1), *rest)
    with tile(*shape):
        fused = results(token_logprob_entropy, case, torch.float32, temperature)
    # logits of magnitude |offset| / temperature carry that many units of rounding
    assert_near(fused, results(dense, case, torch.float64, temperature), 1e-5 * max(1.0, abs(offset) / temperature))


def test_the_shipped_tile_at_sizes_beyond_it() -> None:
    case = inputs(1, rows=601, vocabulary=2500)
    assert_near(results(token_logprob_entropy, case, torch.float32, 0.8), results(dense, case, torch.float64, 0.8))


def test_half_precision_has_float32_logits_and_sums() -> None:
    hidden, weight, *rest = inputs(2, rows=67, vocabulary=900, width=64)
    case = (hidden.bfloat16(), weight.bfloat16(), *rest)
    with tile(32, 128):
        fused = results(token_logprob_entropy, case, torch.bfloat16, 0.8)
    assert [x.dtype for x in fused] == [torch.float32] * 2 + [torch.bfloat16] * 2
    exact = results(dense, case, torch.float64, 0.8)
    assert_near(fused[:2], exact[:2])
    # rounded to bfloat16 (8 bits) once, at the end
    for ours, reference in zip(fused[2:], exact[2:], strict=True):
        torch.testing.assert_close(ours.double(), reference, atol=1e-5, rtol=2**-8)


def test_results_repeat_bitwise_and_hardly_depend_on_the_tile() -> None:
    case = inputs(3, rows=300, vocabulary=700, width=32)
    runs = []
    for shape in ((512, 1024), (64, 100), (64, 100), (7, 699)):
        with tile(*shape):
            runs.append(results(token_logprob_entropy, case, torch.float32, 0.9))
    assert all(torch.equal(a, b) for a, b in zip(runs[1], runs[2], strict=True))
    for other in runs[1:]:
        assert_near(other, runs[0], 2e-6)


def test_same_results_under_autocast_and_in_deterministic_mode(monkeypatch: pytest.MonkeyPatch) -> None:
    case = inputs(7)
    expected = results(token_logprob_entropy, case, torch.float32, 0.9)
    with torch.autocast("cpu", torch.bfloat16):
        autocast = results(token_logprob_entropy, case, torch.float32, 0.9)
    monkeypatch.setattr(torch.utils.deterministic, "fill_uninitialized_memory", True)  # with NaN, which none may read
    torch.use_deterministic_algorithms(True)
    try:
        deterministic = results(token_logprob_entropy, case, torch.float32, 0.9)
    finally:
        torch.use_deterministic_algorithms(False)
    assert all(torch.equal(a, b) for a, b in zip(autocast + deterministic, expected * 2, strict=True))


class Largest(TorchDispatchMode):
    """Remembers the most elements that any operation's result had."""

    def __init__(self) -> None:
        super().__init__()
        self.elements = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        for tensor in result if isinstance(result, tuple | list) else (result,):
            if isinstance(tensor, Tensor):
                self.elements = max(self.elements, tensor.numel())
        return result


def test_no_matrix_of_all_logits_is_ever_made() -> None:
    rows, vocabulary, width = 256, 4096, 8
    case = inputs(4, rows, vocabulary, width)
    with tile(32, 512), Largest() as ours:
        results(token_logprob_entropy, case, torch.float32, 1.0)
    with Largest() as theirs:
        results(dense, case, torch.float32, 1.0)
    assert ours.elements == vocabulary * width  # the gradient of the LM head, larger than a tile
    assert theirs.elements == rows * vocabulary


@pytest.mark.parametrize("frozen", ["hidden", "weight"])
def test_only_gradients_that_are_asked_for(frozen: str, monkeypatch: pytest.MonkeyPatch) -> None:
    products = []
    add_product = fused_logprob._add_product
    monkeypatch.setattr(fused_logprob, "_add_product", lambda *a, **k: products.append(0) or add_product(*a, **k))
    hidden, weight, targets, g_logprob, g_entropy = inputs(5)
    expected = results(dense, inputs(5), torch.float64, 1.0)[2:]
    trained, reference = (weight, expected[1]) if frozen == "hidden" else (hidden, expected[0])
    trained.requires_grad_()
    scores = token_logprob_entropy(hidden, weight, targets)
    torch.autograd.backward(scores, (g_logprob, g_entropy))
    assert (hidden if frozen == "hidden" else weight).grad is None
    assert_near([trained.grad], [reference])
    # one tile: logits forward, logits backward, and one gradient of two
    assert len(products) == 3


def test_without_gradients_nothing_is_kept() -> None:
    hidden, weight, targets, *_ = inputs(6)
    with torch.no_grad():
        scores = token_logprob_entropy(hidden.requires_grad_(), weight.requires_grad_(), targets)
    assert not any(x.requires_grad for x in scores)
    assert_near(list(scores), [x.detach() for x in dense(hidden.double(), weight.double(), targets, 1.0)])


@pytest.mark.parametrize("width", [1, 2, 1024])
def test_extreme_logits_stay_finite(width: int) -> None:
    hidden = torch.tensor([[200.0], [-200.0], [0.0]], requires_grad=True)
    weight = torch.tensor([[1.0], [0.0], [-1.0]], requires_grad=True)
    with tile(2, width):
        lp, entropy = token_logprob_entropy(hidden, weight, torch.tensor([0, 0, 1]))
        torch.testing.assert_close(lp, torch.tensor([0.0, -400.0, -1.0986123]))
        torch.testing.assert_close(entropy, torch.tensor([0.0, 0.0, 1.0986123]))
        (lp.sum() + entropy.sum()).backward()
    assert all(bool(x.grad.isfinite().all()) for x in (hidden, weight))


def test_no_rows_give_empty_tensors() -> None:
    lp, entropy = token_logprob_entropy(torch.zeros(0, 4), torch.zeros(9, 4), torch.zeros(0, dtype=torch.long))
    assert lp.shape == entropy.shape == (0,)


@pytest.mark.parametrize("target", [-100, -1, 9])
def test_a_target_outside_the_vocabulary_is_refused(target: int) -> None:
    with pytest.raises(IndexError, match="vocabulary of 9 tokens"):
        token_logprob_entropy(torch.zeros(2, 4), torch.zeros(9, 4), torch.tensor([3, target]))


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
