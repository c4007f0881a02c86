"""The callback that shows what the policy answers: a table of samples at every checkpoint of an RL stage."""

from lightning.pytorch import Trainer

from ringexp.rl.module import C3POModule
from ringexp.tracking.run import Record
from ringexp.tracking.tables import sample_table
from ringexp.training.callbacks import AtCheckpoints


class SampleTables(AtCheckpoints):
    """`rows` responses of each domain with their verdicts, as an artifact."""

    def __init__(self, record: Record, every: int, steps: int, rows: int) -> None:
        super().__init__(every, steps)
        self.record, self.rows = record, rows

    def at_checkpoint(self, trainer: Trainer, module: C3POModule) -> None:
        """Log the last step's table."""
        table = sample_table(module.groups, self.rows)
        self.record.log_table(table, f"samples/step_{module.version:06d}.json")
