"""A sweep as one worker sees it: claim a trial, run its job, tell how it ended, until nothing is missing."""

import math
import signal
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any, cast

import optuna
from hydra.core.override_parser.types import Quote, QuotedString
from hydra.core.utils import JobReturn, JobStatus
from hydra.errors import HydraException
from hydra.plugins.launcher import Launcher
from hydra.utils import instantiate
from omegaconf.errors import OmegaConfBaseException
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import FrozenTrial, TrialState

from ringexp.errors import SweepError
from ringexp.sweep import progress
from ringexp.sweep.claims import INTERRUPTED, REASON, Claims, Nothing, counted, fail, in_state
from ringexp.sweep.observer import NoObserver, Observer
from ringexp.sweep.owner import OWNER, beating
from ringexp.sweep.settings import KEY, Settings
from ringexp.sweep.workers import Workers, end_with_parent, is_worker
from ringexp.terminal import say
from ringexp.tracking.secrets import scrub

POLL = 1.0
"""Seconds between looks at the study of a worker that waits; BEATS heartbeats fall into `grace`."""

BEATS = 6
TAKEN = "another worker took it for dead; its result does not count"
LONGEST = 300
"""Characters of a reason."""



@dataclass(frozen=True)
class Words:
    """How a study is talked of: what stands behind a trial's number, what is printed at the end, what another study
    needs that shall be without the failed trials."""

    about: Callable[[FrozenTrial], str]
    show: Callable[[optuna.Study], None]
    other: str


class Worker:
    """One worker of a study: this process, and the others that it starts."""

    def __init__(self, given: Settings, claims: Claims, launcher: Launcher, words: Words) -> None:
        self.given, self.claims, self.launcher, self.words = given, claims, launcher, words
        self.workers = Workers()
        self.observer: Observer = NoObserver()
        if given.observer is not None:
            self.observer = cast(Observer, instantiate(dict(given.observer)))

    def run(self) -> None:
        """Run what the study still misses. Raises SweepError."""
        study = self.claims.study()
        self._check_failures(study)
        extra = [f"{key}={value}" for key, value in self.observer.started(study).items()]
        with self.workers.signalled():
            try:
                self._work(extra)
            except BaseException as error:
                self._close()
                if not self.workers.signals:
                    self.workers.signal(signal.SIGTERM)
                if not (isinstance(error, SweepError) and is_worker()):  # which the first one says
                    raise
            finally:
                self.workers.end()
                self.observer.finished(self.claims.study())
        if not is_worker():
            for index, status in enumerate(self.workers.end(), start=2):
                if status:
                    say(f"worker {index} of {self.given.n_jobs} ended early, with status {status}")
            self.words.show(study)

    def _work(self, extra: Sequence[str]) -> None:
        """Claim and run until nothing is missing. A worker that finds nothing waits: a trial that runs may die."""
        if is_worker():
            end_with_parent()
        else:
            self.workers.start(min(self.given.n_jobs, self.given.n_trials) - 1)
        while (trial := self.claims.claim(self._ended)) is not Nothing.DONE:
            if isinstance(trial, Nothing):
                time.sleep(POLL)
                continue
            self._run(trial, extra)
            if self.workers.signals:
                raise SystemExit(128 + self.workers.signals[0])
            self._check_failures(self.claims.study())

    def _run(self, trial: optuna.Trial, extra: Sequence[str]) -> None:
        """Run a trial's job and tell how it ended."""
        overrides = [*self.claims.plan.search.fixed, *extra, *self.claims.plan.search.overrides(trial.params),
                     f"++trial={self._key(trial)}"]  # fmt: skip
        try:
            with beating(trial, self.given.grace / BEATS):
                (job,) = self.launcher.launch([overrides], initial_job_idx=trial.number)
        except SystemExit as end:
            if self.workers.signals:
                raise
            self._fail(trial, f"the job ended its process (exit status {end.code})")
        except (HydraException, OmegaConfBaseException) as error:  # this job's configuration cannot be composed
            self._fail(trial, _words(error), error)
        else:
            self._tell(trial, job)

    def _key(self, trial: optuna.Trial) -> str:
        """The configuration's `trial` as Hydra's grammar writes it."""
        quoted = QuotedString(self.claims.url, Quote.single).with_quotes()
        return f"{{storage:{quoted},study:'{self.claims.study_name}',number:{trial.number},id:{trial._trial_id}}}"

    def _tell(self, trial: optuna.Trial, job: JobReturn) -> None:
        value = job._return_value
        if job.status == JobStatus.COMPLETED and _is_finite(value):
            self._finish(trial, float(value))
        elif job.status == JobStatus.COMPLETED:
            self._fail(trial, f"the job returned {value!r:.100}, not a finite number")
        elif isinstance(value, optuna.TrialPruned):
            self._finish(trial, None)
        elif self.workers.signals:  # what a library made of the interrupt
            self._close()
        else:
            self._fail(trial, _words(value), value)

    def _finish(self, trial: optuna.Trial, value: float | None) -> None:
        """Complete, or pruned where there is no value."""
        study = self.claims.study()
        state = TrialState.PRUNED if value is None else TrialState.COMPLETE
        try:
            study.tell(trial.number, value, state)
        except (UpdateFinishedTrialError, ValueError):
            say(f"trial {trial.number}: {TAKEN}")
            return
        self._ended(study, study.trials[trial.number])

    def _fail(self, trial: optuna.Trial, reason: str, error: BaseException | None = None) -> None:
        more = {} if error is None else {"traceback": scrub("".join(traceback.format_exception(error)))[-4000:]}
        study = self.claims.study()
        if fail(study, trial.number, reason, None, **more):
            self._ended(study, study.trials[trial.number])
        else:
            say(f"trial {trial.number}: {reason}; {TAKEN}")

    def _close(self) -> None:
        """Close what this worker leaves running as interrupted: it does not count, and its point is run again."""
        study = self.claims.study()
        running = study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
        for trial in (t for t in running if t.user_attrs.get(OWNER) == self.claims.owner):
            if fail(study, trial.number, "interrupted", INTERRUPTED):
                self._ended(study, study.trials[trial.number])

    def _ended(self, study: optuna.Study, trial: FrozenTrial) -> None:
        """Say what became of a trial, here and to the observer."""
        trials = study.get_trials(deepcopy=False)
        say(progress.line(trial, trials, study.direction, self.given.n_trials, self.words.about(trial)))
        self.observer.ended(study, trial)

    def _check_failures(self, study: optuna.Study) -> None:
        """Raises SweepError where more trials have failed than may."""
        trials = study.get_trials(deepcopy=False)
        failed, rate = in_state(trials, TrialState.FAIL), self.given.max_failure_rate
        if len(failed) > rate * self.given.n_trials:
            raise SweepError(
                f"{len(failed)} of {len(counted(trials))} trials failed, more than {KEY}.max_failure_rate={rate:g} of "
                f"{self.given.n_trials} allows; the last: trial {failed[-1].number}, "
                f"{failed[-1].user_attrs.get(REASON, '')}. Mend that and give {self.words.other}, or raise "
                "max_failure_rate and go on"
            )


def _is_finite(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(value)


def _words(error: BaseException) -> str:
    """An error in one line, without secrets."""
    text = " ".join(str(error).split())
    return scrub(f"{type(error).__name__}: {text}" if text else type(error).__name__)[:LONGEST]
