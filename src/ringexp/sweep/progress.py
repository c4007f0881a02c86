"""A study in words: a line after each trial, a table of the best at the end."""

from collections.abc import Sequence
from typing import Any

import optuna
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState
from rich.console import Console
from rich.table import Table

from ringexp.sweep.claims import LOST, REASON, counted, in_state
from ringexp.terminal import duration

SHOWN = 5


def ranked(trials: Sequence[FrozenTrial], direction: StudyDirection) -> list[FrozenTrial]:
    """The complete trials that keep their constraints, best first."""
    complete = [t for t in trials if t.state == TrialState.COMPLETE and all(c <= 0 for c in t.constraints.values())]
    return sorted(complete, key=lambda t: t.value or 0.0, reverse=direction == StudyDirection.MAXIMIZE)


def line(trial: FrozenTrial, trials: Sequence[FrozenTrial], direction: StudyDirection, n_trials: int, about: str = ""
         ) -> str:  # fmt: skip
    """What became of a trial, and where the study stands; `about` stands behind the trial's number."""
    best = ranked(trials, direction)[:1]
    running = in_state(trials, TrialState.RUNNING)
    parts = [
        f"best {best[0].value:.6g} (trial {best[0].number})" if best else "none complete yet",
        f"{len(counted(trials))}/{n_trials} done",
        f"{len(in_state(trials, TrialState.PRUNED))} pruned",
        f"{len(in_state(trials, TrialState.FAIL))} failed",
        f"{len(running)} running",
        f"{_left(trials, n_trials, len(running))} left",
    ]
    return f"trial {trial.number}{about} {outcome(trial)} · {', '.join(parts)}"


def outcome(trial: FrozenTrial) -> str:
    """A trial's end in words."""
    if trial.state == TrialState.COMPLETE:
        return f"{trial.value:.6g}"
    if trial.state == TrialState.PRUNED:
        return f"pruned at step {trial.last_step}"
    lost = "lost" if LOST in trial.user_attrs else "failed"
    return f"{lost}: {trial.user_attrs.get(REASON, 'no reason is known')}"


def _left(trials: Sequence[FrozenTrial], n_trials: int, running: int) -> str:
    """From the mean time of a finished trial and the trials that run now, this worker's next one included."""
    seconds = [t.duration.total_seconds() for t in counted(trials) if t.duration is not None]
    if not seconds:
        return "?"
    missing = max(0, n_trials - len(counted(trials)))
    return duration(sum(seconds) / len(seconds) * missing / max(1, min(running + 1, missing)))


def table(trials: Sequence[FrozenTrial], direction: StudyDirection) -> Table:
    """The best trials with their parameters."""
    best = ranked(trials, direction)[:SHOWN]
    keys = list(dict.fromkeys(key for trial in best for key in trial.params))
    ends = [key.rpartition(".")[2] for key in keys]
    shown = Table()
    for name in ("trial", "value", *(end if ends.count(end) == 1 else key for key, end in zip(keys, ends))):
        shown.add_column(name, justify="right" if name in ("trial", "value") else "left")
    for trial in best:
        shown.add_row(str(trial.number), _number(trial.value), *(_number(trial.params.get(key, "")) for key in keys))
    return shown


def _number(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def show(study: optuna.Study) -> None:
    """Print the table under its title."""
    trials = study.get_trials(deepcopy=False)
    console = Console(highlight=False)
    console.print(f"{study.study_name}: the best of {len(counted(trials))} trials")
    console.print(table(trials, study.direction))
