"""The callback that evaluates the policy while it is trained: the curve that a search is pruned by."""

from collections.abc import Callable, Mapping, Sequence

from lightning.pytorch import Trainer

from ringexp import seeds
from ringexp.records import Prompt
from ringexp.rl.module import C3POModule
from ringexp.training.callbacks import AtCheckpoints

Told = Callable[[Mapping[str, float], int], None]
"""Is told the metrics of an evaluation and the run's step; what it raises ends the training."""


class HeldOut(AtCheckpoints):
    """pass@1 on held-out `prompts` every so many steps of a stage, and after the last, at the sampling temperature.

    The engine holds the current weights already, and the responses have seeds of their own: training is the same with
    and without.
    """

    def __init__(self, prompts: Sequence[Prompt], samples: int, seed: int, every: int, steps: int, told: Told) -> None:
        super().__init__(every, steps)
        self.prompts, self.samples, self.seed, self.told = prompts, samples, seed, told

    def at_checkpoint(self, trainer: Trainer, module: C3POModule) -> None:
        """Evaluate, log, tell."""
        result = module.evaluator.evaluate(self.prompts, self.samples, module.sampling,
                                           seeds.derive(self.seed, "held-out"), [1])  # fmt: skip
        metrics = {key: value for key, value in result.metrics.items() if key.endswith("/pass_at_1")}
        for logger in trainer.loggers:
            logger.log_metrics(metrics, step=module.version)
        self.told(metrics, module.version)
