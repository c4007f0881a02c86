"""Checkpoints on disk: bitwise round trips, nothing half-written, pruning."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from transformers import AutoTokenizer

from ringexp.models.bailing_moe import BailingMoeForCausalLM, released_weights
from ringexp.models.tokenizer import ChatTokenizer, train_tokenizer
from ringexp.training.checkpoint import (
    STATE,
    checkpoints,
    latest,
    load_state,
    load_weights,
    prune,
    save_checkpoint,
    step_of,
)

Make = Callable[..., BailingMoeForCausalLM]


@pytest.fixture(scope="module")
def tokenizer() -> ChatTokenizer:
    return train_tokenizer(["1 + 1 = 2"], 260)


def trained_state(model: BailingMoeForCausalLM) -> dict[str, object]:
    """A state as the trainer keeps it, with the optimizer's moments after two steps."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    for _ in range(2):
        for p in model.parameters():
            p.grad = torch.randn_like(p)
        optimizer.step()
    return {"step": 2, "tokens": 123, "optimizer": optimizer.state_dict()}


def save_some(folder: Path, steps: list[int], make_tiny: Make, tokenizer: ChatTokenizer) -> list[Path]:
    return [save_checkpoint(folder, s, make_tiny(s), tokenizer, {"step": s, "tokens": 0}) for s in steps]


def test_weights_and_state_come_back_bitwise(tmp_path: Path, make_tiny: Make, tokenizer: ChatTokenizer) -> None:
    model = make_tiny(3)
    state = trained_state(model)
    path = save_checkpoint(tmp_path / "new" / "folder", 2, model, tokenizer, state)
    assert (path.name, step_of(path)) == ("step-000002", 2)
    other = make_tiny(4)
    load_weights(path, other)
    for (name, own), (_, loaded) in zip(released_weights(model), released_weights(other), strict=True):
        assert torch.equal(own, loaded), name
    found = load_state(path)
    assert (found["step"], found["tokens"]) == (2, 123)
    assert found["optimizer"]["param_groups"] == state["optimizer"]["param_groups"]  # type: ignore[index]
    for key, moments in state["optimizer"]["state"].items():  # type: ignore[index]
        assert all(torch.equal(value, found["optimizer"]["state"][key][name]) for name, value in moments.items())


def test_a_continued_optimizer_takes_the_same_step(
    tmp_path: Path, make_tiny: Make, tokenizer: ChatTokenizer
) -> None:
    model = make_tiny(3)
    path = save_checkpoint(tmp_path, 2, model, tokenizer, trained_state(model))
    results = []
    for _ in range(2):
        own = make_tiny(9)
        load_weights(path, own)
        optimizer = torch.optim.AdamW(own.parameters(), lr=0.5)
        optimizer.load_state_dict(load_state(path)["optimizer"])
        for p in own.parameters():
            p.grad = torch.ones_like(p)
        optimizer.step()
        results.append(list(own.parameters()))
    assert all(torch.equal(a, b) for a, b in zip(*results, strict=True))
    # lr and moments are the saved ones, so no weight moves by more than about the saved lr
    pairs = zip(results[0], model.parameters(), strict=True)
    assert 0 < max(float((a - b).detach().abs().max()) for a, b in pairs) < 5e-3


def test_the_folder_loads_in_transformers(tmp_path: Path, make_tiny: Make, tokenizer: ChatTokenizer) -> None:
    model = make_tiny(5)
    path = save_checkpoint(tmp_path, 1, model, tokenizer, {"step": 1, "tokens": 0})
    ids = torch.arange(10)[None]
    loaded = BailingMoeForCausalLM.from_pretrained(path)
    assert torch.equal(loaded(ids).logits, model(ids).logits)
    assert AutoTokenizer.from_pretrained(path).encode("1 + 1") == list(tokenizer.encode_response("1 + 1")[:-1])


def test_a_half_written_checkpoint_does_not_exist(tmp_path: Path, make_tiny: Make, tokenizer: ChatTokenizer) -> None:
    first, second = save_some(tmp_path, [1, 2], make_tiny, tokenizer)
    second.rename(tmp_path / ".writing-step-000002")  # what a kill before the rename leaves
    assert checkpoints(tmp_path) == [first]
    assert latest(tmp_path) == first
    (tmp_path / ".writing-step-000002" / "stale").touch()
    (again,) = save_some(tmp_path, [2], make_tiny, tokenizer)
    assert again == second
    assert latest(tmp_path) == second
    assert sorted(p.name for p in tmp_path.iterdir()) == ["step-000001", "step-000002"]
    assert not (second / "stale").exists()


def test_saving_a_step_again_replaces_it(tmp_path: Path, make_tiny: Make, tokenizer: ChatTokenizer) -> None:
    save_some(tmp_path, [1], make_tiny, tokenizer)
    path = save_checkpoint(tmp_path, 1, make_tiny(8), tokenizer, {"step": 1, "tokens": 77})
    assert load_state(path)["tokens"] == 77
    model = make_tiny(0)
    load_weights(path, model)
    assert torch.equal(model.lm_head.weight, make_tiny(8).lm_head.weight)


def test_a_missing_folder_has_no_checkpoints(tmp_path: Path) -> None:
    assert checkpoints(tmp_path / "none") == []
    assert latest(tmp_path / "none") is None


@pytest.mark.parametrize(("keep_states", "keep_weights", "states", "weights"), [
    (2, None, [90, 100], [5, 80, 90, 100]),
    (1, None, [100], [5, 80, 90, 100]),
    (2, 2, [90, 100], [90, 100]),
    (1, 3, [100], [80, 90, 100]),
    (9, 9, [5, 80, 90, 100], [5, 80, 90, 100]),
])  # fmt: skip
def test_prune_keeps_the_newest(
    tmp_path: Path, make_tiny: Make, tokenizer: ChatTokenizer, keep_states: int, keep_weights: int | None,
    states: list[int], weights: list[int],
) -> None:  # fmt: skip
    save_some(tmp_path, [100, 5, 90, 80], make_tiny, tokenizer)
    for _ in range(2):
        prune(tmp_path, keep_states=keep_states, keep_weights=keep_weights)
        found = checkpoints(tmp_path)
        assert [step_of(p) for p in found] == weights
        assert [step_of(p) for p in found if (p / STATE).is_file()] == states
        newest = latest(tmp_path)
        assert newest is not None
        assert step_of(newest) == 100
        assert all((p / "model.safetensors").is_file() for p in found)


def test_training_continues_from_the_newest_checkpoint_with_a_state(
    tmp_path: Path, make_tiny: Make, tokenizer: ChatTokenizer
) -> None:
    paths = save_some(tmp_path, [1, 2, 3], make_tiny, tokenizer)
    (paths[2] / STATE).unlink()
    assert latest(tmp_path) == paths[1]
