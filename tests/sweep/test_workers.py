"""Several processes on one study: every trial once, no barrier, no trial lost with a worker."""

import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import optuna
import pytest
from applications import START, Application, states
from optuna.trial import FrozenTrial, TrialState, create_trial

from ringexp.sweep import owner
from ringexp.sweep.claims import LOST, Claims, Nothing, Plan, counted
from ringexp.sweep.grammar import parse
from ringexp.sweep.owner import BEAT, OWNER, beating, lives, me
from ringexp.sweep.search import identity
from ringexp.sweep.storage import open_storage

SPACE = ("x=interval(0,1)", "y=choice(1,2)")
GRACE = 5.0


def ended(*processes: subprocess.Popen[str]) -> list[int]:
    return [(process.communicate(timeout=90), process.returncode)[1] for process in processes]


def times(app: Application) -> dict[int, float]:
    """Seconds of each finished job."""
    begun = {row["number"]: row["time"] for row in app.events("begin")}
    return {row["number"]: row["time"] - begun[row["number"]] for row in app.events("end")}


def test_four_workers_one_killed(app: Application) -> None:
    command = (*SPACE, "hydra.sweeper.n_trials=16", f"hydra.sweeper.grace={GRACE}", "sleep=-0.4")
    before = time.monotonic()
    workers = [app.start(*command) for _ in range(4)]
    app.wait_for(lambda: len({row["pid"] for row in app.events("end")}) == 4)
    (row,) = app.events("begin")[-1:]
    victim = next(w for w in workers if w.pid == row["pid"])
    victim.send_signal(signal.SIGKILL)
    assert sorted(ended(*workers)) == [-signal.SIGKILL, 0, 0, 0]
    wall = time.monotonic() - before
    trials = app.trials()
    assert states(counted(trials)) == {"COMPLETE": 16}
    assert len(trials) == 16 + sum(LOST in t.user_attrs for t in trials) == 17
    numbers = [row["number"] for row in app.events("begin")]
    (lost,) = [t.number for t in trials if LOST in t.user_attrs]
    assert sorted({*numbers, lost}) == list(range(17))  # the kill may have come before its job began
    assert len(set(numbers)) == len(numbers)
    assert len({identity(t.params) for t in counted(trials)}) == 16
    seconds = times(app)
    assert wall <= sum(seconds.values()) / 3 + max(seconds.values()) + GRACE + START


def test_a_waiting_worker_runs_what_a_dead_one_left(app: Application) -> None:
    """Two trials, two workers; the one that is done waits, and takes the other's place when that dies."""
    command = (*SPACE, "hydra.sweeper.n_trials=2", "sleep=-1", "hydra.sweeper.retries=1")  # 1 s and 2 s
    workers = [app.start(*command) for _ in range(2)]
    app.wait_for(lambda: len(app.events("begin")) == 2 and len(app.events("end")) == 1)
    (slow,) = [row for row in app.events("begin") if row["number"] == 1]
    next(w for w in workers if w.pid == slow["pid"]).send_signal(signal.SIGKILL)
    assert sorted(ended(*workers)) == [-signal.SIGKILL, 0]
    first, second, third = app.trials()
    assert (second.user_attrs[LOST], third.params) == ("died", second.params)
    assert (first.state, third.state) == (TrialState.COMPLETE, TrialState.COMPLETE)
    assert len({row["pid"] for row in app.events("end")}) == 1


def test_n_jobs_and_their_end(app: Application) -> None:
    """Three processes from one command; SIGTERM of the first ends all; the same command does the rest."""
    command = (*SPACE, "hydra.sweeper.n_trials=9", "hydra.sweeper.n_jobs=3", "sleep=1.5")
    process = app.start(*command)
    app.wait_for(lambda: len({row["pid"] for row in app.events("begin")}) == 3)
    process.send_signal(signal.SIGTERM)
    assert ended(process) == [128 + signal.SIGTERM]
    assert states(app.trials()).keys() <= {"COMPLETE", "FAIL"}
    stopped = [t for t in app.trials() if t.state == TrialState.FAIL]
    assert len(stopped) >= 2
    assert {t.user_attrs["reason"] for t in stopped} == {"interrupted"}
    app.run(*command)
    trials = app.trials()
    assert states(counted(trials)) == {"COMPLETE": 9}
    assert {identity(t.params) for t in stopped} <= {identity(t.params) for t in counted(trials)}


def test_workers_end_when_the_first_is_killed(app: Application) -> None:
    process = app.start(*SPACE, "hydra.sweeper.n_trials=50", "hydra.sweeper.n_jobs=2", "sleep=0.3")
    app.wait_for(lambda: len({row["pid"] for row in app.events("begin")}) == 2)
    (other,) = {row["pid"] for row in app.events("begin")} - {process.pid}
    process.send_signal(signal.SIGKILL)
    ended(process)
    app.wait_for(lambda: not Path(f"/proc/{other}").exists(), seconds=START)
    assert len(app.events("end")) < 50


def plan(n_trials: int = 4, **changes: Any) -> Plan:
    search = parse({"x": "interval(0,1)"}, [])
    options = {"retries": 0, "enqueue": (), "seed": 0, "build": lambda draw, _: optuna.samplers.RandomSampler(draw)}
    return Plan(search, n_trials, **(options | changes))


@pytest.fixture
def claims(tmp_path: Path) -> Claims:
    url = f"journal://{tmp_path}/s.journal"
    optuna.create_study(study_name="s", storage=open_storage(url))
    return Claims(url, "s", plan(), grace=0.5)


def quiet(study: optuna.Study, trial: FrozenTrial) -> None:
    """Nobody is told."""


def elsewhere(claims: Claims) -> optuna.Trial:
    """A running trial of a process on another machine."""
    owned = {OWNER: me() | {"machine": "another", "pid": 1}, BEAT: 1.0}
    claims.study().add_trial(create_trial(state=TrialState.RUNNING, user_attrs=owned))
    return optuna.Trial(claims.study(), claims.study().trials[-1]._trial_id)


def test_another_machines_trial_is_dead_after_its_grace_and_not_before(claims: Claims) -> None:
    trial = elsewhere(claims)
    for _ in range(3):
        claimed = claims.claim(quiet)
        assert isinstance(claimed, optuna.Trial)
    assert claims.claim(quiet) is Nothing.WAIT
    assert claims.study().trials[trial.number].state == TrialState.RUNNING
    time.sleep(0.6)
    assert isinstance(claims.claim(quiet), optuna.Trial)
    lost = claims.study().trials[trial.number]
    assert (lost.state, lost.user_attrs[LOST]) == (TrialState.FAIL, "died")
    assert "gave no sign of life for 0.5 s" in lost.user_attrs["reason"]


def test_another_machines_live_trial_is_left_alone(claims: Claims) -> None:
    """Whatever its clock says: only that its heartbeat changes counts."""
    trial = elsewhere(claims)
    deadline = time.monotonic() + 1.5
    with beating(trial, every=0.1):
        while time.monotonic() < deadline:
            claims.claim(quiet)
            time.sleep(0.05)
    assert claims.study().trials[trial.number].state == TrialState.RUNNING


def test_a_process_is_known_by_its_start_and_not_its_number_alone() -> None:
    child = subprocess.Popen(["sleep", "60"])
    theirs = me() | {"pid": child.pid, "started": owner._started(child.pid)}
    assert lives(theirs) is True
    assert lives(theirs | {"started": theirs["started"] + 1}) is False
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # dead, and still to be seen in the table of processes
    assert lives(theirs) is False
    child.wait()
    assert lives(theirs) is False
    assert lives(theirs | {"machine": "another"}) is None


def test_a_point_that_kills_its_process_is_given_up_after_its_retries(claims: Claims) -> None:
    claims.plan = plan(retries=2)
    for deaths in range(3):
        trial = claims.claim(quiet)
        assert isinstance(trial, optuna.Trial)
        assert trial.user_attrs.get("deaths", 0) == deaths
        trial.set_user_attr(OWNER, trial.user_attrs[OWNER] | {"started": -1})
    points = [t.params for t in claims.study().trials]
    assert points[0] == points[1] == points[2]
    assert isinstance(claims.claim(quiet), optuna.Trial)
    trials = claims.study().trials
    assert trials[3].params != points[0]
    assert [t.user_attrs.get("retry_of") for t in trials] == [None, 0, 1, None]
