"""Which model difficulty is measured with, and its judged responses."""

import dataclasses
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra.utils import instantiate
from omegaconf import OmegaConf

from ringexp import garbage, seeds
from ringexp.config.schema import Config
from ringexp.errors import ConfigError, RecordError
from ringexp.evaluation.judging import collect
from ringexp.evaluation.run import requests
from ringexp.models.tokenizer import ChatTokenizer, load_tokenizer
from ringexp.records import Group, Prompt, Sampling
from ringexp.rewards.registry import Verifier
from ringexp.rollout.engine import RolloutEngine
from ringexp.rollout.shared import shared_engine
from ringexp.tasks.opening import recorded_run
from ringexp.tasks.workspace import say
from ringexp.tracking import provenance
from ringexp.tracking.run import TAG, Store

KEY = "curation.difficulty.model"


@dataclass(frozen=True)
class Solver:
    """A model's folder with its tokenizer, and what the card says of it."""

    folder: Path
    tokenizer: ChatTokenizer
    lineage: dict[str, Any]


def find_solver(config: Config, store: Store) -> Solver:
    """The model that `curation.difficulty.model` names: a folder, or a recorded pipeline's selected checkpoint.

    Raises ConfigError or RecordError where there is none, or where it cannot hold prompt and response.
    """
    named = str(config.curation.difficulty.model)
    folder, lineage = Path(named), dict[str, Any](path=named)
    if not folder.is_dir():
        try:
            run = recorded_run(store, named)
        except RecordError as error:
            raise ConfigError(f"{KEY}={named}: neither a folder nor a run that MLflow knows ({error})") from error
        place = run.data.tags.get(TAG + "selected_weights")
        if place is None:
            raise RecordError(f"{KEY}={named}: the pipeline has selected no checkpoint yet; finish it first")
        folder, lineage = Path(config.paths.store) / place, {"run_id": run.info.run_id, "weights": place}
    files = sorted(folder.glob("*.safetensors"))
    if not files or not (folder / "config.json").is_file():
        raise ConfigError(f"{KEY}={named}: no model at {folder}: config.json and *.safetensors are needed")
    architecture = json.loads((folder / "config.json").read_text("utf-8"))
    needed, held = _longest(config), architecture.get("max_position_embeddings")
    if held is not None and needed > held:
        raise ConfigError(f"curation.difficulty.max_response_tokens: with data.max_prompt_tokens {needed} tokens, more "
                          f"than the model's {held} positions")  # fmt: skip
    hashes = {path.name: _sha256(path) for path in (folder / "config.json", *files)}
    tokenizer = load_tokenizer(str(folder))
    return Solver(folder, tokenizer, lineage | {"weights_hash": provenance.digest(hashes),
                                                "tokenizer_fingerprint": tokenizer.fingerprint})  # fmt: skip


def _longest(config: Config) -> int:
    """Prompt and response together, in tokens."""
    return int(config.data.max_prompt_tokens + config.curation.difficulty.max_response_tokens)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class Solving:
    """Draws `curation.difficulty.samples` responses to each prompt and judges them (curation.difficulty.Sampler)."""

    def __init__(self, config: Config, solver: Solver, verifier: Verifier) -> None:
        self._config, self._solver, self._verifier = config, solver, verifier
        self._key = provenance.digest([solver.lineage, OmegaConf.to_container(config.rollout.engine),
                                       _longest(config), config.trainer.threads])  # fmt: skip

    def groups(self, prompts: Sequence[Prompt]) -> list[Group | None]:
        """The judged responses to each prompt; None for one longer than `data.max_prompt_tokens`.

        A response's seed depends on the run's seed, the prompt's id and the sample's number alone.
        """
        encoded = [dataclasses.replace(p, token_ids=self._solver.tokenizer.encode_prompt(p)) for p in prompts]
        fitting = [p for p in encoded if len(p.token_ids) <= self._config.data.max_prompt_tokens]
        if not fitting:
            return [None] * len(prompts)
        own = self._config.curation.difficulty
        seed = seeds.derive(self._config.seed, "curate/difficulty")
        engine = shared_engine(self._key, self._start)
        sampling = Sampling(own.temperature, own.max_response_tokens)
        drawn = collect(engine, self._verifier, requests(fitting, own.samples, seed), sampling, own.samples)
        found = iter(drawn.groups)
        return [next(found) if len(p.token_ids) <= self._config.data.max_prompt_tokens else None for p in encoded]

    def _start(self) -> RolloutEngine:
        say("difficulty: starting the rollout engine")
        garbage.keep()
        engine: RolloutEngine = instantiate(self._config.rollout.engine)(
            self._solver.folder, self._solver.tokenizer.decode_many, self._solver.tokenizer.eos_id,
            max_model_len=_longest(self._config), threads=self._config.trainer.threads,
        )  # fmt: skip
        garbage.usual()
        return engine
