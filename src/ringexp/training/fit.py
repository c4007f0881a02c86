"""One Lightning fit over the steps that are left."""

import logging
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from lightning.pytorch import Callback, Trainer

from ringexp.tracking.loggers import RecordLogger
from ringexp.training.callbacks import StepBar
from ringexp.training.module import StepModule

logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)  # Lightning sets its own level when it is imported


def fit(
    module: StepModule, loader: Iterable[Any], trainer: Callable[..., Trainer], logger: RecordLogger,
    callbacks: Sequence[Callback], title: str | None,
) -> None:
    """Run every step of the loader once. `title` names the progress bar; None shows none."""
    bar = [] if title is None else [StepBar(title)]
    trainer(
        max_epochs=1,
        logger=logger,
        callbacks=[*callbacks, *bar],
        enable_progress_bar=bool(bar),
        enable_checkpointing=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        use_distributed_sampler=False,
    ).fit(module, train_dataloaders=loader)
