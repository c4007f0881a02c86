"""Stage reuse: what all its causes share with a finished stage of another run is taken over instead of computed again.

A stage's key covers its own configuration, the data and the stages before it; with the sources and what is installed it
decides the result bitwise, so the curves that are copied are the ones the stage would have had.
"""

import fcntl
import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mlflow.entities import Run

from ringexp.errors import RecordError
from ringexp.selection.catalog import Catalog
from ringexp.tasks.workspace import Stage, Workspace
from ringexp.terminal import say
from ringexp.tracking import provenance
from ringexp.tracking.run import TAG

LEASES = ".leases"
"""Folder of the store with a lock for each stage that a run is at."""

COPY = "copied"
"""The key of what was taken over itself: however often, the search for it finds the original."""

OF_THE_RUN = tuple(TAG + key for key in ("kind", "stage", "stage_key", "reuse_key", "seed", "seconds"))
"""Tags that a copy has of its own."""


@contextmanager
def turn(workspace: Workspace, name: str, key: str, *, mirrored: bool = False) -> Iterator[Stage | None]:
    """The stage's open run, or None where it is finished, here or in a run that it could be taken from.

    Where another process is at the very stage, waits for it. `mirrored` stages have their headline metrics on the
    pipeline's run too.
    """
    if workspace.finished(name, key) is not None:
        say(f"{name}: finished already")
        yield None
        return
    if not workspace.reuses:
        with workspace.stage(name, key) as stage:
            yield stage
        return
    with _lease(workspace.root, name, provenance.reuse_key(key)):
        source = _source(workspace, name, key)
        if source is None:
            with workspace.stage(name, key) as stage:
                yield stage
            return
        _copy(workspace, name, key, source, mirrored)
    say(f"{name}: taken from run {_pipeline(source)}, where all that decides it is the same (reuse=never trains it)")
    yield None


@contextmanager
def _lease(root: Path, name: str, key: str) -> Iterator[None]:
    """Be the only process on this file system that is at the stage; a lock ends with its process."""
    (root / LEASES).mkdir(parents=True, exist_ok=True)
    with (root / LEASES / f"{key[:16]}.{name}").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"{name}: another run is at this very stage: waiting for it")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _source(workspace: Workspace, name: str, key: str) -> Run | None:
    """A finished run of the stage in any pipeline of the experiment, whose weights are still there."""
    tags = {TAG + "kind": "stage", TAG + "stage": name, TAG + "reuse_key": provenance.reuse_key(key)}
    for run in reversed(workspace.store.find(tags)):
        if run.info.status == "FINISHED" and _whole(workspace, run):
            return run
    return None


def _whole(workspace: Workspace, run: Run) -> bool:
    """Whether the weights that the stage left are still there."""
    paths = [run.data.tags[TAG + tag] for tag in ("weights", "selected_path") if TAG + tag in run.data.tags]
    if run.data.tags[TAG + "stage"] == "sft":
        try:
            Catalog(workspace.store, run.info.run_id, workspace.root).candidates()
        except RecordError:
            return False
    return all((workspace.root / path / "model.safetensors").is_file() for path in paths)


def _copy(workspace: Workspace, name: str, key: str, source: Run, mirrored: bool) -> None:
    """The finished stage as one of this pipeline: its curves, tags and artifacts; its weights stay where they are."""
    client = workspace.store.client
    with workspace.stage(name, key) as stage:
        for metric in source.data.metrics:
            if not metric.startswith("system/"):
                points = client.get_metric_history(source.info.run_id, metric)
                stage.record.log_points(points)
                if mirrored:
                    workspace.record.log_headline_points(points)
        if client.list_artifacts(source.info.run_id):
            _copy_artifacts(workspace, stage, name, source)
        own = {tag: value for tag, value in source.data.tags.items()
               if tag.startswith(TAG) and tag not in OF_THE_RUN}  # fmt: skip
        stage.record.set_tags(own | {TAG + "reused_from": source.info.run_id, TAG + "reuse_key": COPY})


def _copy_artifacts(workspace: Workspace, stage: Stage, name: str, source: Run) -> None:
    """All files; an evaluation's samples are a table of the pipeline too."""
    with tempfile.TemporaryDirectory() as folder:
        workspace.store.client.download_artifacts(source.info.run_id, "", folder)
        stage.record.log_files(Path(folder), source.data.tags.get("mlflow.loggedArtifacts"))
        if (table := Path(folder) / "samples.json").is_file():
            content = json.loads(table.read_text())
            columns = dict(zip(content["columns"], map(list, zip(*content["data"], strict=True)), strict=True))
            workspace.record.log_table(columns, f"samples/{name.removeprefix('evaluate-')}.json")


def _pipeline(run: Run) -> str:
    return str(run.data.tags["mlflow.parentRunId"])
