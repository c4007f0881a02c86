"""Checkpoints on disk: bitwise round trips, nothing half-written, pruning."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from transformers import AutoTokenizer

from ringexp.errors import RingexpWarning, StorageError
from ringexp.models.bailing_moe import BailingMoeForCausalLM, released_weights
from ringexp.models.tokenizer import ChatTokenizer, train_tokenizer
from ringexp.training.checkpoint import (
    INTERRUPTED,
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


def test_a_damaged_checkpoint_is_passed_over_with_a_warning(
    tmp_path: Path, make_tiny: Make, tokenizer: ChatTokenizer
) -> None:
    """Whichever file it is, and however little of it is wrong; weights that are damaged are never loaded."""
    first, second = save_some(tmp_path, [1, 2], make_tiny, tokenizer)
    assert latest(tmp_path) == second
    for name in ("model.safetensors", STATE, "config.json"):
        whole = (second / name).read_bytes()
        middle = len(whole) // 2
        (second / name).write_bytes(whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :])
        with pytest.warns(RingexpWarning, match=rf"step-000002 is damaged \({name} is not what was written\)"):
            assert latest(tmp_path) == first
        if name == "model.safetensors":
            with pytest.raises(StorageError, match="is damaged or gone"):
                load_weights(second, make_tiny(0))
        (second / name).write_bytes(whole)
    (second / "model.safetensors").unlink()
    with pytest.warns(RingexpWarning, match=r"model\.safetensors is missing"):
        assert latest(tmp_path) == first


def test_where_a_run_was_interrupted_counts_until_a_newer_checkpoint_is_there(
    tmp_path: Path, make_tiny: Make, tokenizer: ChatTokenizer
) -> None:
    save_some(tmp_path, [10], make_tiny, tokenizer)
    (interrupted,) = save_some(tmp_path / INTERRUPTED, [13], make_tiny, tokenizer)
    assert latest(tmp_path) == interrupted
    assert [step_of(path) for path in checkpoints(tmp_path)] == [10]
    (newer,) = save_some(tmp_path, [20], make_tiny, tokenizer)
    assert latest(tmp_path) == newer
    prune(tmp_path, keep_states=2)
    assert not interrupted.exists()


FULL = """
import sys
from pathlib import Path
sys.path.insert(0, {tests!r})
from tiny_bailing import make_model
from ringexp.errors import RingexpWarning, StorageError
from ringexp.models.tokenizer import train_tokenizer
from ringexp.training.checkpoint import damaged, latest, save_checkpoint
folder, model, tokenizer = Path({folder!r}), make_model(), train_tokenizer(["1 + 1 = 2"], 260)
state = {{"step": 1, "tokens": 0}}
for step in range(1, 1000):
    try:
        save_checkpoint(folder, step, model, tokenizer, state)
    except StorageError as error:
        last = latest(folder)
        assert last is not None and last.name == f"step-{{step - 1:06d}}" and damaged(last) is None
        assert [p for p in folder.iterdir() if not p.name.startswith("step-")] == []
        print(error)
        break
"""


def test_a_full_disk_leaves_the_last_checkpoint_intact(tmp_path: Path) -> None:
    """A file system of 8 MB, written to until it is full."""
    folder = tmp_path / "small"
    folder.mkdir()
    code = FULL.format(tests=str(Path(__file__).parents[1] / "models"), folder=str(folder))
    done = subprocess.run(["bwrap", "--dev-bind", "/", "/", "--size", str(8 << 20), "--tmpfs", str(folder),
                           sys.executable, "-c", code], capture_output=True, text=True, check=False)  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    assert "no space left on the disk" in done.stdout
    assert "is intact. Make room, then give the same command again" in done.stdout


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
