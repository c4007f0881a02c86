"""task=reproduce: run a recorded pipeline again, from nothing but its record, and compare every curve.

The configuration comes from the record, single values may be overridden (and are then named as a difference). The new
run is of kind `reproduction`, so that nothing takes it for the pipeline it repeats.
"""

import json
from pathlib import Path
from typing import Any, cast

from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from mlflow.entities import Run
from omegaconf import DictConfig, OmegaConf

from ringexp.config.schema import Config
from ringexp.config.validate import typed, validate
from ringexp.errors import ConfigError, RecordError
from ringexp.stopping import StepsDone
from ringexp.sweep.trial import handle
from ringexp.tasks.opening import open_store, open_workspace, recorded_run
from ringexp.tasks.pipeline import recipe
from ringexp.tasks.summary import conclude
from ringexp.tasks.watching import Watch
from ringexp.tasks.workspace import Workspace
from ringexp.terminal import say
from ringexp.tracking import provenance
from ringexp.tracking.comparison import Comparison, Curves, Verdict, compare
from ringexp.tracking.run import TAG, Store
from ringexp.tracking.secrets import HIDDEN

STATUS = {Verdict.IDENTICAL: 0, Verdict.WITHIN_TOLERANCE: 3, Verdict.DIFFERENT: 4}
"""Exit status of the command."""

OF_THIS_COMMAND = ("task", "paths", "tracking", "progress", "steps")
"""What a reproduction takes from the command and not from the record."""


def run(config: Config) -> int:
    """Say what differs now, run again, compare, record the verdict on both runs. Gives the exit status."""
    if config.run_id is None:
        raise ConfigError("run_id: name the run to reproduce, e.g. run_id=<id>")
    store = open_store(config)
    recorded = recorded_run(store, config.run_id)
    store.experiment_id = recorded.info.experiment_id
    if recorded.info.status != "FINISHED" and config.steps is None:
        raise RecordError(f"run_id={config.run_id}: the run is {recorded.info.status}, so its end cannot be compared; "
                          "give steps=<so many as it has>")  # fmt: skip
    rebuilt = rebuild(store, recorded, config)
    with open_workspace(rebuilt, repeats=recorded) as workspace:
        for line in differences(store, recorded, workspace) or ["differs now: nothing that the record knows of"]:
            print(line, flush=True)
        try:
            recipe(workspace, Watch(workspace, handle(None)))
            conclude(workspace)
        except StepsDone:
            say(f"stopped after step {config.steps}, as asked")
        workspace.record.drain()
        comparison = compare(curves(store, recorded), curves(store, store.client.get_run(workspace.record.run_id)),
                             config.steps)  # fmt: skip
        _record(store, recorded, workspace, comparison)
    print(words(comparison))
    return STATUS[comparison.verdict]


def rebuild(store: Store, recorded: Run, config: Config) -> Config:
    """The recorded configuration, with this command's own place, tracking and single overrides.

    Raises ConfigError for an override of a whole group, and where the record does not fit today's schema.
    """
    path = store.client.download_artifacts(recorded.info.run_id, "config.yaml")
    tree = cast(DictConfig, OmegaConf.load(path))
    now = cast(DictConfig, config)
    for key in OF_THIS_COMMAND:
        tree[key] = OmegaConf.select(now, key)
    tree.fresh, tree.run_id, tree.reuse, tree.trial, tree.sweep_run = False, None, "never", None, None
    tree.tracking.experiment = store.client.get_experiment(recorded.info.experiment_id).name
    for key in overridden(now):
        OmegaConf.update(tree, key, OmegaConf.select(now, key), merge=False)
    _fill_hidden(tree, now)
    try:
        rebuilt = typed(tree)
    except Exception as error:
        raise ConfigError(f"run_id={recorded.info.run_id}: its configuration does not fit this version of ringexp: "
                          f"{' '.join(str(error).split())}. Check out commit "
                          f"{recorded.data.tags.get(TAG + 'git_commit')}") from error  # fmt: skip
    validate(rebuilt)
    return rebuilt


def overridden(now: DictConfig) -> list[str]:
    """The keys of single values that the command line sets, apart from those that are this command's own.

    Raises ConfigError for a group.
    """
    if not HydraConfig.initialized():
        return []
    parsed = OverridesParser.create().parse_overrides(list(HydraConfig.get().overrides.task))
    keys = [override.key_or_group for override in parsed]
    own = [key for key in keys if key.split(".")[0] not in (*OF_THIS_COMMAND, "run_id", "fresh", "hydra")]
    for key in own:
        if "." not in key and not isinstance(OmegaConf.select(now, key.replace("/", ".")), str | int | float):
            raise ConfigError(f"{key}: task=reproduce takes {key} from the record; change single values, e.g. seed=5")
    return own


def _fill_hidden(tree: DictConfig, now: DictConfig) -> None:
    """What the record hides, because it was a secret, is what it is today."""
    for key, value in flat(OmegaConf.to_container(tree)).items():
        if isinstance(value, str) and HIDDEN in value:
            OmegaConf.update(tree, key, OmegaConf.select(now, key))


def flat(tree: Any, key: str = "") -> dict[str, Any]:
    """A tree's leaves by their dotted keys."""
    children = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else None
    if children is None:
        return {key: tree}
    return {k: v for name, child in children for k, v in flat(child, f"{key}.{name}".removeprefix(".")).items()}


def differences(store: Store, recorded: Run, workspace: Workspace) -> list[str]:
    """What is not as it was recorded: a line each for configuration, code, installed versions, data, hardware."""
    tags = recorded.data.tags
    then = cast(DictConfig, OmegaConf.load(store.client.download_artifacts(recorded.info.run_id, "config.yaml")))
    found = [f"configuration: {line}" for line in _changes(
        flat(provenance.identity_config(then)), flat(provenance.identity_config(workspace.config)))]
    code = _changes(_json(store, recorded, "sources.json"), provenance.source_files(), values=False)
    commit = tags.get(TAG + "git_commit", "unknown")
    found += [f"code: {line} (recorded at commit {commit[:12]})" for line in code]
    then_installed, installed = (dict(line.split("==", 1) for line in lines) for lines in
                                 (_text(store, recorded, "lock.txt").split(), provenance.distributions()))  # fmt: skip
    found += [f"installed: {line}" for line in _changes(then_installed, installed)]
    for what in ("data_fingerprint", "tokenizer_fingerprint", "version.python", "image_digest"):
        old, new = tags.get(TAG + what), workspace.tags.get(what)
        found += [f"{what.replace('_', ' ')}: {old} then, {new} now"] if old != new else []
    found += [f"hardware: {line}" for line in _changes(_json(store, recorded, "hardware.json"), provenance.hardware())]
    return [f"differs now: {line}" for line in found]


def _changes(then: dict[str, Any], now: dict[str, Any], values: bool = True) -> list[str]:
    """The keys whose values are not equal, with both values or, of files, in what way."""
    changed = sorted(key for key in {*then, *now} if then.get(key) != now.get(key))
    if values:
        return [f"{key} {then.get(key)} then, {now.get(key)} now" for key in changed]
    return [f"{key} {'is new' if key not in then else 'is gone' if key not in now else 'changed'}" for key in changed]


def _text(store: Store, recorded: Run, file: str) -> str:
    try:
        return Path(store.client.download_artifacts(recorded.info.run_id, file)).read_text(encoding="utf-8")
    except Exception as error:
        raise RecordError(f"run_id={recorded.info.run_id}: the record has no {file}, so it was made by a version that "
                          "could not be reproduced") from error  # fmt: skip


def _json(store: Store, recorded: Run, file: str) -> dict[str, Any]:
    tree: dict[str, Any] = json.loads(_text(store, recorded, file))
    return tree


def curves(store: Store, pipeline: Run) -> Curves:
    """Every curve of a pipeline and of its own stages; of stages of one name the one that was begun first."""
    runs = {"pipeline": pipeline}
    for stage in store.find({"mlflow.parentRunId": pipeline.info.run_id, TAG + "kind": "stage"}):  # newest first
        runs[stage.data.tags[TAG + "stage"]] = stage
    return {
        (name, key): {point.step: point.value for point in store.client.get_metric_history(run.info.run_id, key)}
        for name, run in runs.items() for key in run.data.metrics
    }  # fmt: skip


def _record(store: Store, recorded: Run, workspace: Workspace, comparison: Comparison) -> None:
    """The verdict on both runs."""
    about = {TAG + "verdict": str(comparison.verdict), TAG + "verdict_about": words(comparison)}
    workspace.record.set_tags(about)
    for key, value in (about | {TAG + "reproduced_by": workspace.record.run_id}).items():
        store.client.set_tag(recorded.info.run_id, key, value)


def words(comparison: Comparison) -> str:
    """The verdict in a line."""
    begins = f"; {comparison.unequal} not bitwise equal, the first at {comparison.first}" if comparison.unequal else ""
    return f"{comparison.verdict}: {comparison.curves} curves, {comparison.points} points{begins}"
