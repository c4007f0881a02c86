"""Where a teacher's weights and tokenizer lie: a recorded pipeline's checkpoint, or any folder with a model."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlflow.entities import Run

from ringexp.config.schema import Config
from ringexp.errors import ConfigError, RecordError, StorageError
from ringexp.models.registry import register
from ringexp.models.tokenizer import ChatTokenizer, load_tokenizer
from ringexp.tasks.opening import recorded_run
from ringexp.tracking import provenance
from ringexp.tracking.run import TAG, Store
from ringexp.training.checkpoint import CHECKSUMS, damaged

POINTERS = {"rl": "last_weights", "sft": "selected_weights", "best": "best_weights"}
"""Tags of a finished pipeline that lead to its weights, by `distillation.teacher.checkpoint`."""


@dataclass(frozen=True)
class Teacher:
    """A model's folder, its tokenizer, and for the card: which one it is, by run and checkpoint or by path, by hash."""

    folder: Path
    tokenizer: ChatTokenizer
    lineage: Mapping[str, Any]

    @property
    def fingerprint(self) -> str:
        """SHA-256 over the names and bytes of the model's files."""
        return str(self.lineage["weights_hash"])


def find_teacher(config: Config, store: Store) -> Teacher:
    """The configured teacher, its files looked at and hashed.

    Raises ConfigError, RecordError or StorageError where there is none, or where it is damaged.
    """
    chosen = config.distillation.teacher
    if (chosen.run_id is None) == (chosen.path is None):
        raise ConfigError("distillation.teacher: give run_id=<a recorded pipeline> or path=<a model's folder>, one of "
                          "them")  # fmt: skip
    if chosen.run_id is not None:
        folder, lineage = _recorded(config, store, chosen.run_id)
        key = f"distillation.teacher.run_id={chosen.run_id}"
    else:
        folder, lineage = Path(str(chosen.path)), {"path": chosen.path}
        key = f"distillation.teacher.path={chosen.path}"
    weights = sorted(folder.glob("*.safetensors"))
    if not weights or not (folder / "config.json").is_file():
        raise ConfigError(f"{key}: no model at {folder}: config.json and *.safetensors are needed")
    if (folder / CHECKSUMS).is_file() and (damage := damaged(folder)) is not None:
        raise StorageError(f"{key}: checkpoint {folder} is damaged ({damage}): take it from a copy")
    register()  # transformers looks at the model's type, ours among them
    tokenizer = load_tokenizer(str(folder), key.partition("=")[0])
    model = json.loads((folder / "config.json").read_text())
    needed = config.data.max_prompt_tokens + config.distillation.max_response_tokens
    if needed > model.get("max_position_embeddings", needed):
        raise ConfigError(f"distillation.max_response_tokens={config.distillation.max_response_tokens}: with "
                          f"data.max_prompt_tokens={config.data.max_prompt_tokens} more than the teacher's "
                          f"{model['max_position_embeddings']} positions")  # fmt: skip
    files = {path.name: _sha256(path) for path in [folder / "config.json", *weights]}
    known = {"architecture": model.get("architectures"), "weights_hash": provenance.digest(files),
             "tokenizer_fingerprint": tokenizer.fingerprint}  # fmt: skip
    return Teacher(folder, tokenizer, lineage | known)


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


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
