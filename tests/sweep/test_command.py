"""`ringexp sweep=NAME`: the real command, its configuration and its errors, with a task that trains nothing."""

import os
import subprocess
import sys
from pathlib import Path

import optuna
import pytest
from optuna.trial import TrialState

from ringexp.cli import conf_dir
from ringexp.sweep.storage import open_storage

APP = Path(__file__).parent / "app"
SWEEP = """# @package _global_
defaults:
  - override /hydra/sweeper: ringexp_optuna
hydra:
  mode: MULTIRUN
  sweeper:
    study_name: mini
    direction: maximize
    n_trials: 4
    sampler: grid
    max_failure_rate: 0.25
    params: {seed: "choice(1,2,3,4)", algorithm: c3po}
"""


@pytest.fixture
def sweeps(tmp_path: Path) -> Path:
    (tmp_path / "own" / "sweep").mkdir(parents=True)
    (tmp_path / "own" / "sweep" / "mini.yaml").write_text(SWEEP)
    return tmp_path


def ringexp(folder: Path, *overrides: str) -> subprocess.CompletedProcess[str]:
    known = {k: v for k, v in os.environ.items() if not k.startswith(("HYDRA_", "MLFLOW_"))}
    paths = os.pathsep.join([str(APP), *sys.path])
    return subprocess.run([sys.executable, "-m", "ringexp.cli", "--config-dir", str(folder / "own"), *overrides],
                          cwd=folder, env=known | {"PYTHONPATH": paths}, capture_output=True, text=True,
                          timeout=120, check=False)  # fmt: skip


def test_a_sweep_needs_no_flag_and_a_failed_trial_has_its_reason(sweeps: Path) -> None:
    done = ringexp(sweeps, "sweep=mini", "task.run._target_=light_task.run")
    assert done.returncode == 0, done.stderr
    study = optuna.load_study(study_name="mini", storage=open_storage(f"journal://{sweeps}/runs/sweeps/mini.journal"))
    values = {t.params["seed"]: t.value for t in study.trials if t.state == TrialState.COMPLETE}
    assert values == {1: 0.5, 2: 1.0, 4: 2.0}
    (failed,) = [t for t in study.trials if t.state == TrialState.FAIL]
    assert failed.user_attrs["reason"] == "DataError: seed=3: told to fail"
    assert study.best_params == {"seed": 4}
    (line,) = [line for line in done.stderr.splitlines() if "told to fail" in line]
    assert line.startswith(f"ringexp: trial {failed.number} failed: DataError")
    assert "mini: the best of 4 trials" in done.stdout
    again = ringexp(sweeps, "sweep=mini", "task.run._target_=light_task.run")
    assert (again.returncode, len(study.trials)) == (0, 4)


def test_what_it_composes_to(sweeps: Path) -> None:
    done = ringexp(sweeps, "sweep=mini", "--cfg", "hydra")
    assert (done.returncode, done.stderr) == (0, "")
    assert "hydra_plugins.ringexp_optuna.OptunaSweeper" in done.stdout
    assert "mode: MULTIRUN" in done.stdout
    assert not (sweeps / "runs").exists()


def test_plain_multirun_is_plain_hydra(sweeps: Path) -> None:
    """Without a trial the error of one job leaves the others alone, as ever, and nothing is kept of a study."""
    done = ringexp(sweeps, "-m", "seed=3,4", "task.run._target_=light_task.run")
    assert done.returncode == 2
    assert done.stderr.splitlines() == ["ringexp: seed=3: told to fail"]
    assert not (sweeps / "runs" / "sweeps").exists()


def test_the_folder_of_sweeps_is_hydras_group() -> None:
    own = conf_dir() / "sweep"
    assert own.is_symlink()
    assert own.resolve() == conf_dir().parent.resolve() / "sweeps"
    assert not own.readlink().is_absolute()
