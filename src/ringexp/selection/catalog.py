"""SFT checkpoints as MLflow knows them: one LoggedModel each, its entropies as metrics."""

import shutil
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from mlflow.entities import LoggedModel

from ringexp.errors import RecordError
from ringexp.records import Checkpoint
from ringexp.tracking.logged_models import RETIRED, models_of
from ringexp.tracking.run import Record, Store


class Catalog:
    """The checkpoints of one SFT run. Paths are kept relative to `root`, so that a store can be moved."""

    def __init__(self, store: Store, run_id: str, root: Path) -> None:
        self._store, self._run_id, self._root = store, run_id, root

    def register(self, record: Record, step: int, path: Path, metrics: Mapping[str, float]) -> None:
        """Make a saved checkpoint of the run known, with its metrics; one that is known already stays as it is."""
        record.log_checkpoint(step, str(path.resolve().relative_to(self._root.resolve())), metrics)

    def candidates(self) -> list[Checkpoint]:
        """All checkpoints of the run that have their weights, by step.

        Those that were retired are left out. Raises RecordError where a checkpoint's folder is gone otherwise.
        """
        models = models_of(self._store.client, self._store.experiment_id, self._run_id)
        found = [self._checkpoint(model) for model in models if RETIRED not in model.tags]
        return sorted(found, key=lambda c: c.step)

    def retire(self, candidates: Sequence[Checkpoint], keep: int, selected: Collection[Path]) -> list[Checkpoint]:
        """Delete the weights of all but the newest `keep` of those that nobody selected; gives those deleted."""
        spare = [c for c in candidates if c.path not in selected]
        gone = spare[: len(spare) - keep] if keep < len(spare) else []
        for checkpoint in gone:
            self._store.client.set_logged_model_tags(checkpoint.model_id, {RETIRED: "true"})
            shutil.rmtree(checkpoint.path)
        return gone

    def _checkpoint(self, model: LoggedModel) -> Checkpoint:
        path = self._root / model.params["path"]
        if not (path / "model.safetensors").is_file():
            raise RecordError(f"checkpoint {model.name} is in MLflow, but its weights are not at {path}")
        step = int(model.params["step"])
        metrics = {metric.key: metric.value for metric in model.metrics or [] if metric.step == step}
        return Checkpoint(model.model_id, model.name, step, path, metrics)
