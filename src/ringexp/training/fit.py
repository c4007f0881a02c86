"""One Lightning fit over the steps that are left."""

import contextlib
import logging
from collections.abc import Sequence
from typing import Any

import torch
import torch.utils.deterministic
from hydra.utils import instantiate
from lightning.pytorch import Callback
from lightning.pytorch.callbacks import ProgressBar
from torch.utils.data import DataLoader

from ringexp import stopping
from ringexp.config.schema import TrainerConfig
from ringexp.tracking.loggers import RecordLogger
from ringexp.training.callbacks import progress_of
from ringexp.training.module import StepModule
from ringexp.training.rank_process import KeepSigterm, RankEnvironment, check_equal

logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)  # Lightning sets its own level when it is imported


def fit(
    module: StepModule, loader: DataLoader[Any], config: TrainerConfig, logger: RecordLogger | None,
    callbacks: Sequence[Callback], title: str | None, environment: RankEnvironment | None,
) -> None:
    """Run every step of the loader once, if there is one; the configured callbacks come after `callbacks`.

    `title` names the stage where progress is shown; None shows none.
    `environment` says which rank of how many this process is, None that it is alone. Raises RankDivergedError where the
    ranks end with different weights.
    """
    if len(loader) == 0:
        return
    # deterministic mode would write NaN into every new buffer, a tenth of a step; nothing here reads one unwritten
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    own = [instantiate(callback) for callback in config.callbacks.values()]
    progress = [] if title is None else [progress_of(title)]
    ranked = {} if environment is None else {"plugins": [environment]}
    trainer = instantiate(config.lightning)(
        max_epochs=1,
        logger=logger or False,
        callbacks=[*callbacks, *own, *progress, KeepSigterm()],
        enable_progress_bar=any(isinstance(callback, ProgressBar) for callback in progress),
        enable_checkpointing=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        use_distributed_sampler=False,
        **ranked,
    )
    with contextlib.nullcontext() if _collective(config) else stopping.deferred():
        trainer.fit(module, train_dataloaders=loader)
    if environment is not None and not module.sharded:
        check_equal(module.model)


def _collective(config: TrainerConfig) -> bool:
    """Whether saving needs every rank, so that one which is asked to stop cannot save alone."""
    return config.ranks > 1
