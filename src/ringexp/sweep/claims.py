"""Which trial is next: the rules that all workers of a study share, read from what the study holds.

A worker claims under the study's lock: trials whose process died are failed first; while fewer trials are finished or
running than are asked for, one more is made, with its owner, and its point is drawn. So exactly as many are run, and
nobody has to undo anything. There is no queue: points to run first, and points to run again, are those that no trial
of the study stands for yet.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

import optuna
from optuna.samplers import BaseSampler, RandomSampler
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, TrialState, create_trial

from ringexp.sweep import sampling, storage
from ringexp.sweep.owner import BEAT, OWNER, Watch, me
from ringexp.sweep.search import Identity, Point, Search, free_points, identity

REASON, LOST, RETRY_OF, DEATHS, ENQUEUED, DRAW = "reason", "lost", "retry_of", "deaths", "enqueued", "draw"
"""User attributes of a trial: why it failed; that it does not count (`died`, `interrupted`); the number of the trial
whose point it runs again, and how often that died; the enqueued point that it stands for; the number of its draw."""

DIED, INTERRUPTED = "died", "interrupted"


class Nothing(Enum):
    """Why there is no trial to run."""

    DONE = "done"
    WAIT = "wait"


@dataclass(frozen=True)
class Plan:
    """What all workers of the study agree on. `build(draw, attempt)` makes the sampler, None: the grid is walked."""

    search: Search
    n_trials: int
    retries: int
    enqueue: Sequence[Point]
    seed: int
    build: Callable[[int, int], BaseSampler] | None


def counted(trials: Sequence[FrozenTrial]) -> list[FrozenTrial]:
    """The finished trials: complete, pruned, or failed by themselves."""
    return [t for t in trials if t.state.is_finished() and LOST not in t.user_attrs]


def in_state(trials: Sequence[FrozenTrial], state: TrialState) -> list[FrozenTrial]:
    """The trials in a state, lost ones left out."""
    return [t for t in trials if t.state == state and LOST not in t.user_attrs]


class Claims:
    """One worker's access to the study."""

    def __init__(self, url: str, study_name: str, plan: Plan, grace: float) -> None:
        self.url, self.study_name, self.plan = url, study_name, plan
        self.storage: BaseStorage = storage.open_storage(url)
        self.watch = Watch(grace)
        self.owner = me()
        self.points = plan.search.points()

    def study(self) -> optuna.Study:
        """The study as it is now, nothing cached."""
        return optuna.load_study(study_name=self.study_name, storage=self.storage, sampler=RandomSampler())

    def claim(self, found_dead: Callable[[optuna.Study, FrozenTrial], None]) -> optuna.Trial | Nothing:
        """A new trial with its parameters, or why there is none; `found_dead` is called for each trial buried."""
        with storage.locked(self.url, self.study_name):
            study = self.study()
            dead = self._bury(study, DIED)
            taken = None if dead else self._claim(study)
        for number in dead:
            found_dead(study, study.trials[number])
        return self.claim(found_dead) if taken is None else taken

    def bury(self, found_dead: Callable[[optuna.Study, FrozenTrial], None], lost: str) -> None:
        """Fail the trials whose process is gone, as `lost` says; `found_dead` is called for each."""
        with storage.locked(self.url, self.study_name):
            study = self.study()
            dead = self._bury(study, lost)
        for number in dead:
            found_dead(study, study.trials[number])

    def is_done(self) -> bool:
        """Whether nothing is missing and nothing runs."""
        return self._nothing(self.study().get_trials(deepcopy=False)) is Nothing.DONE

    def _bury(self, study: optuna.Study, lost: str) -> list[int]:
        """Fail the trials whose process is gone; their numbers."""
        dead = self.watch.dead(study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)))
        for trial, why in dead:
            fail(study, trial.number, "interrupted" if lost == INTERRUPTED else why, lost)
        return [trial.number for trial, _ in dead]

    def _nothing(self, trials: Sequence[FrozenTrial]) -> Nothing | None:
        """Why there is no trial to begin, where there is none."""
        finished, running = counted(trials), in_state(trials, TrialState.RUNNING)
        waiting = Nothing.WAIT if running else Nothing.DONE
        if len(finished) + len(running) >= self.plan.n_trials:
            return waiting if len(finished) < self.plan.n_trials else Nothing.DONE
        if self.points is not None and not free_points(self.points, _taken(trials), {}):
            return waiting
        return None

    def _claim(self, study: optuna.Study) -> optuna.Trial | Nothing:
        trials = study.get_trials(deepcopy=False)
        if (nothing := self._nothing(trials)) is not None:
            return nothing
        taken = _taken(trials)
        given, attributes = self._given(trials, taken)
        number = sum(RETRY_OF not in t.user_attrs for t in trials)
        attributes = {OWNER: self.owner, BEAT: time.time(), DRAW: number} | attributes
        study.add_trial(create_trial(state=TrialState.RUNNING, user_attrs=attributes))
        trial = study.get_trials(deepcopy=False)[-1]
        if self.plan.build is None:
            point = sampling.walk(self.points or (), taken, given, self.plan.seed)
        else:
            build = self.plan.build
            point = sampling.draw(study, trial, self.plan.search, lambda attempt: build(number, attempt), given, taken,
                                  self.points, self.plan.seed + number)  # fmt: skip
        return sampling.write(study, trial._trial_id, self.plan.search, point)

    def _given(self, trials: Sequence[FrozenTrial], taken: set[Identity]) -> tuple[Point, dict[str, Any]]:
        """What the next point must be, and the attributes that say why: run again, enqueued, or nothing."""
        for trial in trials:
            deaths = again(trial, trials, self.plan.retries)
            if deaths is not None and identity(trial.params) not in taken:
                kept = {k: v for k, v in trial.user_attrs.items() if k in (ENQUEUED, DRAW)}
                return trial.params, kept | {RETRY_OF: trial.number, DEATHS: deaths}
        begun = [identity(t.user_attrs.get(ENQUEUED, {})) for t in trials if t.params]
        for point in self.plan.enqueue:
            if identity(point) not in begun and self._is_free(point, taken):
                return point, {ENQUEUED: dict(point)}
        return {}, {}

    def _is_free(self, point: Point, taken: set[Identity]) -> bool:
        if self.points is not None:
            return bool(free_points(self.points, taken, point))
        whole = sampling.completed(self.plan.search, point)
        return whole is None or identity(whole) not in taken


def _taken(trials: Sequence[FrozenTrial]) -> set[Identity]:
    """The points of finished and running trials."""
    return {identity(t.params) for t in [*counted(trials), *in_state(trials, TrialState.RUNNING)]}


def again(trial: FrozenTrial, trials: Sequence[FrozenTrial], retries: int) -> int | None:
    """How often a lost trial's point has died, where it is to be run again and is not yet; None where it is not.

    An interrupted trial's point always is, a died one's `retries` times at most.
    """
    lost = trial.user_attrs.get(LOST)
    if lost is None or not trial.params or any(t.user_attrs.get(RETRY_OF) == trial.number for t in trials):
        return None
    deaths = int(trial.user_attrs.get(DEATHS, 0)) + (lost == DIED)
    return deaths if lost == INTERRUPTED or deaths <= retries else None


def fail(study: optuna.Study, number: int, reason: str, lost: str | None = None, **more: str) -> bool:
    """End a trial as failed, with its reason in one line; False where it is ended already."""
    trial = study.get_trials(deepcopy=False)[number]
    if trial.state.is_finished():
        return False
    attributes: Mapping[str, Any] = {REASON: reason, **more} | ({LOST: lost} if lost else {})
    try:
        for key, value in attributes.items():
            study._storage.set_trial_user_attr(trial._trial_id, key, value)
        study.tell(number, state=TrialState.FAIL)
    except (optuna.exceptions.UpdateFinishedTrialError, ValueError):
        return False
    return True
