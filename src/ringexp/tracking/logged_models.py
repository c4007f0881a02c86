"""SFT checkpoints in MLflow: a LoggedModel each, its entropies and other quantities as metrics."""

from collections.abc import Iterator, Sequence
from typing import Any

import mlflow
from mlflow import MlflowClient
from mlflow.entities import LoggedModel
from mlflow.entities import Metric as Point


def models_of(client: MlflowClient, experiment_id: str, run_id: str) -> Iterator[LoggedModel]:
    """All LoggedModels of a run."""
    token: str | None = None
    while True:
        page = client.search_logged_models(
            [experiment_id], filter_string=f"source_run_id = '{run_id}'", page_token=token)
        yield from page
        token = page.token
        if not token:
            return


RETIRED = "ringexp.retired"
"""Tag of a checkpoint whose weights were deleted on purpose."""


def register(
    client: MlflowClient, run_id: str, *, experiment_id: str, step: int, path: str, points: Sequence[Sequence[Any]]
) -> None:
    """Make the checkpoint of `step` known and log its points (key, value, timestamp, step), on run and model.

    One that is known already stays as it is; one that a kill left without metrics gets them.
    """
    known = {int(model.params["step"]): model for model in models_of(client, experiment_id, run_id)}.get(step)
    if known is not None and known.metrics:
        return
    model_id = _create(run_id, experiment_id, step, path) if known is None else known.model_id
    client.log_batch(run_id, metrics=[Point(*point, model_id=model_id) for point in points])


def _create(run_id: str, experiment_id: str, step: int, path: str) -> str:
    model = mlflow.create_external_model(
        name=f"sft-{step}", source_run_id=run_id, experiment_id=experiment_id,
        params={"step": str(step), "path": path}, tags={"ringexp.kind": "checkpoint"},
    )  # fmt: skip
    return str(model.model_id)
