"""Callbacks that SFT and RL share: the policy's checkpoints, and the progress bar."""

from pathlib import Path
from typing import Any

from lightning.pytorch import Callback, Trainer
from lightning.pytorch.callbacks import TQDMProgressBar

from ringexp.models.tokenizer import ChatTokenizer
from ringexp.training.checkpoint import prune, save_checkpoint
from ringexp.training.module import StepModule


class PolicyCheckpoint(Callback):  # type: ignore[misc]
    """Saves the policy every `every` steps and after the last; the newest `keep` are kept."""

    def __init__(self, folder: Path, every: int, steps: int, tokenizer: ChatTokenizer, keep: int = 2) -> None:
        self.folder, self.every, self.steps, self.tokenizer, self.keep = folder, every, steps, tokenizer, keep

    def on_train_batch_end(self, trainer: Trainer, module: StepModule, *_: object) -> None:
        """Lightning's hook."""
        if module.step % self.every == 0 or module.step == self.steps:
            for logger in trainer.loggers:
                logger.save()
            save_checkpoint(self.folder, module.step, module.model, self.tokenizer, module.trainer_state())
            prune(self.folder, keep_states=self.keep, keep_weights=self.keep)


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
