"""The study behind a sweep: its name, made once or joined, refused where it is another one's."""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, cast

import numpy as np
import optuna
from omegaconf import DictConfig, OmegaConf
from optuna.samplers import RandomSampler
from optuna.study import StudyDirection

from ringexp.errors import ConfigError
from ringexp.sweep import storage
from ringexp.sweep.search import Search
from ringexp.sweep.settings import KEY, Settings
from ringexp.sweep.trial import PRUNER, WARMUP
from ringexp.tracking.secrets import scrub

SEARCH, SEED, FIXED = "ringexp.search", "ringexp.seed", "ringexp.configuration"
"""User attributes of the study: the space in words, the seed of a sampler that was given none, what is not searched."""

OF_A_COMMAND = ("hydra", "paths", "tracking", "progress", "task")
"""Keys of a configuration that may differ between the commands of one study."""


def name_of(given: Settings, search: Search) -> str:
    """The study's name; without one, a hash of what is searched and what is fixed, so that the same command resumes."""
    if given.study_name is not None:
        if not re.fullmatch(r"[\w.-]+", given.study_name):
            raise ConfigError(f"{KEY}.study_name={given.study_name}: letters, digits, '.', '_' and '-' only")
        return given.study_name
    what = json.dumps([search.described(), search.fixed, given.direction])
    return f"sweep-{hashlib.sha256(what.encode()).hexdigest()[:8]}"


def fixed(job: DictConfig) -> dict[str, str]:
    """The leaves of a job's configuration by their keys, interpolations as they stand."""
    tree = cast(dict[str, Any], OmegaConf.to_container(job, resolve=False))
    return dict(_leaves({key: value for key, value in tree.items() if key not in OF_A_COMMAND}, ""))


def _leaves(node: Any, key: str) -> Iterator[tuple[str, str]]:
    if isinstance(node, dict):
        for name, child in node.items():
            yield from _leaves(child, f"{key}.{name}".removeprefix("."))
    else:
        yield key, scrub(str(node))


def open_study(
    url: str, name: str, given: Settings, search: Search, seed: int | None, pruner: Mapping[str, Any], job: DictConfig
) -> int:
    """Make the study or join it; the seed of its draws. `job` is the configuration of a trial but for its point.

    Raises ConfigError where the study is another one's: another space, direction or configuration.
    """
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
            study.set_user_attr(FIXED, fixed(job))
        if found := differences(study, given, search, job):
            raise ConfigError(f"{KEY}.study_name={name}: the study in the storage is another one: {'; '.join(found)}. "
                              "Give another study_name")  # fmt: skip
        study.set_user_attr(PRUNER, dict(pruner))
        study.set_user_attr(WARMUP, given.warmup)
        asked = given.seed if seed is None else seed
        return int(study.user_attrs[SEED]) if asked is None else asked


def differences(study: optuna.Study, given: Settings, search: Search, job: DictConfig) -> list[str]:
    """In what a study of ours differs from a command's: direction, space, configuration; a phrase each."""
    was = {"direction": study.direction.name.lower()} | study.user_attrs[SEARCH]
    found = _differences(was, {"direction": given.direction} | search.described(), "not searched")
    return found + _differences(study.user_attrs[FIXED], fixed(job), "not there")


def _differences(was: Mapping[str, str], now: Mapping[str, str], absent: str) -> list[str]:
    """What differs, a phrase each."""
    keys = list(dict.fromkeys([*was, *now]))
    return [f"{key} was {was.get(key, absent)} and is {now.get(key, absent)}"
            for key in keys if was.get(key) != now.get(key)]  # fmt: skip
