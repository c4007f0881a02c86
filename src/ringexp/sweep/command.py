"""What `hydra.sweeper` asks for: its study opened and worked on, or the winners of that study run again."""

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

import optuna
from hydra.core.config_loader import ConfigLoader
from hydra.plugins.launcher import Launcher
from omegaconf import DictConfig
from optuna.exceptions import ExperimentalWarning, StorageInternalError
from sqlalchemy.exc import SQLAlchemyError

from ringexp.errors import ConfigError, StorageError
from ringexp.sweep import choices, progress, standings, storage, winners
from ringexp.sweep.claims import Claims, Plan
from ringexp.sweep.grammar import leaves, parse
from ringexp.sweep.jobs import Jobs
from ringexp.sweep.launching import Crew, Foreman
from ringexp.sweep.loop import Words, Worker
from ringexp.sweep.settings import KEY, Settings
from ringexp.sweep.study import name_of, open_study

SEARCH = Words(lambda trial: "", progress.show, "another study_name")
WINNERS = Words(standings.about, standings.show, "other seeds")

Work = Callable[[Settings, str, Plan, Words], None]
"""Works on the study of a name."""


def sweep(given: Settings, arguments: Sequence[str], launcher: Launcher, loader: ConfigLoader, config: DictConfig,
          crew: Crew | None = None) -> None:  # fmt: skip
    """Run what the study still misses, by `launcher` in this process or by a crew. Raises ConfigError, SweepError."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    warnings.filterwarnings("ignore", category=ExperimentalWarning)
    search = parse(given.params, arguments, loader)
    name = name_of(given, search)
    url = storage.address(given, name)
    jobs = Jobs(search, loader, config)

    def work(own: Settings, study: str, plan: Plan, words: Words) -> None:
        claims = Claims(url, study, plan, given.grace)
        (Worker(own, claims, launcher, words) if crew is None else Foreman(own, claims, crew, words)).run()

    if given.winners.n:
        _winners(given, url, name, jobs, work)
    else:
        _search(given, url, name, jobs, work)


def _search(given: Settings, url: str, name: str, jobs: Jobs, work: Work) -> None:
    search = jobs.search
    sampler = choices.sampler_spec(given.sampler)
    pruner = choices.pruner_spec(given.pruner)
    enqueue = [search.check(jobs.point(entry)) for entry in given.enqueue]
    if choices.is_grid(sampler) and search.points() is None:
        raise ConfigError(f"{KEY}.sampler=grid: a grid has steps; write each parameter as choice(…), range(a,b,step) "
                          "or int(interval(a,b))")  # fmt: skip
    jobs.compose_once()
    storage.open_storage(url)
    with storage.alone(url), _storage_errors():
        seed = open_study(url, name, given, search, sampler.pop("seed", None), pruner, jobs.compose())
        build = None if choices.is_grid(sampler) else lambda draw, attempt: choices.build_sampler(
            sampler, seed, draw, attempt)  # fmt: skip
        plan = Plan(search, given.n_trials, given.retries, enqueue, seed, build)
        work(given, name, plan, SEARCH)


def _winners(given: Settings, url: str, name: str, jobs: Jobs, work: Work) -> None:
    """A study of its own, in the same storage: a grid of candidates and seeds, walked through in order."""
    source = winners.source(given, url, name, jobs)
    runs = winners.choose(given, source, jobs)
    points = runs.points()
    own = replace(given, n_trials=len(points), observer=given.winners.observer)
    with storage.alone(url), _storage_errors():
        again = f"{name}-winners-{runs.digest()}"
        open_study(url, again, own, runs, 0, choices.pruner_spec(None), jobs.compose(*leaves(given.winners.overrides)))
        winners.note(url, again, runs)
        plan = Plan(runs, len(points), given.retries, points, 0, None)
        work(own, again, plan, WINNERS)


@contextmanager
def _storage_errors() -> Iterator[None]:
    """A storage that went away is one line. Raises StorageError."""
    try:
        yield
    except (SQLAlchemyError, StorageInternalError) as error:
        raise StorageError(f"{KEY}.storage: {storage.in_words(error)}. The same command goes on from here") from error
