"""The callback that shows what the policy answers: a table of samples at every checkpoint of an RL stage."""

from lightning.pytorch import Callback, Trainer

from ringexp.rl.module import C3POModule
from ringexp.tracking.run import Record
from ringexp.tracking.tables import sample_table


class SampleTables(Callback):  # type: ignore[misc]
    """Every `every` steps, and after the last: `rows` responses of each domain with their verdicts, as an artifact."""

    def __init__(self, record: Record, every: int, steps: int, rows: int) -> None:
        self.record, self.every, self.steps, self.rows = record, every, steps, rows

    def on_train_batch_end(self, trainer: Trainer, module: C3POModule, *_: object) -> None:
        """Lightning's hook."""
        if module.step % self.every == 0 or module.step == self.steps:
            table = sample_table(module.groups, self.rows)
            self.record.log_table(table, f"samples/step_{module.version:06d}.json")
