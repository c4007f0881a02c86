"""A fit that is asked to stop: the step is ended and kept, and what follows is as if nothing had happened."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import tiny_policy
import torch
from lightning.pytorch import Callback, Trainer
from torch.utils.data import DataLoader, Subset

from ringexp import stopping
from ringexp.rl.module import C3POModule
from ringexp.training.callbacks import PolicyCheckpoint
from ringexp.training.checkpoint import INTERRUPTED, latest, load_state, load_weights
from ringexp.training.fit import fit

STEPS, EVERY = 5, 2


class Asked(Callback):
    """Asks this process to stop while step `during` (counted from 1) is trained."""

    def __init__(self, during: int) -> None:
        self.during = during

    def on_train_batch_start(self, trainer: Trainer, module: Any, *_: object) -> None:
        if module.step + 1 == self.during:
            os.kill(os.getpid(), signal.SIGTERM)


@pytest.fixture(autouse=True)
def handler() -> Iterator[None]:
    before = signal.signal(signal.SIGTERM, stopping.terminate)
    yield
    signal.signal(signal.SIGTERM, before)


def train(folder: Path, *asked: Callback) -> C3POModule:
    """All steps that are left of a stage whose checkpoints lie in `folder`."""
    config = tiny_policy.configuration()
    (folder / "engine").mkdir(parents=True, exist_ok=True)
    module = tiny_policy.policy(folder / "engine", config)
    if checkpoint := latest(folder):
        load_weights(checkpoint, module.model)
        module.resume(load_state(checkpoint))
    steps = tiny_policy.loader(config, STEPS).dataset
    left = DataLoader(Subset(steps, range(module.step, STEPS)), batch_size=None)
    saver = PolicyCheckpoint(folder, EVERY, STEPS, tiny_policy.tokenizer())
    fit(module, left, config.trainer, None, [saver, *asked], None, None)
    return module


@pytest.mark.parametrize(("during", "saved"), [(3, f"{INTERRUPTED}/step-000003"), (4, "step-000004")])
def test_the_step_is_ended_saved_and_gone_on_from(tmp_path: Path, during: int, saved: str) -> None:
    whole = train(tmp_path / "whole")
    with pytest.raises(SystemExit) as end:
        train(tmp_path / "asked", Asked(during))
    assert end.value.code == 128 + signal.SIGTERM
    assert latest(tmp_path / "asked") == tmp_path / "asked" / saved
    assert (tmp_path / "asked" / INTERRUPTED).exists() == saved.startswith(INTERRUPTED)
    again = train(tmp_path / "asked")
    assert not (tmp_path / "asked" / INTERRUPTED).exists()
    for name, tensor in whole.model.state_dict().items():
        assert torch.equal(tensor, again.model.state_dict()[name]), name
