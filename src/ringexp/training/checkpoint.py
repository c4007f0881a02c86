"""Checkpoints on disk: a folder a step, weights apart from the trainer's state, written whole or not at all.

    <folder>/step-000100/model.safetensors, config.json, tokenizer files   loads in transformers and vLLM
    <folder>/step-000100/trainer.pt                                        optimizer and counters, to continue from
    <folder>/step-000100/checksums.json                                    SHA-256 of each file
    <folder>/interrupted/step-000123/…                                     where a run that was asked to stop goes on
"""

import errno
import hashlib
import json
import os
import shutil
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from ringexp.errors import RingexpWarning, StorageError
from ringexp.models.bailing_moe import BailingMoeForCausalLM, load_released_weights, released_weights
from ringexp.models.tokenizer import ChatTokenizer

STATE = "trainer.pt"
WEIGHTS = "model.safetensors"
CHECKSUMS = "checksums.json"
INTERRUPTED = "interrupted"
LITTLE = 1 << 20
"""Bytes left on a disk below which it counts as full."""


def save_model(folder: Path, model: BailingMoeForCausalLM, tokenizer: ChatTokenizer) -> None:
    """Write weights (released names), configuration and tokenizer into an existing folder."""
    weights = {name: weight.contiguous().cpu() for name, weight in released_weights(model)}
    save_file(weights, folder / WEIGHTS, metadata={"format": "pt"})
    model.config.architectures = [type(model).__name__]
    model.config.save_pretrained(folder)
    tokenizer.save(folder)


def save_checkpoint(
    folder: Path, step: int, model: BailingMoeForCausalLM, tokenizer: ChatTokenizer, state: dict[str, Any]
) -> Path:
    """Write the checkpoint of `step` under a temporary name, then rename: a kill leaves no half-written one.

    Raises StorageError where the disk is full; what was there before stays as it is.
    """
    final = folder / f"step-{step:06d}"
    temporary = folder / f".writing-step-{step:06d}"
    shutil.rmtree(temporary, ignore_errors=True)
    with _room(folder, temporary):
        temporary.mkdir(parents=True)
        save_model(temporary, model, tokenizer)
        with (temporary / STATE).open("wb") as file:
            torch.save(state, file)
        sums = {path.name: _checksum(path) for path in sorted(temporary.iterdir())}
        (temporary / CHECKSUMS).write_text(json.dumps(sums, indent=1) + "\n")
        for path in temporary.iterdir():
            _to_disk(path)
    shutil.rmtree(final, ignore_errors=True)
    temporary.rename(final)
    _to_disk(folder)
    return final


def _checksum(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _to_disk(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _room(folder: Path, temporary: Path) -> Iterator[None]:
    """What is written in the body fits on the disk, or nothing of it stays. Raises StorageError."""
    try:
        yield
    except (OSError, RuntimeError, SafetensorError) as error:
        full = getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT) or "No space left" in str(error)
        full = full or "os error 28" in str(error)
        full = full or shutil.disk_usage(folder).free < LITTLE  # torch.save tells of a wrong position only
        shutil.rmtree(temporary, ignore_errors=True)
        if not full:
            raise
        last = latest(folder)
        kept = f"the last checkpoint, {last}, is intact" if last else "there is no checkpoint yet"
        raise StorageError(f"no space left on the disk of {folder}: {kept}. Make room, then give the same command "
                           "again: it goes on from there") from error  # fmt: skip


def step_of(checkpoint: Path) -> int:
    """The step a checkpoint's folder is named by."""
    return int(checkpoint.name.removeprefix("step-"))


def checkpoints(folder: Path) -> list[Path]:
    """All checkpoints of a stage, oldest first; where it was interrupted is not among them."""
    return sorted(folder.glob("step-*")) if folder.is_dir() else []


def latest(folder: Path) -> Path | None:
    """The newest checkpoint that training can continue from; one that is damaged is passed over with a warning."""
    found = sorted([*checkpoints(folder), *checkpoints(folder / INTERRUPTED)], key=step_of, reverse=True)
    for path in found:
        if (path / STATE).is_file():
            damage = damaged(path)
            if damage is None:
                return path
            warnings.warn(f"checkpoint {path} is damaged ({damage}): the one before it is taken",
                          RingexpWarning, stacklevel=2)  # fmt: skip
    return None


def damaged(checkpoint: Path) -> str | None:
    """What is wrong with a checkpoint's files, None where they are what was written; a removed state is not missed."""
    try:
        sums: dict[str, str] = json.loads((checkpoint / CHECKSUMS).read_text())
    except (OSError, ValueError):
        return f"{CHECKSUMS} cannot be read"
    for name, expected in sums.items():
        path = checkpoint / name
        if not path.is_file():
            if name != STATE:
                return f"{name} is missing"
        elif _checksum(path) != expected:
            return f"{name} is not what was written"
    return None


def load_weights(checkpoint: Path, model: BailingMoeForCausalLM) -> None:
    """Copy a checkpoint's weights into the model, in place. Raises StorageError where they are damaged."""
    path = checkpoint / WEIGHTS
    try:
        sums: dict[str, str] = json.loads((checkpoint / CHECKSUMS).read_text())
    except FileNotFoundError:
        sums = {}  # weights from elsewhere
    if not path.is_file() or sums.get(WEIGHTS, "") not in ("", _checksum(path)):
        raise StorageError(f"{path} is damaged or gone: take it from a copy, or train it again with fresh=true")
    load_released_weights(model, load_file(path))


def load_state(checkpoint: Path) -> dict[str, Any]:
    """The trainer's state of a checkpoint."""
    state: dict[str, Any] = torch.load(checkpoint / STATE, weights_only=True)
    return state


def prune(folder: Path, *, keep_states: int, keep_weights: int | None = None) -> None:
    """Remove trainer states but the newest `keep_states`, and whole checkpoints but the newest `keep_weights`.

    Where the stage was interrupted is removed too: a newer checkpoint is there.
    """
    found = checkpoints(folder)
    for path in found[:-keep_states]:
        (path / STATE).unlink(missing_ok=True)
    if keep_weights is not None:
        for path in found[:-keep_weights]:
            shutil.rmtree(path)
    shutil.rmtree(folder / INTERRUPTED, ignore_errors=True)
