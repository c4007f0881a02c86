"""Owns the MLflow runs: opening and resuming, logging on one step axis, true status at the end.

MLflow cannot delete points, so a run that is resumed skips the points that are already stored, one by one; repeated
steps are bitwise the same. Points, tags, tables and checkpoints travel in the background, by way of the `outbox`:
`sync` makes them safe on disk, `drain` waits until MLflow has them.
"""

import json
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path, PurePosixPath
from typing import Any

import mlflow
from mlflow import MlflowClient
from mlflow.entities import Dataset, DatasetInput, InputTag, Run, ViewType
from mlflow.entities import Metric as Point
from mlflow.exceptions import MlflowException

from ringexp.config.schema import TrackingConfig
from ringexp.domains.pool import Pool
from ringexp.errors import RecordError
from ringexp.stopping import Pruned, StepsDone
from ringexp.tracking import database, logged_models
from ringexp.tracking.meters import Meters
from ringexp.tracking.names import describe
from ringexp.tracking.outbox import Entry, Outbox
from ringexp.tracking.secrets import scrub, scrub_tree
from ringexp.tracking.server import require_reachable

TAG = "ringexp."

BATCH = 1000
"""Points that MLflow takes at once."""

INTERRUPTIONS = (KeyboardInterrupt, SystemExit, StepsDone, Pruned)
"""What ends a run as KILLED: it is not at its end, and nothing failed."""

SHORT_PATIENCE = 10.0
"""Seconds that a run which is interrupted or fails waits for a store that is away."""


def nothing(_: str) -> None:
    """Says nothing."""


class Store:
    """One MLflow tracking store and the experiment that runs go to."""

    def __init__(self, config: TrackingConfig) -> None:
        database.ensure(config.uri)
        require_reachable(config.uri)
        mlflow.set_tracking_uri(config.uri)
        self.uri = config.uri
        self.patience = config.patience
        self.say: Callable[[str], None] = nothing
        self.system_metrics = config.system_metrics
        self.client = MlflowClient(config.uri)
        try:
            experiment = self.client.get_experiment_by_name(config.experiment)
        except MlflowException as error:
            first = str(error).splitlines()[0]
            raise RecordError(scrub(f"tracking.uri={config.uri}: MLflow cannot be reached there ({first})")) from error
        self.outbox = Outbox(Path(config.outbox), self._deliver)
        if experiment is None:
            location = None if config.artifacts is None else Path(config.artifacts).resolve().as_uri()
            self.experiment_id = self.client.create_experiment(config.experiment, artifact_location=location)
        else:
            self.experiment_id = experiment.experiment_id

    def find(self, tags: Mapping[str, str], experiment_id: str | None = None) -> list[Run]:
        """Runs of the experiment, or of another, with all of these tags, newest first; superseded ones left out."""
        clauses = [f"tags.`{key}` = '{value}'" for key, value in tags.items()]
        found = self.client.search_runs(
            [experiment_id or self.experiment_id], " AND ".join(clauses), ViewType.ACTIVE_ONLY,
            order_by=["attributes.start_time DESC"],
        )  # fmt: skip
        return [run for run in found if run.data.tags.get(TAG + "superseded") != "true"]

    def create(self, name: str, tags: Mapping[str, str], parent: str | None = None) -> "Record":
        """A new run, RUNNING, under `parent` where one is given."""
        full = dict(tags) | ({} if parent is None else {"mlflow.parentRunId": parent})
        return Record(self, self.client.create_run(self.experiment_id, tags=full, run_name=name))

    def resume(self, run: Run) -> "Record":
        """An existing run, opened again: RUNNING, its stored steps known, what a killed process left delivered."""
        self.client.update_run(run.info.run_id, status="RUNNING")
        record = Record(self, run)
        record.deliver_left()
        return record

    def _deliver(self, run_id: str, entries: Sequence[Entry]) -> None:
        """Entries of a run's outbox into MLflow: the points in batches, then tables and checkpoints in order."""
        points = [Point(*point) for entry in entries for point in entry.get("points", ())]
        for first in range(0, len(points), BATCH):
            self.client.log_batch(run_id, metrics=points[first : first + BATCH])
        for entry in entries:
            if "table" in entry:
                self._deliver_table(run_id, entry["table"], entry["file"])
            for key, value in entry.get("tags", {}).items():
                self.client.set_tag(run_id, key, value)
            if "checkpoint" in entry:
                logged_models.register(self.client, run_id, **entry["checkpoint"])

    def _deliver_table(self, run_id: str, table: dict[str, list[Any]], file: str) -> None:
        """One that is stored already stays."""
        folder = str(PurePosixPath(file).parent) if "/" in file else None
        stored = [artifact.path for artifact in self.client.list_artifacts(run_id, folder)]
        if file not in stored:
            self.client.log_table(run_id, table, file)
            return
        known = self.client.get_run(run_id).data.tags.get("mlflow.loggedArtifacts", "[]")
        if file not in known:  # a kill came between the file and the tag that lists it; logging again would append
            listed = [*json.loads(known), {"path": file, "type": "table"}]
            self.client.set_tag(run_id, "mlflow.loggedArtifacts", json.dumps(listed))


class Record:
    """One open MLflow run."""

    def __init__(self, store: Store, run: Run) -> None:
        self.store, self.client, self.run_id = store, store.client, run.info.run_id
        self.tags = dict(run.data.tags)
        self.muted = False
        """True keeps metrics out of the run (tags and artifacts still reach it)."""
        self._samples = 0
        """The number of the next sample of system metrics."""
        metered = [key for key in run.data.metrics if key.startswith("system/")]
        if metered:
            history = self.client.get_metric_history(self.run_id, metered[0])
            self._samples = 1 + max(point.step for point in history)
        self._stored: dict[str, set[int]] = {
            key: {point.step for point in self.client.get_metric_history(self.run_id, key)}
            for key in run.data.metrics if not key.startswith("system/")
        }  # fmt: skip

    @staticmethod
    def points(metrics: Mapping[str, float], step: int) -> list[Point]:
        """Declared, finite metrics as MLflow's points. Raises KeyError for one `tracking.names` does not declare."""
        now = int(time.time() * 1000)
        for key in metrics:
            describe(key)
        return [Point(key, float(value), now, step)
                for key, value in metrics.items() if math.isfinite(value)]  # fmt: skip

    def log(self, metrics: Mapping[str, float], step: int) -> None:
        """Log declared, finite metrics at `step`, asynchronously; a step already stored is not sent again.

        Raises KeyError for a metric that `tracking.names` does not declare.
        """
        self.log_points(self.points(metrics, step))

    def log_points(self, points: Sequence[Point]) -> None:
        """Log points as they are, their times too; steps that are stored already stay."""
        fresh = [p for p in points if p.step not in self._stored.setdefault(p.key, set())]
        if self.muted or not fresh:
            return
        for point in fresh:
            self._stored[point.key].add(point.step)
        self._put({"points": [[p.key, p.value, p.timestamp, p.step] for p in fresh]})

    def log_headline_points(self, points: Sequence[Point]) -> None:
        """Log those of another run's points that are of headline metrics."""
        self.log_points([point for point in points if describe(point.key).headline])

    def log_checkpoint(self, step: int, path: str, metrics: Mapping[str, float]) -> None:
        """Make the SFT checkpoint of `step` a LoggedModel with its metrics, which are the run's too."""
        points = [[p.key, p.value, p.timestamp, p.step] for p in self.points(metrics, step)]
        self._put({"checkpoint": {"experiment_id": self.store.experiment_id, "step": step, "path": path,
                                  "points": points}})  # fmt: skip

    def _put(self, entry: Entry) -> None:
        self.store.outbox.put(self.run_id, entry)

    def deliver_left(self) -> None:
        """Deliver what a killed process wrote down and did not get rid of; points that arrived are left out."""
        left = self.store.outbox.left(self.run_id)
        for entry in left:
            fresh = [p for p in entry.get("points", ()) if p[3] not in self._stored.get(p[0], set())]
            if fresh or "points" not in entry:
                self.store.outbox.again(self.run_id, [dict(entry) | ({"points": fresh} if fresh else {})])
            for key, _, _, step in fresh:
                self._stored.setdefault(key, set()).add(step)
                if key.startswith("system/"):
                    self._samples = max(self._samples, step + 1)
        if left:
            self.drain()

    def log_parameters(self, parameters: Mapping[str, Any]) -> None:
        """Short parameters to compare runs by; those already stored stay."""
        known = self.client.get_run(self.run_id).data.params
        for key, value in parameters.items():
            if key not in known:
                self.client.log_param(self.run_id, key, str(value)[:6000])

    def log_datasets(self, pools: Mapping[str, Pool], name: str, source: Mapping[str, Any]) -> None:
        """The pools as MLflow datasets, `<name>/<domain>` by their fingerprints; the UI lists and filters runs by them.

        `source` says what was configured; each pool's own origin (file, or dataset with commit and fingerprints) stands
        beside it. Logging one again changes nothing.
        """
        inputs = []
        for domain, pool in pools.items():
            rows = {split: len(getattr(pool, split)) for split in ("train", "validation", "test")}
            text = json.dumps(scrub_tree({**source, "origin": dict(pool.origin)}))[:60_000]
            dataset = Dataset(f"{name}/{domain}", pool.fingerprint[:36], "ringexp", text, profile=json.dumps(rows))
            inputs.append(DatasetInput(dataset, [InputTag("mlflow.data.context", "training")]))
        self.client.log_inputs(self.run_id, inputs)

    def log_text(self, text: str, file: str) -> None:
        """A text artifact."""
        self.client.log_text(self.run_id, text, file)

    def log_files(self, folder: Path, tables: str | None) -> None:
        """All files of a folder as artifacts; `tables` is another run's list of which of them are tables."""
        self.client.log_artifacts(self.run_id, str(folder))
        if tables is not None:
            self.client.set_tag(self.run_id, "mlflow.loggedArtifacts", tables)

    def log_figure(self, figure: Any, file: str) -> None:
        """A matplotlib figure as an artifact."""
        self.client.log_figure(self.run_id, figure, file)

    def log_table(self, table: Mapping[str, list[Any]], file: str) -> None:
        """A table that the UI compares across runs; `file` ends in .json. One that is stored already stays."""
        self._put({"table": dict(table), "file": file})

    def set_tags(self, tags: Mapping[str, str]) -> None:
        """Set tags: here at once, in the store with what else is on its way."""
        self.tags.update(tags)
        self._put({"tags": dict(tags)})

    def sync(self) -> None:
        """Everything logged so far is safe on disk. Raises RecordError for what MLflow refused."""
        self.store.outbox.sync(self.run_id)

    def drain(self, patience: float | None = None) -> None:
        """Wait until MLflow has everything logged. Raises RecordError where it stays away or refused something."""
        self.store.outbox.drain(self.run_id, self.store.patience if patience is None else patience, self.store.say)

    def finish(self, status: str) -> None:
        """End the run as FINISHED, FAILED or KILLED, with all that was logged. Raises RecordError as `drain` does."""
        self.drain(None if status == "FINISHED" else SHORT_PATIENCE)
        self.client.set_terminated(self.run_id, status)

    def _abandon(self, status: str) -> None:
        """End the run while an error is on its way: one more must not hide it."""
        try:
            self.finish(status)
        except (RecordError, MlflowException, OSError) as error:
            self.store.say(f"warning: the run's end is not in MLflow: {scrub(str(error).splitlines()[0])}")

    @contextmanager
    def running(self, *, system_metrics: bool = False, status: str = "FINISHED") -> Iterator["Record"]:
        """End the run with its true status: `status`, KILLED when interrupted, FAILED on any other exception."""
        metered = system_metrics and self.store.system_metrics
        try:
            with Meters(self.log, self._samples) if metered else nullcontext():
                yield self
        except BaseException as error:
            self._abandon("KILLED" if isinstance(error, INTERRUPTIONS) else "FAILED")
            raise
        self.finish(status)
