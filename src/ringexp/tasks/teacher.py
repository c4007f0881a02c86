"""Which model the teacher is: a recorded pipeline's checkpoint, or any folder with a model."""

from pathlib import Path
from typing import Any

from mlflow.entities import Run

from ringexp.config.schema import Config
from ringexp.errors import ConfigError, RecordError
from ringexp.tasks.opening import recorded_run
from ringexp.tasks.saved_model import SavedModel, saved_model
from ringexp.tracking.run import TAG, Store

POINTERS = {"rl": "last_weights", "sft": "selected_weights", "best": "best_weights"}
"""Tags of a finished pipeline that lead to its weights, by `distillation.teacher.checkpoint`."""


def find_teacher(config: Config, store: Store) -> SavedModel:
    """The configured teacher. Raises RecordError where the run has no such weights, or what `saved_model` raises."""
    settings = config.distillation
    run_id, path = settings.teacher.run_id, settings.teacher.path
    response = ("distillation.max_response_tokens", settings.max_response_tokens)
    if run_id is not None and path is None:
        folder, lineage = _recorded(config, store, run_id)
        key = f"distillation.teacher.run_id={run_id}"
        return saved_model(key, folder, lineage, response, config.data.max_prompt_tokens)
    if path is not None and run_id is None:
        key = f"distillation.teacher.path={path}"
        return saved_model(key, Path(path), {"path": path}, response, config.data.max_prompt_tokens)
    raise ConfigError("distillation.teacher: give run_id=<a recorded pipeline> or path=<a model's folder>, one of them")


def _recorded(config: Config, store: Store, run_id: str) -> tuple[Path, dict[str, Any]]:
    """Folder and lineage of a recorded pipeline's checkpoint."""
    run, checkpoint = recorded_run(store, run_id, "distillation.teacher.run_id"), config.distillation.teacher.checkpoint
    place = _weights(store, run, checkpoint)
    tags, parameters = run.data.tags, run.data.params
    return Path(config.paths.store) / place, {
        "run_id": run.info.run_id, "checkpoint": checkpoint, "weights": place,
        "experiment": parameters.get("experiment"), "model": parameters.get("model"), "seed": parameters.get("seed"),
        "config_hash": tags.get(TAG + "config_hash"), "git_commit": tags.get(TAG + "git_commit"),
        "data_fingerprint": tags.get(TAG + "data_fingerprint"),
    }  # fmt: skip


def _weights(store: Store, run: Run, checkpoint: str) -> str:
    """Where the checkpoint's weights lie, below the store. Raises RecordError where the run has none by that name."""
    if checkpoint in POINTERS and TAG + POINTERS[checkpoint] in run.data.tags:
        return str(run.data.tags[TAG + POINTERS[checkpoint]])
    found: dict[str, str] = {}
    stages = {"mlflow.parentRunId": run.info.run_id, TAG + "kind": "stage"}
    for stage in store.find(stages, run.info.experiment_id):  # of two of one name the one begun first
        tags = stage.data.tags
        place = tags.get(TAG + "weights", tags.get(TAG + "selected_path"))
        if stage.info.status == "FINISHED" and place is not None:
            found["sft" if tags[TAG + "stage"] == "select" else tags[TAG + "stage"]] = place
    if checkpoint not in found:
        named = [*(name for name, tag in POINTERS.items() if TAG + tag in run.data.tags), *found]
        raise RecordError(f"distillation.teacher.checkpoint={checkpoint}: the run has no such weights; it has "
                          f"{', '.join(dict.fromkeys(named)) or 'none: its selection is not finished'}")  # fmt: skip
    return found[checkpoint]
