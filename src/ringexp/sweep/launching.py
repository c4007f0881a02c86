"""Workers as jobs of a Hydra launcher: joblib's.

A launcher runs a batch of jobs and waits for all of it. So what it is given are workers, not trials: each joins the
study and runs one trial after the other until nothing is missing, and there is no barrier between trials.
"""

import os
import signal
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from hydra._internal.core_plugins.basic_launcher import BasicLauncher
from hydra.core.plugins import Plugins
from hydra.core.utils import JobReturn, JobStatus
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf

from ringexp.errors import ConfigError, SweepError
from ringexp.sweep import workers
from ringexp.sweep.claims import DIED, INTERRUPTED, Claims, counted
from ringexp.sweep.loop import Words, Worker
from ringexp.sweep.owner import lives, me
from ringexp.sweep.settings import KEY, Settings
from ringexp.terminal import say

EVERY = 1.0
"""Seconds between a worker's looks at the process that launched it."""

THREADS = "OMP_NUM_THREADS"
"""joblib sets it in its processes; how many threads a job has is the job's own affair."""

QUIET = ("hydra.output_subdir=null", "hydra.sweep.subdir=.", "hydra/job_logging=none")
"""Of a worker's own job: it leaves no folder and no log, its trials may."""


@dataclass(frozen=True)
class Crew:
    """A launcher whose jobs are workers, and how many."""

    launcher: Launcher
    size: int


class Member:
    """A worker as a job's function, which travels to the launcher's process with all that it needs."""

    def __init__(self, given: Settings, arguments: Sequence[str], context: HydraContext, task: TaskFunction,
                 config: DictConfig) -> None:  # fmt: skip
        self._given, self._arguments, self._context, self._task, self._config = given, arguments, context, task, config
        self._parent, self._threads = me(), os.environ.get(THREADS)

    def __call__(self, job: DictConfig) -> None:
        """Work until nothing is missing. Raises SweepError where a signal ended it."""
        from ringexp.sweep import command

        os.environ.pop(THREADS, None)
        if self._threads is not None:
            os.environ[THREADS] = self._threads
        workers.join()
        threading.Thread(target=_end_with, args=(self._parent,), name="parent-watch", daemon=True).start()
        launcher = BasicLauncher()
        launcher.setup(hydra_context=self._context, task_function=self._task, config=self._config)
        try:
            command.sweep(self._given, self._arguments, launcher, self._context.config_loader, self._config)
        except (SystemExit, KeyboardInterrupt) as end:
            if lives(self._parent) is False:  # nobody waits for a result, and joblib's process would stay for minutes
                os._exit(128 + signal.SIGTERM)
            raise SweepError(f"a worker was stopped by a signal ({end!r})") from end


def _end_with(parent: Mapping[str, Any]) -> None:
    """Ask this process to stop when the one that launched it is gone."""
    while lives(parent) is not False:
        time.sleep(EVERY)
    workers.stop()


def crew(given: Settings, arguments: Sequence[str], context: HydraContext, task: TaskFunction, config: DictConfig
         ) -> tuple[Settings, Crew | None]:  # fmt: skip
    """What `hydra/launcher=joblib` asks for: settings with its `n_jobs`, and the crew (None: one worker, here).

    Raises ConfigError.
    """
    size = _size(given, config.hydra.launcher.n_jobs)
    given = replace(given, n_jobs=size)
    if size == 1:
        return given, None
    launched = config.copy()
    OmegaConf.update(launched, "hydra.launcher.n_jobs", size)
    member = Member(given, arguments, context, task, config)
    launcher = Plugins.instance().instantiate_launcher(hydra_context=context, task_function=member, config=launched)
    return given, Crew(launcher, size)


def _size(given: Settings, n_jobs: Any) -> int:
    """`hydra.launcher.n_jobs`, joblib's -1 for every core, or `hydra.sweeper.n_jobs` where only that is given."""
    from joblib import effective_n_jobs

    if type(n_jobs) is not int or n_jobs == 0:
        raise ConfigError(f"hydra.launcher.n_jobs={n_jobs}: give a number of processes, or -1 for one on every core")
    if given.n_jobs > 1 and n_jobs not in (-1, given.n_jobs):
        raise ConfigError(f"{KEY}.n_jobs={given.n_jobs} and hydra.launcher.n_jobs={n_jobs}: give one of them")
    asked = given.n_jobs if given.n_jobs > 1 else int(effective_n_jobs(n_jobs))
    return min(asked, given.n_trials)


class Foreman(Worker):
    """Launches the crew and runs no trial itself; buries what dies, and launches again while that helps."""

    def __init__(self, given: Settings, claims: Claims, crew: Crew, words: Words) -> None:
        super().__init__(given, claims, crew.launcher, words)
        self._size = crew.size

    def _work(self, extra: Sequence[str]) -> None:
        """Raises SweepError where workers end early and nothing was finished since they were launched."""
        while not self.claims.is_done():
            before = self._finished()
            ended = self._launch()
            self.claims.bury(self._ended, DIED)
            self._check_failures(self.claims.study())
            if self.claims.is_done():
                return
            if self._finished() == before:
                raise SweepError(f"hydra/launcher=joblib: the workers ended early ({ended}) and no trial was finished "
                                 "since they began; the same command goes on from here")  # fmt: skip
            say(f"warning: the workers ended early ({ended}): launching them again")

    def _launch(self) -> str:
        """Launch the workers and wait for all; why they ended, where that was early."""
        overrides = [*self.claims.plan.search.fixed, *QUIET]
        try:
            jobs: Sequence[JobReturn] = self.launcher.launch([overrides] * self._size, initial_job_idx=0)
        except Exception as error:  # joblib ends all of its processes when one is killed
            return " ".join(f"{type(error).__name__}: {error}".split(" The exit codes")[0].split())
        failed = [job._return_value for job in jobs if job.status == JobStatus.FAILED]
        for wrong in failed:
            if not isinstance(wrong, SweepError):
                raise wrong
        return str(failed[0]) if failed else "no reason is known"

    def _close(self) -> None:
        """What this command's processes were at, which joblib has killed, is interrupted."""
        self.claims.bury(self._ended, INTERRUPTED)

    def _finished(self) -> int:
        return len(counted(self.claims.study().get_trials(deepcopy=False)))
