"""One Lightning fit over the steps that are left."""

import logging
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from lightning.pytorch import Callback, Trainer
from lightning.pytorch.callbacks import TQDMProgressBar

from ringexp.tracking.loggers import RecordLogger
from ringexp.training.module import StepModule

logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)  # Lightning sets its own level when it is imported


class StepBar(TQDMProgressBar):  # type: ignore[misc]
    """Lightning's bar, named by the stage and counting its steps rather than epochs."""

    def __init__(self, title: str) -> None:
        super().__init__(refresh_rate=1)
        self._title = title

    def on_train_epoch_start(self, trainer: Trainer, *_: Any) -> None:
        """Lightning's hook."""
        super().on_train_epoch_start(trainer)
        self.train_progress_bar.set_description(self._title)

    def get_metrics(self, trainer: Trainer, module: StepModule) -> dict[str, Any]:
        """The step's numbers, without Lightning's version counter."""
        return {key: value for key, value in super().get_metrics(trainer, module).items() if key != "v_num"}


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
