"""What a sweep tells others, the tracking of it for one: `hydra.sweeper.observer` names a `_target_` of this form."""

from collections.abc import Mapping
from typing import Protocol

import optuna
from optuna.trial import FrozenTrial


class Observer(Protocol):
    """Called by the worker that is concerned, in its main thread; an error raised here ends that worker."""

    def started(self, study: optuna.Study) -> Mapping[str, str]:
        """A worker has opened the study. Gives overrides for each of its jobs, key to value."""

    def ended(self, study: optuna.Study, trial: FrozenTrial) -> None:
        """A trial of this worker has ended, however it did; or this worker has found another one's dead."""

    def finished(self, study: optuna.Study) -> None:
        """This worker ends: nothing is missing any more, or it was stopped."""


class NoObserver:
    """Nobody is told."""

    def started(self, study: optuna.Study) -> Mapping[str, str]:
        """No overrides."""
        return {}

    def ended(self, study: optuna.Study, trial: FrozenTrial) -> None:
        """Nothing."""

    def finished(self, study: optuna.Study) -> None:
        """Nothing."""
