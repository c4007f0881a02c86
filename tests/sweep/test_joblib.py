"""`hydra/launcher=joblib`: joblib's processes are workers, so there is no barrier, and none is lost with its trial."""

import os
import signal
from pathlib import Path
from typing import Any

import pytest
from applications import START, Application, states
from omegaconf import OmegaConf
from optuna.trial import TrialState

from ringexp.errors import ConfigError
from ringexp.sweep.claims import LOST, counted
from ringexp.sweep.launching import _size, crew
from ringexp.sweep.search import identity
from ringexp.sweep.settings import settings

pytest.importorskip("hydra_plugins.hydra_joblib_launcher", reason="hydra-joblib-launcher is not installed")
JOBLIB = ("x=interval(0,1)", "y=choice(1,2)", "hydra/launcher=joblib", "hydra.launcher.n_jobs=2")


def alive(app: Application) -> set[int]:
    """Processes that have run a job and are still there."""
    pids = {row["pid"] for row in app.events("begin")}
    return {pid for pid in pids if Path(f"/proc/{pid}/stat").exists()
            and Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"}  # fmt: skip


def test_no_barrier_and_one_worker_killed(app: Application) -> None:
    """Trial 0 ends when three others have, which no batch of two would hold. Then a worker dies, and joblib's pool."""
    process = app.start(*JOBLIB, "hydra.sweeper.n_trials=7", "sleep=0.5", "waits_at=0", "hydra.sweeper.retries=1")
    app.wait_for(lambda: 0 in {row["number"] for row in app.events("end")})
    assert {row["number"] for row in app.events("end")} >= {0, 1, 2, 3}
    assert len({row["pid"] for row in app.events("begin")}) == 2
    app.wait_for(lambda: len(app.events("begin")) > len(app.events("end")))
    victim = next(row["pid"] for row in app.events("begin")[::-1] if row["number"] not in
                  {end["number"] for end in app.events("end")})  # fmt: skip
    os.kill(victim, signal.SIGKILL)
    _, said = process.communicate(timeout=90)
    assert process.returncode == 0, said
    assert "ringexp: warning: the workers ended early (TerminatedWorkerError" in said
    trials = app.trials()
    lost = [trial for trial in trials if LOST in trial.user_attrs]
    assert states(counted(trials)) == {"COMPLETE": 7}
    assert 1 <= len(lost) <= 2
    assert {trial.user_attrs[LOST] for trial in lost} == {"died"}
    assert {identity(trial.params) for trial in lost} <= {identity(trial.params) for trial in counted(trials)}
    assert [row["number"] for row in app.events("begin")] == [row["job"] for row in app.events("begin")]
    folders = {trial.user_attrs["folder"] for trial in counted(trials)}
    assert folders == {str(app.folder / "store" / f"job-{trial.number}") for trial in counted(trials)}


def test_sigterm_ends_all_and_the_same_command_does_the_rest(app: Application) -> None:
    process = app.start(*JOBLIB, "hydra.sweeper.n_trials=4", "sleep=1")
    app.wait_for(lambda: len({row["pid"] for row in app.events("begin")}) == 2)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGTERM
    app.wait_for(lambda: not alive(app), seconds=START)
    stopped = [trial for trial in app.trials() if trial.state == TrialState.FAIL]
    assert {(trial.user_attrs[LOST], trial.user_attrs["reason"]) for trial in stopped} == {("interrupted",) * 2}
    assert states(app.trials()).keys() <= {"COMPLETE", "FAIL"}
    app.run(*JOBLIB[:2], "hydra.sweeper.n_trials=4", "sleep=1")  # whatever launches them: the study is the same
    assert states(counted(app.trials())) == {"COMPLETE": 4}
    assert {identity(trial.params) for trial in stopped} <= {identity(t.params) for t in counted(app.trials())}


@pytest.mark.soak
def test_workers_end_when_the_command_is_killed(app: Application) -> None:
    process = app.start(*JOBLIB, "hydra.sweeper.n_trials=50", "sleep=0.3")
    app.wait_for(lambda: len({row["pid"] for row in app.events("begin")}) == 2)
    process.kill()
    process.communicate(timeout=60)
    app.wait_for(lambda: not alive(app), seconds=START)
    assert len(app.events("end")) < 50


@pytest.mark.soak
def test_points_that_kill_every_process_end_the_sweep(app: Application) -> None:
    done = app.run(*JOBLIB, "hydra.sweeper.n_trials=4", "die_at=all", status=2)
    assert "the workers ended early (TerminatedWorkerError" in done.stderr.splitlines()[-1]
    assert "no trial was finished since they began" in done.stderr.splitlines()[-1]
    assert {trial.user_attrs[LOST] for trial in app.trials()} == {"died"}


X: dict[str, Any] = {"params": {"x": "interval(0,1)"}}


@pytest.mark.parametrize(("ours", "theirs", "size"), [(1, 3, 3), (4, -1, 4), (4, 4, 4), (1, 50, 20)])
def test_how_many(ours: int, theirs: int, size: int) -> None:
    """The launcher's number or the sweeper's, whichever is given; no more than there are trials."""
    assert _size(settings(X | {"n_jobs": ours}), theirs) == size


@pytest.mark.parametrize(("ours", "theirs", "names"), [(4, 2, "give one of them"), (1, 0, "hydra.launcher.n_jobs=0")])
def test_two_numbers_and_none_are_refused(ours: int, theirs: int, names: str) -> None:
    with pytest.raises(ConfigError, match=names):
        _size(settings(X | {"n_jobs": ours}), theirs)


def test_one_worker_needs_no_other_process() -> None:
    config = OmegaConf.create({"hydra": {"launcher": {"n_jobs": 1}}})
    assert crew(settings(X), [], None, None, config)[1] is None  # type: ignore[arg-type]
