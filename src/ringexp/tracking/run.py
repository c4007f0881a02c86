"""Owns the MLflow runs: opening and resuming, logging on one step axis, true status at the end.

MLflow cannot delete points, so a run that is resumed skips the points that are already stored, one by one; repeated
steps are bitwise the same. Points travel in the background; `flush` waits for them and raises where one was lost.
"""

import json
import math
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any

import mlflow
from mlflow import MlflowClient
from mlflow.entities import Metric as Point
from mlflow.entities import Run, ViewType
from mlflow.exceptions import MlflowException
from mlflow.system_metrics.system_metrics_monitor import SystemMetricsMonitor
from mlflow.utils.async_logging.run_operations import RunOperations

from ringexp.config.schema import TrackingConfig
from ringexp.errors import RecordError
from ringexp.tracking.names import describe

TAG = "ringexp."


class Store:
    """One MLflow tracking store and the experiment that runs go to."""

    def __init__(self, config: TrackingConfig) -> None:
        if config.uri.startswith("sqlite:///"):
            Path(config.uri.removeprefix("sqlite:///")).parent.mkdir(parents=True, exist_ok=True)
        mlflow.set_tracking_uri(config.uri)
        self.uri = config.uri
        self.system_metrics = config.system_metrics
        self.client = MlflowClient(config.uri)
        try:
            experiment = self.client.get_experiment_by_name(config.experiment)
        except MlflowException as error:
            first = str(error).splitlines()[0]
            raise RecordError(f"tracking.uri={config.uri}: MLflow cannot be reached there ({first})") from error
        if experiment is None:
            location = None if config.artifacts is None else Path(config.artifacts).resolve().as_uri()
            self.experiment_id = self.client.create_experiment(config.experiment, artifact_location=location)
        else:
            self.experiment_id = experiment.experiment_id

    def find(self, tags: Mapping[str, str]) -> list[Run]:
        """Runs with all of these tags, newest first; superseded ones left out."""
        clauses = [f"tags.`{key}` = '{value}'" for key, value in tags.items()]
        found = self.client.search_runs(
            [self.experiment_id], " AND ".join(clauses), ViewType.ACTIVE_ONLY, order_by=["attributes.start_time DESC"]
        )
        return [run for run in found if run.data.tags.get(TAG + "superseded") != "true"]

    def create(self, name: str, tags: Mapping[str, str], parent: str | None = None) -> "Record":
        """A new run, RUNNING, under `parent` where one is given."""
        full = dict(tags) | ({} if parent is None else {"mlflow.parentRunId": parent})
        return Record(self, self.client.create_run(self.experiment_id, tags=full, run_name=name))

    def resume(self, run: Run) -> "Record":
        """An existing run, opened again: RUNNING, and its stored steps known."""
        self.client.update_run(run.info.run_id, status="RUNNING")
        return Record(self, run)


class Record:
    """One open MLflow run."""

    def __init__(self, store: Store, run: Run) -> None:
        self.store, self.client, self.run_id = store, store.client, run.info.run_id
        self.tags = dict(run.data.tags)
        self.muted = False
        """True keeps metrics out of the run (tags and artifacts still reach it)."""
        self._sent: list[RunOperations] = []
        self._stored: dict[str, set[int]] = {
            key: {point.step for point in self.client.get_metric_history(self.run_id, key)}
            for key in run.data.metrics if not key.startswith("system/")
        }  # fmt: skip

    @staticmethod
    def points(metrics: Mapping[str, float], step: int, model_id: str | None = None) -> list[Point]:
        """Declared, finite metrics as MLflow's points. Raises KeyError for one `tracking.names` does not declare."""
        now = int(time.time() * 1000)
        for key in metrics:
            describe(key)
        return [Point(key, float(value), now, step, model_id=model_id)
                for key, value in metrics.items() if math.isfinite(value)]  # fmt: skip

    def log(self, metrics: Mapping[str, float], step: int) -> None:
        """Log declared, finite metrics at `step`, asynchronously; a step already stored is not sent again.

        Raises KeyError for a metric that `tracking.names` does not declare.
        """
        if self.muted:
            return
        points = [p for p in self.points(metrics, step) if step not in self._stored.setdefault(p.key, set())]
        for point in points:
            self._stored[point.key].add(step)
        if points:
            self._sent.append(self.client.log_batch(self.run_id, metrics=points, synchronous=False))

    def log_parameters(self, parameters: Mapping[str, Any]) -> None:
        """Short parameters to compare runs by; those already stored stay."""
        known = self.client.get_run(self.run_id).data.params
        for key, value in parameters.items():
            if key not in known:
                self.client.log_param(self.run_id, key, str(value)[:6000])

    def log_text(self, text: str, file: str) -> None:
        """A text artifact."""
        self.client.log_text(self.run_id, text, file)

    def log_figure(self, figure: Any, file: str) -> None:
        """A matplotlib figure as an artifact."""
        self.client.log_figure(self.run_id, figure, file)

    def log_table(self, table: Mapping[str, list[Any]], file: str) -> None:
        """A table that the UI compares across runs; `file` ends in .json. One that is stored already stays."""
        folder = str(PurePosixPath(file).parent) if "/" in file else None
        stored = [artifact.path for artifact in self.client.list_artifacts(self.run_id, folder)]
        if file not in stored:
            self.client.log_table(self.run_id, dict(table), file)
        elif file not in self.client.get_run(self.run_id).data.tags.get("mlflow.loggedArtifacts", ""):
            # a kill came between the file and the tag that lists it; logging again would append every row
            self.set_tags({"mlflow.loggedArtifacts": json.dumps([{"path": file, "type": "table"}])})

    def set_tags(self, tags: Mapping[str, str]) -> None:
        """Set tags, here and in the store."""
        for key, value in tags.items():
            self.client.set_tag(self.run_id, key, value)
        self.tags.update(tags)

    def flush(self) -> None:
        """Wait until everything logged is stored. Raises MLflow's own error for a batch that could not be."""
        while self._sent:
            self._sent.pop(0).wait()

    def finish(self, status: str) -> None:
        """Flush and end the run as FINISHED, FAILED or KILLED."""
        try:
            self.flush()
        finally:
            self.client.set_terminated(self.run_id, status)

    @contextmanager
    def running(self, *, system_metrics: bool = False, status: str = "FINISHED") -> Iterator["Record"]:
        """End the run with its true status: `status`, KILLED when interrupted, FAILED on any other exception."""
        monitor = None
        if system_metrics and self.store.system_metrics:
            monitor = SystemMetricsMonitor(self.run_id, sampling_interval=5, resume_logging=True,
                                           tracking_uri=self.store.uri)
            monitor.start()
        end = "FAILED"
        try:
            yield self
            end = status
        except (KeyboardInterrupt, SystemExit):
            end = "KILLED"
            raise
        finally:
            if monitor is not None:
                monitor.finish()
            self.finish(end)
