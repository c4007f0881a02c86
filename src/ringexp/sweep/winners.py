"""The best trials of a search run again: over seeds that it has not seen, beside baselines, as a study of its own.

That study is a grid of candidates and seeds, so workers, resume, retries and failures are those of every study. What it
runs are the jobs of the search with `hydra.sweeper.winners.overrides`; how they came out is told by `standings`.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import optuna
from omegaconf import OmegaConf
from optuna.distributions import CategoricalDistribution
from optuna.samplers import RandomSampler
from optuna.trial import TrialState

from ringexp.errors import ConfigError
from ringexp.sweep import storage
from ringexp.sweep.claims import counted, in_state
from ringexp.sweep.grammar import leaves
from ringexp.sweep.jobs import Jobs
from ringexp.sweep.progress import ranked
from ringexp.sweep.search import Parameter, Point, Search
from ringexp.sweep.settings import KEY, Settings
from ringexp.sweep.study import SEARCH, differences, fixed
from ringexp.terminal import say

CANDIDATE, SEED = "candidate", "seed"
"""Parameters of the winners' study; SEED is a key of the configuration too."""

WINNERS = "ringexp.winners"
"""User attribute of the winners' study: the search's name (`source`), the `seeds`, and by `candidates`' names the value
that the search has found (null for a baseline)."""

AS_CONFIGURED = "default"
HERE = f"{KEY}.winners"


@dataclass(frozen=True)
class Candidate:
    """What is run again: its names, its overrides, the values that the search found, of a baseline none."""

    names: tuple[str, ...]
    overrides: tuple[str, ...]
    searched: tuple[float, ...] = ()

    @property
    def name(self) -> str:
        """All its names: a trial may be a baseline."""
        return " = ".join(self.names)


@dataclass(frozen=True)
class Runs(Search):
    """The grid of candidates and seeds as a search space; `source` names the study they come from."""

    candidates: tuple[Candidate, ...]
    seeds: tuple[int, ...]
    source: str

    def overrides(self, point: Point) -> list[str]:
        """Those of the candidate, and the seed."""
        (candidate,) = [own for own in self.candidates if own.name == point[CANDIDATE]]
        return [*candidate.overrides, f"{SEED}={point[SEED]}"]

    def points(self) -> list[dict[str, Any]]:
        """The first candidate with every seed, then the others seed by seed.

        Candidates share what comes before RL, which a seed's first run trains: workers that all began with one seed
        would wait for one of them.
        """
        first, *others = self.candidates
        pairs = [(first, seed) for seed in self.seeds] + [(own, seed) for seed in self.seeds for own in others]
        return [{CANDIDATE: own.name, SEED: seed} for own, seed in pairs]

    def digest(self) -> str:
        """What tells these runs from others of the same search."""
        what = [[[own.name, own.overrides] for own in self.candidates], self.seeds, self.fixed]
        return hashlib.sha256(json.dumps(what).encode()).hexdigest()[:8]


def source(given: Settings, url: str, name: str, jobs: Jobs) -> optuna.Study:
    """The search that has been run. Raises ConfigError where there is none, or another one."""
    where = f"{KEY}.study_name={name}"
    study = None
    if storage.is_there(url):
        kept = storage.open_storage(url)
        known = [found.study_name for found in kept.get_all_studies()]
        study = optuna.load_study(study_name=name, storage=kept, sampler=RandomSampler()) if name in known else None
    if study is None or SEARCH not in study.user_attrs:
        raise ConfigError(f"{where}: no such sweep in the storage; run it first, by this command without {HERE}.n")
    if found := differences(study, given, jobs.search, jobs.compose()):
        raise ConfigError(f"{where}: the sweep that was run is another one: {'; '.join(found)}. Give its command and "
                          f"{HERE}.n; what shall differ in the winners' runs goes into {HERE}.overrides")  # fmt: skip
    return study


def choose(given: Settings, study: optuna.Study, jobs: Jobs) -> Runs:
    """The baselines and the best trials, composed once each; those that are the same run are one candidate.

    Raises ConfigError where the study has too few trials, a seed is its own, or a baseline cannot be; Hydra's errors
    for an override that does not fit.
    """
    wanted = given.winners
    trials = study.get_trials(deepcopy=False)
    best = ranked(trials, study.direction)[: wanted.n]
    if len(best) < wanted.n:
        raise ConfigError(f"{HERE}.n={wanted.n}: {study.study_name} has {len(best)} complete trials that keep their "
                          "constraints; go on with the sweep, or ask for fewer")  # fmt: skip
    running = len(in_state(trials, TrialState.RUNNING))
    if running or len(counted(trials)) < given.n_trials:
        say(f"warning: {study.study_name} is not at its end ({len(counted(trials))} of {given.n_trials} trials done, "
            f"{running} running): the winners are those so far")  # fmt: skip
    seeds = _seeds(given, jobs)
    found = [Candidate((_name(entry),), tuple(_baseline(jobs, entry))) for entry in wanted.baselines]
    found += [Candidate((f"trial {trial.number}",), tuple(jobs.search.overrides(trial.params)), (trial.value or 0.0,))
              for trial in best]  # fmt: skip
    own = tuple(leaves(wanted.overrides))
    candidates = _merged(found, jobs, [*own, f"{SEED}={seeds[0]}"])
    grid = (_choice(CANDIDATE, [one.name for one in candidates]), _choice(SEED, seeds))
    return Runs(grid, (*jobs.search.fixed, *own), candidates, seeds, study.study_name)


def note(url: str, name: str, runs: Runs) -> None:
    """Write down in the winners' study what it is about."""
    candidates = {own.name: own.searched[0] if own.searched else None for own in runs.candidates}
    study = optuna.load_study(study_name=name, storage=storage.open_storage(url), sampler=RandomSampler())
    study.set_user_attr(WINNERS, {"source": runs.source, "seeds": runs.seeds, "candidates": candidates})


def _seeds(given: Settings, jobs: Jobs) -> tuple[int, ...]:
    """Seeds that the search has not looked at."""
    if any(parameter.key == SEED for parameter in jobs.search.parameters):
        raise ConfigError(f"{HERE}: this sweep searches the {SEED} itself, so nothing is left to repeat")
    own, asked = OmegaConf.select(jobs.compose(), SEED), given.winners.seeds
    if isinstance(asked, int):
        return tuple(seed for seed in range(1, asked + 2) if seed != own)[:asked]
    if own in asked:
        raise ConfigError(f"{HERE}.seeds={list(asked)}: {own} is the seed of the search; give others")
    return tuple(asked)


def _name(entry: Mapping[str, Any] | str) -> str:
    return entry if isinstance(entry, str) else " ".join(f"{key}={value}" for key, value in entry.items())


def _baseline(jobs: Jobs, entry: Mapping[str, Any] | str) -> list[str]:
    """A baseline's overrides; what a point leaves out is as configured."""
    point = {} if entry == AS_CONFIGURED else jobs.search.check(jobs.point(entry), f"{HERE}.baselines")
    return [parameter.text(point[parameter.key]) for parameter in jobs.search.parameters if parameter.key in point]


def _merged(found: Sequence[Candidate], jobs: Jobs, overrides: Sequence[str]) -> tuple[Candidate, ...]:
    """One candidate of those that compose to the same job."""
    alike: dict[tuple[tuple[str, str], ...], Candidate] = {}
    for own in found:
        key = tuple(sorted(fixed(jobs.compose(*overrides, *own.overrides)).items()))
        same = alike.get(key, Candidate((), own.overrides))
        alike[key] = Candidate((*same.names, *own.names), same.overrides, (*same.searched, *own.searched))
    return tuple(alike.values())


def _choice(key: str, values: Sequence[Any]) -> Parameter:
    return Parameter(key, CategoricalDistribution(tuple(values)))
