"""The callback that evaluates the policy while it is trained: the curve that a search is pruned by."""

from collections.abc import Callable, Mapping, Sequence

from lightning.pytorch import Callback, Trainer

from ringexp import seeds
from ringexp.records import Prompt
from ringexp.rl.module import C3POModule

Told = Callable[[Mapping[str, float], int], None]
"""Is told the metrics of an evaluation and the run's step; what it raises ends the training."""


class HeldOut(Callback):  # type: ignore[misc]
    """pass@1 on held-out `prompts`, at the sampling temperature, after every `every` RL steps.

    The steps are counted over all stages (`first_step` came before this one), so that runs with other stages are
    evaluated at the same ones. The engine holds the current weights already, and the responses have seeds of their
    own: training is the same with and without.
    """

    def __init__(
        self, prompts: Sequence[Prompt], samples: int, seed: int, every: int, first_step: int, told: Told
    ) -> None:
        self.prompts, self.samples, self.seed = prompts, samples, seed
        self.every, self.first_step, self.told = every, first_step, told

    def on_train_batch_end(self, trainer: Trainer, module: C3POModule, *_: object) -> None:
        """Evaluate, log, tell."""
        if (self.first_step + module.step) % self.every:
            return
        result = module.evaluator.evaluate(self.prompts, self.samples, module.sampling,
                                           seeds.derive(self.seed, "held-out"), [1])  # fmt: skip
        metrics = {key: value for key, value in result.metrics.items() if key.endswith("/pass_at_1")}
        for logger in trainer.loggers:
            logger.log_metrics(metrics, step=module.version)
        self.told(metrics, module.version)
