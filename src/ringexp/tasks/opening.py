"""Opening a pipeline: found again by its identity or its run id, described once in MLflow, held by one process.

What can be wrong with configuration and data is looked at before an MLflow run exists.
"""

import fcntl
import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import cast

import torch
from mlflow.entities import Run
from omegaconf import DictConfig, OmegaConf

from ringexp.config.schema import Config
from ringexp.config.validate import typed
from ringexp.errors import ConfigError, RecordError
from ringexp.mixing.schedule import resolve_stages
from ringexp.models.tokenizer import build_tokenizer, load_tokenizer
from ringexp.tasks.data import load_pools, prepare
from ringexp.tasks.workspace import Pipeline, Workspace, say
from ringexp.tracking import provenance
from ringexp.tracking.run import TAG, Record, Store


@contextmanager
def open_workspace(config: Config) -> Iterator[Workspace]:
    """Everything that can be wrong is looked at before an MLflow run is made; then the pipeline's run is opened."""
    torch.set_num_threads(config.trainer.threads)
    pools, dropped = load_pools(config.data)
    if config.run_id is None:
        tokenizer = build_tokenizer(config.model.tokenizer.path, config.model.tokenizer.vocab_size, pools.values())
        data = prepare(pools, dropped, tokenizer, config.data)
        workspace = Workspace(config, data, tokenizer)
        store = Store(config.tracking)
        run, folder = _by_identity(workspace, store)
    else:
        store = Store(config.tracking)
        run = _recorded(store, config.run_id)
        store.experiment_id = run.info.experiment_id  # new stages join the recorded ones
        folder = Path(config.paths.store) / run.data.tags[TAG + "folder"]
        tokenizer = load_tokenizer(str(folder / "tokenizer"))
        workspace = Workspace(config, prepare(pools, dropped, tokenizer, config.data), tokenizer)
        if workspace.tags["data_fingerprint"] != run.data.tags[TAG + "data_fingerprint"]:
            raise ConfigError(f"run_id={config.run_id}: the run's data are not those of data={config.data.name}; "
                              "give the data configuration it was made with")
    folder.mkdir(parents=True, exist_ok=True)
    with _alone(folder):
        status = "FINISHED" if run is None or run.info.status == "RUNNING" else run.info.status
        record = _create(workspace, store, folder) if run is None else store.resume(run)
        workspace.attach(record, folder)
        _describe(workspace)
        try:
            with record.running(status="FINISHED" if config.task.name == "pipeline" else status):
                yield workspace
        finally:
            workspace.close()


@lru_cache(maxsize=1)
def join_workspace(pipeline: Pipeline, rank: int) -> Workspace:
    """The workspace of another rank of the pipeline: the same data, a verifier and an engine of its own, no record."""
    config = typed(cast(DictConfig, OmegaConf.create(pipeline.config)))
    tokenizer = load_tokenizer(str(pipeline.folder / "tokenizer"))
    workspace = Workspace(config, prepare(*load_pools(config.data), tokenizer, config.data), tokenizer)
    workspace.folder, workspace.rank = pipeline.folder, rank
    return workspace


def _by_identity(workspace: Workspace, store: Store) -> tuple[Run | None, Path]:
    """The run of this very configuration, code, lock and data, if there is one; and its folder, or a new one's."""
    config, tags = workspace.config, workspace.tags
    runs = store.find({TAG + "kind": "pipeline", TAG + "identity": tags["identity"]})
    name = f"{config.experiment_name}-s{config.seed}-{tags['identity'][:8]}"
    root = Path(config.paths.store)
    if runs and not config.fresh:
        return runs[0], root / runs[0].data.tags[TAG + "folder"]
    for run in runs:
        store.client.set_tag(run.info.run_id, TAG + "superseded", "true")
    if not runs and store.find({TAG + "kind": "pipeline", TAG + "config_hash": tags["config_hash"]}):
        say("code, lock or data changed since this configuration last ran: this is a new run")
    attempts = (root / (name if n == 1 else f"{name}-{n}") for n in itertools.count(1))
    return None, next(folder for folder in attempts if not folder.exists())


def _create(workspace: Workspace, store: Store, folder: Path) -> Record:
    """The pipeline's new run, with its tags."""
    config = workspace.config
    tags = {TAG + key: value for key, value in workspace.tags.items()}
    name = f"{config.experiment_name} · {config.schedule.name} · {config.algorithm.name} · s{config.seed}"
    return store.create(name, tags | {TAG + "kind": "pipeline", TAG + "folder": folder.name})


def _describe(workspace: Workspace) -> None:
    """Configuration, uncommitted change, parameters, tokenizer: once, also where a kill came between."""
    config, record, folder = workspace.config, workspace.record, workspace.folder
    if record.tags.get(TAG + "described") == "true":
        return
    text = OmegaConf.to_yaml(config)
    (folder / "config.yaml").write_text(text)
    record.log_text(text, "config.yaml")
    if diff := provenance.git_diff():
        record.log_text(diff, "git.diff")
    record.log_parameters({
        "experiment": config.experiment_name, "seed": config.seed, "model": config.model.name,
        "data": config.data.name, "schedule": config.schedule.name, "stages": _stages(config),
        "algorithm": config.algorithm.name,
        "selection": config.selection.name, "token_budget": config.algorithm.token_budget,
        "rl_lr": config.algorithm.optimizer.get("lr"), "rl_steps": config.trainer.max_steps,
        "sft_lr": config.sft.optimizer.get("lr"),
    })  # fmt: skip
    record.log({f"data/{reason}": count for reason, count in workspace.data.dropped.items()}, 0)
    (folder / "tokenizer").mkdir(exist_ok=True)
    workspace.tokenizer.save(folder / "tokenizer")
    record.set_tags({TAG + "described": "true"})


def _stages(config: Config) -> str:
    """The schedule in a line: steps, weights and length limit of every stage."""
    return "; ".join(
        f"{stage.name}: {stage.steps} steps, "
        + " ".join(f"{domain} {weight:.3f}" for domain, weight in stage.weights.items())
        + f", {stage.max_response_tokens} tokens"
        for stage in resolve_stages(config.schedule, config.trainer.max_steps)
    )


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Hold the folder against a second process that runs the same command."""
    with (folder / ".lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RecordError(f"{folder}: another process is running this very pipeline") from None
        yield


def _recorded(store: Store, run_id: str) -> Run:
    """The pipeline run of that id, or the pipeline that a stage's run belongs to."""
    try:
        run = store.client.get_run(run_id)
        if run.data.tags.get(TAG + "kind") == "stage":
            run = store.client.get_run(run.data.tags["mlflow.parentRunId"])
    except Exception as error:
        raise RecordError(f"run_id={run_id}: MLflow at {store.uri} does not know this run") from error
    if TAG + "folder" not in run.data.tags:
        raise RecordError(f"run_id={run_id}: not a pipeline of ringexp")
    return run
