"""Checkpoints on disk: a folder a step, weights apart from the trainer's state, written whole or not at all.

    <folder>/step-000100/model.safetensors, config.json, tokenizer files   loads in transformers and vLLM
    <folder>/step-000100/trainer.pt                                        optimizer and counters, to continue from
"""

import os
import shutil
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from ringexp.models.bailing_moe import BailingMoeForCausalLM, load_released_weights, released_weights
from ringexp.models.tokenizer import ChatTokenizer

STATE = "trainer.pt"


def save_model(folder: Path, model: BailingMoeForCausalLM, tokenizer: ChatTokenizer) -> None:
    """Write weights (released names), configuration and tokenizer into an existing folder."""
    weights = {name: weight.contiguous().cpu() for name, weight in released_weights(model)}
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    model.config.architectures = [type(model).__name__]
    model.config.save_pretrained(folder)
    tokenizer.save(folder)


def save_checkpoint(
    folder: Path, step: int, model: BailingMoeForCausalLM, tokenizer: ChatTokenizer, state: dict[str, Any]
) -> Path:
    """Write the checkpoint of `step` under a temporary name, then rename: a kill leaves no half-written one."""
    final = folder / f"step-{step:06d}"
    temporary = folder / f".writing-step-{step:06d}"
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    save_model(temporary, model, tokenizer)
    torch.save(state, temporary / STATE)
    for path in temporary.iterdir():
        with path.open("rb") as file:
            os.fsync(file.fileno())
    shutil.rmtree(final, ignore_errors=True)
    temporary.rename(final)
    return final


def step_of(checkpoint: Path) -> int:
    """The step a checkpoint's folder is named by."""
    return int(checkpoint.name.removeprefix("step-"))


def checkpoints(folder: Path) -> list[Path]:
    """All checkpoints of a stage, oldest first."""
    return sorted(folder.glob("step-*")) if folder.is_dir() else []


def latest(folder: Path) -> Path | None:
    """The newest checkpoint that training can continue from."""
    return next((path for path in reversed(checkpoints(folder)) if (path / STATE).is_file()), None)


def load_weights(checkpoint: Path, model: BailingMoeForCausalLM) -> None:
    """Copy a checkpoint's weights into the model, in place."""
    load_released_weights(model, load_file(checkpoint / "model.safetensors"))


def load_state(checkpoint: Path) -> dict[str, Any]:
    """The trainer's state of a checkpoint."""
    state: dict[str, Any] = torch.load(checkpoint / STATE, weights_only=True)
    return state


def prune(folder: Path, *, keep_states: int, keep_weights: int | None = None) -> None:
    """Remove trainer states but the newest `keep_states`, and whole checkpoints but the newest `keep_weights`."""
    found = checkpoints(folder)
    for path in found[:-keep_states]:
        (path / STATE).unlink(missing_ok=True)
    if keep_weights is not None:
        for path in found[:-keep_weights]:
            shutil.rmtree(path)
