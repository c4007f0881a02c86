"""A model that lies in a folder: looked at before anything is drawn from it, hashed for the card."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from ringexp.config.schema import Config
from ringexp.errors import ConfigError, StorageError
from ringexp.models.registry import register
from ringexp.models.tokenizer import ChatTokenizer, load_tokenizer
from ringexp.rollout.engine import RolloutEngine
from ringexp.rollout.shared import shared_engine
from ringexp.tasks.workspace import start_engine
from ringexp.tracking import provenance
from ringexp.training.checkpoint import CHECKSUMS, damaged


@dataclass(frozen=True)
class SavedModel:
    """A model's folder, its tokenizer, the longest prompt and response in tokens that are to be drawn from it.

    `lineage` says which one it is: by run and checkpoint or by path, and by the SHA-256 of its files.
    """

    folder: Path
    tokenizer: ChatTokenizer
    longest: int
    lineage: Mapping[str, Any]

    def engine(self, config: Config) -> RolloutEngine:
        """The configured rollout engine with its weights, started on first use."""
        engine: Any = OmegaConf.to_container(config.rollout.engine)
        key = provenance.digest([dict(self.lineage), self.longest, engine, config.trainer.threads])
        return shared_engine(key, lambda: start_engine(config, self.folder, self.tokenizer, self.longest))


def saved_model(
    key: str, folder: Path, origin: Mapping[str, Any], response: tuple[str, int], prompt: int
) -> SavedModel:
    """The model in a folder, which is to answer prompts of `prompt` tokens by `response` (key, tokens).

    `key` is the option that names it, with its value; `origin` begins the lineage. Raises ConfigError where there is
    no model, tokenizer or room for the tokens, StorageError where a checkpoint is damaged.
    """
    weights = sorted(folder.glob("*.safetensors"))
    if not weights or not (folder / "config.json").is_file():
        raise ConfigError(f"{key}: no model at {folder}: config.json and *.safetensors are needed")
    if (folder / CHECKSUMS).is_file() and (damage := damaged(folder)) is not None:
        raise StorageError(f"{key}: checkpoint {folder} is damaged ({damage}): take it from a copy")
    register()  # transformers looks at the model's type, ours among them
    tokenizer = load_tokenizer(str(folder), key.partition("=")[0])
    model = json.loads((folder / "config.json").read_text("utf-8"))
    longest, held = prompt + response[1], model.get("max_position_embeddings")
    if held is not None and longest > held:
        raise ConfigError(f"{response[0]}={response[1]}: with data.max_prompt_tokens={prompt} more than the {held} "
                          f"positions of {key}")  # fmt: skip
    hashes = {path.name: _sha256(path) for path in (folder / "config.json", *weights)}
    known = {"architecture": model.get("architectures"), "weights_hash": provenance.digest(hashes),
             "tokenizer_fingerprint": tokenizer.fingerprint}  # fmt: skip
    return SavedModel(folder, tokenizer, longest, {**origin, **known})


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
