"""Callbacks that SFT and RL share: the policy's checkpoints, and what says how far a stage has come."""

import sys
import time
from pathlib import Path
from typing import Any

from lightning.pytorch import Callback, Trainer
from lightning.pytorch.callbacks import TQDMProgressBar

from ringexp import stopping
from ringexp.models.bailing_moe import BailingMoeForCausalLM
from ringexp.models.tokenizer import ChatTokenizer
from ringexp.terminal import duration, say
from ringexp.training.checkpoint import INTERRUPTED, prune, save_checkpoint
from ringexp.training.module import StepModule


class AtCheckpoints(Callback):  # type: ignore[misc]
    """Does something every `every` steps of a stage of `steps`, and after the last."""

    def __init__(self, every: int, steps: int) -> None:
        self.every, self.steps = every, steps

    def on_train_batch_end(self, trainer: Trainer, module: Any, *_: object) -> None:
        """Lightning's hook."""
        if module.step % self.every == 0 or module.step == self.steps:
            self.at_checkpoint(trainer, module)

    def at_checkpoint(self, trainer: Trainer, module: Any) -> None:
        """What is done."""
        raise NotImplementedError


class Saver(AtCheckpoints):
    """Saves checkpoints, also one where the run is asked to stop between two of them."""

    def __init__(self, folder: Path, every: int, steps: int, tokenizer: ChatTokenizer) -> None:
        super().__init__(every, steps)
        self.folder, self.tokenizer = folder, tokenizer

    def on_train_batch_end(self, trainer: Trainer, module: Any, *args: object) -> None:
        """Lightning's hook."""
        super().on_train_batch_end(trainer, module, *args)
        if stopping.asked():
            if module.step % self.every and module.step != self.steps:
                self.save(trainer, module, self.folder / INTERRUPTED)
            stopping.stop()

    def save(
        self, trainer: Trainer, module: StepModule, folder: Path, model: BailingMoeForCausalLM | None = None
    ) -> Path:
        """Save it, after what is logged of the steps before; `model` where it is gathered already (collective)."""
        for logger in trainer.loggers:
            logger.save()
        whole = module.whole_model() if model is None else model
        return save_checkpoint(folder, module.step, whole, self.tokenizer, module.trainer_state())


class PolicyCheckpoint(Saver):
    """Saves the policy; the newest `keep` checkpoints are kept."""

    def __init__(self, folder: Path, every: int, steps: int, tokenizer: ChatTokenizer, keep: int = 2) -> None:
        super().__init__(folder, every, steps, tokenizer)
        self.keep = keep

    def at_checkpoint(self, trainer: Trainer, module: StepModule) -> None:
        """Save it."""
        self.save(trainer, module, self.folder)
        prune(self.folder, keep_states=self.keep, keep_weights=self.keep)


class Attendant(AtCheckpoints):
    """On a rank that saves nothing: its part in gathering weights and moments that are sharded."""

    def at_checkpoint(self, trainer: Trainer, module: StepModule) -> None:
        """In the order of those that save."""
        if module.sharded:
            module.whole_model()
            module.trainer_state()


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


class StepLines(Callback):  # type: ignore[misc]
    """The bar's numbers as a line on standard error now and then, where no terminal would draw a bar."""

    def __init__(self, title: str, seconds: float = 30.0) -> None:
        self._title, self._seconds = title, seconds
        self._began = self._said = time.monotonic()
        self._done = 0

    def on_train_batch_end(self, trainer: Trainer, module: StepModule, *_: object) -> None:
        """Lightning's hook."""
        self._done += 1
        total, now = int(trainer.num_training_batches), time.monotonic()
        if now < self._said + self._seconds and self._done < total:
            return
        self._said = now
        left = total - self._done
        numbers = [f"{key} {float(value):.3g}" for key, value in trainer.progress_bar_metrics.items()]
        if left:
            numbers.append(f"{duration((now - self._began) / self._done * left)} left")
        say(f"{self._title}: step {module.step} of {module.step + left} · {', '.join(numbers)}")


def progress_of(title: str) -> Callback:
    """A bar on a terminal, lines elsewhere."""
    return StepBar(title) if sys.stdout.isatty() else StepLines(title)
