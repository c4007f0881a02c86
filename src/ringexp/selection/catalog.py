"""SFT checkpoints as MLflow knows them: one LoggedModel each, its entropies as metrics."""

from collections.abc import Mapping
from pathlib import Path

import mlflow
from mlflow.entities import LoggedModel

from ringexp.errors import RecordError
from ringexp.records import Checkpoint
from ringexp.tracking.run import TAG, Record, Store


class Catalog:
    """The checkpoints of one SFT run. Paths are kept relative to `root`, so that a store can be moved."""

    def __init__(self, store: Store, run_id: str, root: Path) -> None:
        self._store, self._run_id, self._root = store, run_id, root

    def register(self, step: int, path: Path, metrics: Mapping[str, float]) -> None:
        """Make a saved checkpoint known and log its metrics, on the run and on the model.

        One that is known already stays as it is; one that a kill left without metrics gets them.
        """
        known = {checkpoint.step: checkpoint for checkpoint in self.candidates()}.get(step)
        if known is not None and known.metrics:
            return
        model_id = known.model_id if known is not None else self._create(step, path)
        self._store.client.log_batch(self._run_id, metrics=Record.points(metrics, step, model_id))

    def _create(self, step: int, path: Path) -> str:
        model = mlflow.create_external_model(
            name=f"sft-{step}", source_run_id=self._run_id, experiment_id=self._store.experiment_id,
            params={"step": str(step), "path": str(path.resolve().relative_to(self._root.resolve()))},
            tags={TAG + "kind": "checkpoint"},
        )  # fmt: skip
        return str(model.model_id)

    def candidates(self) -> list[Checkpoint]:
        """All checkpoints of the run, by step. Raises RecordError where a checkpoint's folder is gone."""
        found: list[LoggedModel] = []
        token: str | None = None
        while True:
            page = self._store.client.search_logged_models(
                [self._store.experiment_id], filter_string=f"source_run_id = '{self._run_id}'", page_token=token)
            found.extend(page)
            token = page.token
            if not token:
                return sorted((self._checkpoint(model) for model in found), key=lambda c: c.step)

    def _checkpoint(self, model: LoggedModel) -> Checkpoint:
        path = self._root / model.params["path"]
        if not (path / "model.safetensors").is_file():
            raise RecordError(f"checkpoint {model.name} is in MLflow, but its weights are not at {path}")
        step = int(model.params["step"])
        metrics = {metric.key: metric.value for metric in model.metrics or [] if metric.step == step}
        return Checkpoint(model.model_id, model.name, step, path, metrics)
