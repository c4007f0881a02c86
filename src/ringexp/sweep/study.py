"""The study behind a sweep: its name, made once or joined, refused where it is another one's."""

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import optuna
from optuna.samplers import RandomSampler
from optuna.study import StudyDirection

from ringexp.errors import ConfigError
from ringexp.sweep import storage
from ringexp.sweep.search import Search
from ringexp.sweep.settings import KEY, Settings
from ringexp.sweep.trial import PRUNER, WARMUP

SEARCH, SEED = "ringexp.search", "ringexp.seed"
"""User attributes of the study: the space in words, and the seed of a sampler that was given none."""


def name_of(given: Settings, search: Search) -> str:
    """The study's name; without one, a hash of what is searched and what is fixed, so that the same command resumes."""
    if given.study_name is not None:
        if not re.fullmatch(r"[\w.-]+", given.study_name):
            raise ConfigError(f"{KEY}.study_name={given.study_name}: letters, digits, '.', '_' and '-' only")
        return given.study_name
    what = json.dumps([search.described(), search.fixed, given.direction])
    return f"sweep-{hashlib.sha256(what.encode()).hexdigest()[:8]}"


def open_study(url: str, name: str, given: Settings, search: Search, seed: int | None, pruner: Mapping[str, Any]
               ) -> int:  # fmt: skip
    """Make the study or join it; the seed of its draws. Raises ConfigError where it is another one's."""
    with storage.locked(url, name):
        direction = StudyDirection[given.direction.upper()]
        study = optuna.create_study(study_name=name, storage=storage.open_storage(url), direction=direction,
                                    load_if_exists=True, sampler=RandomSampler())  # fmt: skip
        if SEARCH not in study.user_attrs:
            if study.get_trials(deepcopy=False):
                raise ConfigError(f"{KEY}.study_name={name}: this study was not made by ringexp; give another name")
            seeds = np.random.SeedSequence().generate_state(1)
            study.set_user_attr(SEED, int(seeds[0]))
            study.set_user_attr(SEARCH, search.described())
        was = {"direction": study.direction.name.lower()} | study.user_attrs[SEARCH]
        if found := _differences(was, {"direction": given.direction} | search.described()):
            raise ConfigError(f"{KEY}.study_name={name}: the study in the storage is another one: {'; '.join(found)}. "
                              "Give another study_name")  # fmt: skip
        study.set_user_attr(PRUNER, dict(pruner))
        study.set_user_attr(WARMUP, given.warmup)
        asked = given.seed if seed is None else seed
        return int(study.user_attrs[SEED]) if asked is None else asked


def _differences(was: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """What differs between two described spaces, a phrase each."""
    keys = list(dict.fromkeys([*was, *now]))
    return [f"{key} was {was.get(key, 'not searched')} and is {now.get(key, 'not searched')}"
            for key in keys if was.get(key) != now.get(key)]  # fmt: skip
