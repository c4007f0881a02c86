"""Lightning's logger over an open MLflow record: modules log through it, and Lightning never ends the run."""

from argparse import Namespace
from collections.abc import Mapping
from typing import Any

from lightning.pytorch.loggers.logger import Logger

from ringexp.tracking.names import describe
from ringexp.tracking.run import Record


class RecordLogger(Logger):  # type: ignore[misc]
    """Logs on the stage's run and mirrors the headline metrics on the pipeline's, both at the same step."""

    def __init__(self, stage: Record, pipeline: Record) -> None:
        super().__init__()
        self.stage, self.pipeline = stage, pipeline

    @property
    def name(self) -> str:
        """Lightning's name for the logger."""
        return "ringexp"

    @property
    def version(self) -> str:
        """The MLflow run."""
        return str(self.stage.run_id)

    def log_hyperparams(self, params: dict[str, Any] | Namespace, *args: Any, **kwargs: Any) -> None:
        """Nothing: parameters are the pipeline's business."""

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Log declared metrics at `step` of the pipeline's axis. Raises ValueError without a step."""
        if step is None:
            raise ValueError("a metric needs its step")
        log_both(self.stage, self.pipeline, metrics, step)

    def save(self) -> None:
        """Make what was logged safe on disk."""
        self.stage.sync()
        self.pipeline.sync()


def log_both(stage: Record, pipeline: Record, metrics: Mapping[str, float], step: int) -> None:
    """Log on the stage's run; headline metrics on the pipeline's run too."""
    stage.log(metrics, step)
    log_headlines(pipeline, metrics, step)


def log_headlines(pipeline: Record, metrics: Mapping[str, float], step: int) -> None:
    """Log the headline metrics among `metrics` on the pipeline's run."""
    pipeline.log({key: value for key, value in metrics.items() if describe(key).headline}, step)
