"""Which model difficulty is measured with, and its judged responses."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ringexp import seeds
from ringexp.config.schema import Config
from ringexp.errors import ConfigError, RecordError
from ringexp.evaluation.judging import collect
from ringexp.evaluation.run import requests
from ringexp.records import Group, Prompt, Sampling
from ringexp.rewards.registry import Verifier
from ringexp.tasks.opening import recorded_run
from ringexp.tasks.saved_model import SavedModel, saved_model
from ringexp.tracking.run import TAG, Store

KEY = "curation.difficulty.model"


def find_solver(config: Config, store: Store) -> SavedModel:
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
    response = ("curation.difficulty.max_response_tokens", config.curation.difficulty.max_response_tokens)
    return saved_model(f"{KEY}={named}", folder, lineage, response, config.data.max_prompt_tokens)


class Solving:
    """Draws `curation.difficulty.samples` responses to each prompt and judges them (curation.difficulty.Sampler)."""

    def __init__(self, config: Config, solver: SavedModel, verifier: Verifier) -> None:
        self._config, self._solver, self._verifier = config, solver, verifier

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
        engine = self._solver.engine(self._config)
        sampling = Sampling(own.temperature, own.max_response_tokens)
        drawn = collect(engine, self._verifier, requests(fitting, own.samples, seed), sampling, own.samples)
        found = iter(drawn.groups)
        return [next(found) if len(p.token_ids) <= self._config.data.max_prompt_tokens else None for p in encoded]
