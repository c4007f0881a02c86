"""Opening a pipeline: found again by its identity or its run id, described once in MLflow, held by one process.

What can be wrong with configuration and data is looked at before an MLflow run exists.
"""

import fcntl
import itertools
import json
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import cast

import torch
from mlflow.entities import Run
from mlflow.exceptions import MlflowException
from omegaconf import DictConfig, OmegaConf

from ringexp.config.schema import Config
from ringexp.config.validate import typed
from ringexp.curation.card import recorded_source
from ringexp.errors import ConfigError, RecordError
from ringexp.mixing.schedule import resolve_stages
from ringexp.models.tokenizer import load_tokenizer
from ringexp.tasks.data import load_pools, prepare, prepared
from ringexp.tasks.workspace import Pipeline, Workspace
from ringexp.terminal import say
from ringexp.tracking import provenance
from ringexp.tracking.notes import NOTE, About, StageRow, describe_run
from ringexp.tracking.run import TAG, Record, Store
from ringexp.tracking.secrets import scrub, scrub_tree
from ringexp.tracking.views import introduce


@contextmanager
def open_workspace(config: Config, repeats: Run | None = None) -> Iterator[Workspace]:
    """Everything that can be wrong is looked at before an MLflow run is made; then the pipeline's run is opened.

    `repeats` is the pipeline run that this one is to reproduce.
    """
    torch.set_num_threads(config.trainer.threads)
    if config.run_id is None:
        data, tokenizer = prepared(config.data, config.model.tokenizer)
        workspace = Workspace(config, data, tokenizer)
        store = open_store(config)
        run, folder = _by_identity(workspace, store, repeats)
    else:
        pools, dropped = load_pools(config.data)
        store = open_store(config)
        run = recorded_run(store, config.run_id)
        store.experiment_id = run.info.experiment_id  # new stages join the recorded ones
        folder = Path(config.paths.store) / run.data.tags[TAG + "folder"]
        tokenizer = load_tokenizer(str(folder / "tokenizer"))
        workspace = Workspace(config, prepare(pools, dropped, tokenizer, config.data), tokenizer)
        if workspace.tags["data_fingerprint"] != run.data.tags[TAG + "data_fingerprint"]:
            raise ConfigError(f"run_id={config.run_id}: the run's data are not those of data={config.data.name}; "
                              "give the data configuration it was made with")
    folder.mkdir(parents=True, exist_ok=True)
    with alone(folder):
        status = "FINISHED" if run is None or run.info.status == "RUNNING" else run.info.status
        record = _create(workspace, store, folder, repeats) if run is None else store.resume(run)
        if config.trial is not None:
            record.set_tags({TAG + "trial": str(config.trial.number), TAG + "study": config.trial.study})
        workspace.attach(record, folder, config.reuse == "auto" and not config.fresh and repeats is None)
        _describe(workspace)
        try:
            with record.running(status="FINISHED" if config.task.name in ("pipeline", "reproduce") else status):
                yield workspace
        finally:
            workspace.close()


def open_store(config: Config) -> Store:
    """The configured tracking store."""
    store = Store(config.tracking)
    store.say = say
    return store


@lru_cache(maxsize=1)
def join_workspace(pipeline: Pipeline, rank: int) -> Workspace:
    """The workspace of another rank of the pipeline: the same data, a verifier and an engine of its own, no record."""
    config = typed(cast(DictConfig, OmegaConf.create(pipeline.config)))
    tokenizer = load_tokenizer(str(pipeline.folder / "tokenizer"))
    workspace = Workspace(config, prepare(*load_pools(config.data), tokenizer, config.data), tokenizer)
    workspace.folder, workspace.rank = pipeline.folder, rank
    return workspace


def _by_identity(workspace: Workspace, store: Store, repeats: Run | None) -> tuple[Run | None, Path]:
    """The run of this very configuration, code, lock and data, if there is one; and its folder, or a new one's.

    Of reproductions, one that has its verdict is not gone on with.
    """
    config, tags = workspace.config, workspace.tags
    family = _family(config, repeats)
    runs = [run for run in store.find(family | {TAG + "identity": tags["identity"]})
            if repeats is None or TAG + "verdict" not in run.data.tags]  # fmt: skip
    again = "" if repeats is None else "-again"
    name = f"{config.experiment_name}-s{config.seed}-{tags['identity'][:8]}{again}"
    root = Path(config.paths.store)
    if runs and not config.fresh:
        return runs[0], root / runs[0].data.tags[TAG + "folder"]
    for run in runs:
        store.client.set_tag(run.info.run_id, TAG + "superseded", "true")
    if not runs and store.find(family | {TAG + "config_hash": tags["config_hash"]}) and repeats is None:
        say("code, lock or data changed since this configuration last ran: this is a new run")
    attempts = (root / (name if n == 1 else f"{name}-{n}") for n in itertools.count(1))
    return None, next(folder for folder in attempts if not folder.exists())


def _family(config: Config, repeats: Run | None) -> dict[str, str]:
    """The tags by which a run is a pipeline, or repeats a certain one so far."""
    if repeats is None:
        return {TAG + "kind": "pipeline"}
    return {TAG + "kind": "reproduction", TAG + "reproduces": repeats.info.run_id,
            TAG + "steps_compared": str(config.steps or "all")}  # fmt: skip


def _create(workspace: Workspace, store: Store, folder: Path, repeats: Run | None) -> Record:
    """The pipeline's new run, with its tags."""
    config = workspace.config
    tags = {TAG + key: value for key, value in workspace.tags.items()}
    name = run_name(config) + ("" if repeats is None else " · again")
    try:
        introduce(store.client, store.experiment_id, sorted(workspace.data.pools))
        return store.create(name, tags | _family(config, repeats) | {TAG + "folder": folder.name}, config.sweep_run)
    except MlflowException as error:
        reason = scrub(str(error).splitlines()[0])
        raise RecordError(f"tracking.experiment={config.tracking.experiment}: MLflow does not take a new run there "
                          f"({reason})") from error  # fmt: skip


def run_name(config: Config) -> str:
    """What tells runs of an experiment apart: algorithm, seed, mixture of each stage, schedule.

    `c3po s1 m1 | c.55 s.45 · two_stage`; domains by as few of their letters as tell them apart. The UI's legends and
    lists cut a name after some 20 characters, so what differs most often stands first.
    """
    domains = sorted(config.data.pools)
    short = {d: next((d[:n] for n in range(1, len(d)) if sum(e.startswith(d[:n]) for e in domains) == 1), d)
             for d in domains}  # fmt: skip
    mixtures = [" ".join(f"{short[domain]}{_share(weight)}"
                         for domain, weight in stage.weights.items() if weight > 0)
                for stage in resolve_stages(config.schedule, config.trainer.max_steps)]  # fmt: skip
    return f"{config.algorithm.name} s{config.seed} {' | '.join(mixtures)} · {config.schedule.name}"


def _share(weight: float) -> str:
    """`.55`; `1` for the whole."""
    return f"{weight:.2f}".removeprefix("0").removesuffix(".00")


def _describe(workspace: Workspace) -> None:
    """Configuration, uncommitted change, parameters, tokenizer: once, also where a kill came between."""
    config, record, folder = workspace.config, workspace.record, workspace.folder
    if record.tags.get(TAG + "described") == "true":
        return
    text = OmegaConf.to_yaml(OmegaConf.create(scrub_tree(OmegaConf.to_container(cast(DictConfig, config)))))
    (folder / "config.yaml").write_text(text)
    record.log_text(text, "config.yaml")
    if diff := provenance.git_diff():
        record.log_text(scrub(diff), "git.diff")
    record.log_text("\n".join(provenance.distributions()) + "\n", "lock.txt")
    record.log_text(json.dumps(provenance.source_files(), indent=1), "sources.json")
    record.log_text(json.dumps(provenance.hardware(), indent=1), "hardware.json")
    record.log_parameters({
        "experiment": config.experiment_name, "seed": config.seed, "model": config.model.name,
        "data": config.data.name, "schedule": config.schedule.name, "stages": _stages(config),
        "algorithm": config.algorithm.name,
        "selection": config.selection.name, "token_budget": config.algorithm.token_budget,
        "rl_lr": config.algorithm.optimizer.get("lr"), "rl_steps": config.trainer.max_steps,
        "sft_lr": config.sft.optimizer.get("lr"), "overrides": provenance.overrides(),
    })  # fmt: skip
    source = {"name": config.data.name, "path": config.data.path, "files": dict(config.data.files)}
    name, version = recorded_source(config.data.path) or (config.data.name, {})
    record.log_datasets(workspace.data.pools, name, source | version)
    record.log({f"data/{reason}": count for reason, count in workspace.data.dropped.items()}, 0)
    (folder / "tokenizer").mkdir(exist_ok=True)
    workspace.tokenizer.save(folder / "tokenizer")
    record.set_tags({NOTE: describe_run(about(workspace), record.run_id), TAG + "described": "true"})


def about(workspace: Workspace) -> About:
    """What the run's description says from the beginning; the same from whichever command goes on with the run."""
    config, tags = workspace.config, workspace.record.tags
    begun_by = workspace.store.client.get_run(workspace.record.run_id).data.params.get("overrides", "")
    stages = [StageRow(stage.name, stage.steps, stage.weights, stage.max_response_tokens)
              for stage in resolve_stages(config.schedule, config.trainer.max_steps)]  # fmt: skip
    return About(config.experiment_name, config.seed, config.algorithm.name, config.selection.name, stages,
                 overrides=begun_by, commit=tags[TAG + "git_commit"],
                 dirty=tags[TAG + "git_dirty"] == "true", reproduces=tags.get(TAG + "reproduces"))  # fmt: skip


def _stages(config: Config) -> str:
    """The schedule in a line: steps, weights and length limit of every stage."""
    return "; ".join(
        f"{stage.name}: {stage.steps} steps, "
        + " ".join(f"{domain} {weight:.3f}" for domain, weight in stage.weights.items())
        + f", {stage.max_response_tokens} tokens"
        for stage in resolve_stages(config.schedule, config.trainer.max_steps)
    )


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Hold the folder against a second process that runs the same command."""
    with (folder / ".lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RecordError(f"{folder}: another process is at this very run") from None
        yield


def recorded_run(store: Store, run_id: str, named: str = "run_id") -> Run:
    """The pipeline run of that id, or the pipeline that a stage's run belongs to; `named` is the key that gives it."""
    try:
        run = store.client.get_run(run_id)
        if run.data.tags.get(TAG + "kind") == "stage":
            run = store.client.get_run(run.data.tags["mlflow.parentRunId"])
    except Exception as error:
        raise RecordError(f"{named}={run_id}: MLflow at {store.uri} does not know this run") from error
    if TAG + "folder" not in run.data.tags:
        raise RecordError(f"{named}={run_id}: not a pipeline of ringexp")
    return run
