"""A study of the recipe, killed again and again: the same command ends it as if nothing had been."""

import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import optuna
from optuna.trial import FrozenTrial, TrialState
from pipelines import Store, command, ringexp

TRIALS = 12
SEARCH = ("sweep=two_stage_mixing", f"hydra.sweeper.n_trials={TRIALS}", "sft.max_steps=10", "trainer.max_steps=6")


def trials_of(folder: Path) -> list[FrozenTrial]:
    journals = list(folder.glob("sweeps/*.journal"))
    if not journals:
        return []
    storage = optuna.storages.JournalStorage(optuna.storages.journal.JournalFileBackend(str(journals[0])))
    names = optuna.get_all_study_names(storage)
    return optuna.load_study(study_name=names[0], storage=storage).trials if names else []


def complete(folder: Path) -> list[FrozenTrial]:
    return [trial for trial in trials_of(folder) if trial.state in (TrialState.COMPLETE, TrialState.PRUNED)]


def killed_when(folder: Path, reached: Callable[[], bool]) -> None:
    process = subprocess.Popen(command(f"paths.store={folder}", *SEARCH), stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL, start_new_session=True)  # fmt: skip
    while not reached():
        assert process.poll() is None, "the sweep ended before it was to be killed"
        time.sleep(0.1)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def test_a_sweep_killed_four_times_ends_with_twelve_points(tmp_path: Path) -> None:
    """After 2, 5 and 9 ended trials, and once in the middle of an RL stage."""
    for number in (2, 5):
        killed_when(tmp_path, lambda number=number: len(complete(tmp_path)) >= number)  # type: ignore[misc]
    known = set(tmp_path.glob("*/rl-second-*/step-*"))
    killed_when(tmp_path, lambda: bool(set(tmp_path.glob("*/rl-second-*/step-*")) - known))
    assert TrialState.RUNNING in {trial.state for trial in trials_of(tmp_path)}
    killed_when(tmp_path, lambda: len(complete(tmp_path)) >= 9)
    done = ringexp(f"paths.store={tmp_path}", *SEARCH, timeout=1800)
    assert done.returncode == 0, done.stderr[-3000:]
    ended, store = complete(tmp_path), Store(tmp_path)
    assert len(ended) == TRIALS == len({tuple(trial.params.values()) for trial in ended})
    assert TrialState.RUNNING not in {trial.state for trial in trials_of(tmp_path)}
    assert "RUNNING" not in {run.info.status for run in store.runs}
    pipelines = {run.info.run_id: run for run in store.kind("pipeline")}
    assert len({trial.user_attrs["mlflow_run"] for trial in ended}) == TRIALS
    for trial in ended:
        assert pipelines[trial.user_attrs["mlflow_run"]].data.tags["ringexp.trial"] == str(trial.number)
        assert (tmp_path / trial.user_attrs["folder"]).is_dir()
