"""Reads runs from MLflow, local or remote: pipelines, their stages, histories of many runs at once, artifacts.

It knows nothing of figures. Runs are searched through the public client. Histories of many runs are read in bulk: on
a server by its endpoint for 100 runs at a time, on a database by the tracking store's own bulk query; the client alone
would ask once for every run and metric.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit, urlunsplit

import mlflow
from mlflow import MlflowClient
from mlflow.entities import Run
from mlflow.utils.rest_utils import http_request, verify_rest_response

Curve = list[tuple[int, float]]
Histories = dict[str, dict[str, Curve]]
"""Curves by run id and metric name; a run has only the metrics it logged."""

TAG = "ringexp."
PAGE = 1000
BATCH = 100
"""Runs in one request for histories: the server's limit."""
POINTS = 25_000
"""Points in one answer: the server's limit."""
THREADS = 8
BULK = "/ajax-api/2.0/mlflow/metrics/get-history-bulk"
"""The endpoint the UI had for its charts; its successor for intervals asks the database once for every run."""


@dataclass(frozen=True)
class StoredRun:
    """One run as MLflow has it; `metrics` holds the last values, times are in milliseconds since the epoch."""

    run_id: str
    name: str
    status: str
    started: int
    ended: int | None
    artifact_uri: str
    params: dict[str, str] = field(default_factory=dict)
    metrics: dict[str, float] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, run: Run) -> "StoredRun":
        info, data = run.info, run.data
        return cls(info.run_id, info.run_name, info.status, info.start_time, info.end_time, info.artifact_uri,
                   dict(data.params), dict(data.metrics), dict(data.tags))  # fmt: skip

    @property
    def seed(self) -> str:
        return self.tags.get(TAG + "seed", self.params.get("seed", ""))

    @property
    def superseded(self) -> bool:
        """A later run of the same command with fresh=true took its place."""
        return self.tags.get(TAG + "superseded") == "true"

    @property
    def complete(self) -> bool:
        """Whether its numbers may stand for its configuration."""
        return self.status == "FINISHED" and not self.superseded


def without_password(uri: str) -> str:
    """The URI without user, password and query."""
    parts = urlsplit(uri)
    if not parts.netloc:
        return uri
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


class Reader:
    """One MLflow tracking store, read."""

    def __init__(self, uri: str) -> None:
        self.uri = uri
        self.client = MlflowClient(uri)
        self._remote = urlsplit(uri).scheme in ("http", "https")

    def experiments(self) -> dict[str, str]:
        """Ids of the active experiments by name."""
        return {e.name: e.experiment_id for e in self.client.search_experiments()}

    def _search(self, experiments: Sequence[str], clauses: Sequence[str]) -> list[StoredRun]:
        """All matching runs, newest first."""
        found: list[StoredRun] = []
        search = partial(self.client.search_runs, list(experiments), " AND ".join(clauses), max_results=PAGE,
                         order_by=["attributes.start_time DESC"])  # fmt: skip
        page = search()
        found += map(StoredRun.of, page)
        while page.token:
            page = search(page_token=page.token)
            found += map(StoredRun.of, page)
        return found

    def pipelines(self, experiments: Sequence[str], parent: str | None = None) -> list[StoredRun]:
        """Pipelines of any status, newest first; of one sweep where its run id is given as `parent`."""
        clauses = [f"tags.`{TAG}kind` = 'pipeline'"]
        if parent is not None:
            clauses.append(f"tags.`mlflow.parentRunId` = '{parent}'")
        return self._search(experiments, clauses) if experiments else []

    def stages(self, experiments: Sequence[str], pattern: str) -> dict[str, dict[str, StoredRun]]:
        """Finished stages whose name matches the SQL pattern: by pipeline's run id and stage name, oldest first.

        Of several runs of a stage the first: later ones belong to another rule over the same pipeline.
        """
        clauses = [f"tags.`{TAG}kind` = 'stage'", f"tags.`{TAG}stage` LIKE '{pattern}'",
                   "attributes.status = 'FINISHED'"]  # fmt: skip
        by_pipeline: dict[str, dict[str, StoredRun]] = defaultdict(dict)
        for run in reversed(self._search(experiments, clauses)):
            by_pipeline[run.tags["mlflow.parentRunId"]].setdefault(run.tags[TAG + "stage"], run)
        return dict(by_pipeline)

    def histories(self, runs: Iterable[StoredRun], wanted: Callable[[str], bool]) -> Histories:
        """Every point of the runs' metrics that are `wanted`, by step; of a step logged twice the later value."""
        by_key: dict[str, list[str]] = defaultdict(list)
        for run in runs:
            for key in filter(wanted, run.metrics):
                by_key[key].append(run.run_id)
        batches = [(key, ids[i : i + BATCH]) for key, ids in by_key.items() for i in range(0, len(ids), BATCH)]
        read = self._remote_batch if self._remote else self._local_batch
        found: Histories = defaultdict(dict)
        with ThreadPoolExecutor(THREADS if self._remote else 1) as pool:
            for (key, _), points in zip(batches, pool.map(read, batches), strict=True):
                for run_id, own in points.items():
                    steps = {step: value for _, step, value in sorted(own)}
                    found[run_id][key] = sorted(steps.items())
        return dict(found)

    def _local_batch(self, batch: tuple[str, list[str]]) -> dict[str, list[tuple[int, int, float]]]:
        """(time, step, value) by run id, from the database in one query."""
        key, ids = batch
        store = self.client._tracking_client.store  # the public client has no bulk query
        points: dict[str, list[tuple[int, int, float]]] = defaultdict(list)
        for row in store.get_metric_history_bulk(ids, key, max_results=None):
            points[row.run_id].append((row.timestamp, row.step, row.value))
        return points

    def _remote_batch(self, batch: tuple[str, list[str]]) -> dict[str, list[tuple[int, int, float]]]:
        """(time, step, value) by run id, from a server in one request; an answer that was cut is asked in halves."""
        key, ids = batch
        host = self.client._tracking_client.store.get_host_creds()  # as the client itself signs its requests
        parameters = {"run_id": ids, "metric_key": key, "max_results": POINTS}
        answer = verify_rest_response(http_request(host, BULK, "GET", params=parameters), BULK).json()["metrics"]
        if len(answer) < POINTS:
            points: dict[str, list[tuple[int, int, float]]] = defaultdict(list)
            for row in answer:
                points[row["run_id"]].append((row["timestamp"], row["step"], row["value"]))
            return points
        if len(ids) == 1:
            return {ids[0]: [(p.timestamp, p.step, p.value) for p in self.client.get_metric_history(ids[0], key)]}
        half = len(ids) // 2
        return self._remote_batch((key, ids[:half])) | self._remote_batch((key, ids[half:]))

    def texts(self, runs: Sequence[StoredRun], file: str) -> list[str | None]:
        """A text artifact of each run; None where it is not there, as after a store was moved without its artifacts."""
        with ThreadPoolExecutor(THREADS) as pool:
            return list(pool.map(lambda run: self._text(run, file), runs))

    def _text(self, run: StoredRun, file: str) -> str | None:
        parts = urlsplit(run.artifact_uri)
        if parts.scheme in ("", "file"):
            path = Path(unquote(parts.path)) / file
            return path.read_text() if path.is_file() else None
        if file not in [artifact.path for artifact in self.client.list_artifacts(run.run_id)]:
            return None
        location: Any = mlflow.artifacts.download_artifacts(
            artifact_uri=f"{run.artifact_uri}/{file}", tracking_uri=self.uri)
        return Path(location).read_text()
