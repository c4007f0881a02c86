"""The trial as the job that runs it sees it: report, constrain, note. Outside a sweep all of this does nothing.

Everything is kept in the study's storage, so a job may run in whatever process; nothing of Optuna is imported before
there is a trial.
"""

from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

PRUNER, WARMUP = "ringexp.pruner", "ringexp.warmup"
"""User attributes of the study: what prunes (a `_target_` with its arguments), and from which step on."""

MEASURED = "measured"
"""User attribute of a trial: what its job measured, names such as `gain/code` to numbers, for tables over seeds."""


@runtime_checkable
class TrialHandle(Protocol):
    """What a job may say of its trial."""

    active: bool
    """Whether there is a trial."""

    def report(self, value: float, step: int, *, prunable: bool = True) -> None:
        """Store an intermediate value. Raises optuna.TrialPruned where the pruner ends the trial at this step.

        Nothing is pruned where `prunable` is false: the job knows of a reason to wait.
        """

    def constrain(self, name: str, value: float) -> None:
        """Store a constraint's value; the trial is feasible where it is at most 0. Only the first is kept."""

    def set(self, key: str, value: Any) -> None:
        """Note something JSON-like on the trial (user attributes)."""


class NoTrial:
    """Outside a sweep."""

    active = False

    def report(self, value: float, step: int, *, prunable: bool = True) -> None:
        """Nothing."""

    def constrain(self, name: str, value: float) -> None:
        """Nothing."""

    def set(self, key: str, value: Any) -> None:
        """Nothing."""


class StudyTrial:
    """A trial of a study, reopened by its storage, study and id."""

    active = True

    def __init__(self, storage: str, study: str, trial_id: int) -> None:
        import optuna

        from ringexp.sweep.choices import build_pruner
        from ringexp.sweep.storage import open_storage

        opened = optuna.load_study(study_name=study, storage=open_storage(storage),
                                   sampler=optuna.samplers.RandomSampler())  # fmt: skip
        opened.pruner = build_pruner(opened.user_attrs.get(PRUNER, {}))
        self._warmup = int(opened.user_attrs.get(WARMUP, 0))
        self._trial: optuna.Trial = optuna.Trial(opened, trial_id)
        self._reported: set[int] = set()

    def report(self, value: float, step: int, *, prunable: bool = True) -> None:
        """See TrialHandle."""
        import optuna

        if step not in self._reported:
            self._reported.add(step)
            self._trial.report(value, step)
        if prunable and step >= self._warmup and self._trial.should_prune():
            raise optuna.TrialPruned(f"pruned at step {step}")

    def constrain(self, name: str, value: float) -> None:
        """See TrialHandle."""
        self._trial.set_constraint(name, value)

    def set(self, key: str, value: Any) -> None:
        """See TrialHandle."""
        self._trial.set_user_attr(key, value)


def handle(trial: Mapping[str, Any] | Any | None) -> TrialHandle:
    """The handle of the configuration's `trial`: a mapping with storage, study, number and id, or null."""
    if trial is None:
        return NoTrial()
    return StudyTrial(str(trial["storage"]), str(trial["study"]), int(trial["id"]))
