"""Trials that fail, and input that cannot be meant."""

import pytest
from applications import Application, states
from optuna.trial import TrialState


def test_three_of_ten_fail_and_the_sweep_goes_on(app: Application) -> None:
    done = app.run("x=interval(0,1)", "hydra.sweeper.n_trials=10", "hydra.sweeper.max_failure_rate=0.3",
                   "fail_at=[2,7]", "nan_at=[4]")  # fmt: skip
    trials = app.trials()
    assert states(trials) == {"COMPLETE": 7, "FAIL": 3}
    reasons = {t.number: t.user_attrs["reason"] for t in trials if t.state == TrialState.FAIL}
    assert reasons == {
        2: "ValueError: told to fail with password=*** at trial 2",
        4: "the job returned nan, not a finite number",
        7: "ValueError: told to fail with password=*** at trial 7",
    }
    assert "in run" in trials[2].user_attrs["traceback"]
    assert "hunter2" not in str([t.user_attrs for t in trials]) + done.stderr
    for number, reason in reasons.items():
        (line,) = [line for line in done.stderr.splitlines() if f"trial {number} failed" in line]
        assert reason in line


def test_more_failures_than_allowed_end_the_sweep(app: Application) -> None:
    command = ("x=interval(0,1)", "hydra.sweeper.n_trials=10", "fail_at=[1,2,3]")
    done = app.run(*command, "hydra.sweeper.max_failure_rate=0.2", status=2)
    assert states(app.trials()) == {"COMPLETE": 1, "FAIL": 3}
    assert "max_failure_rate=0.2" in done.stderr.splitlines()[-1]
    assert app.run(*command, status=2).stderr.count("\n") == 1  # the same again: at once
    assert len(app.trials()) == 4
    app.run(*command, "hydra.sweeper.max_failure_rate=0.5")
    assert states(app.trials()) == {"COMPLETE": 7, "FAIL": 3}


@pytest.mark.parametrize(("overrides", "names"), [
    (["x=interval(1"], "x=interval(1: not in Hydra's override grammar"),
    (["x=interval(1,0)"], "x=interval(1,0)"),
    (["x=tag(log,interval(0,1))"], "x=tag(log,interval(0,1))"),
    (["x=shuffle(choice(1,2))"], "shuffle"),
    (["x=1"], "nothing to search"),
    (["nosuch=interval(0,1)"], "nosuch"),
    (["x=interval(0,1)", "hydra.sweeper.sampler=nosuch"], "hydra.sweeper.sampler=nosuch: unknown; use tpe, gp"),
    (["x=interval(0,1)", "hydra.sweeper.sampler=cmaes"], "the package `cmaes` is not installed"),
    (["x=interval(0,1)", "hydra.sweeper.sampler=grid"], "a grid has steps"),
    (["x=interval(0,1)", "hydra.sweeper.pruner=nosuch"], "hydra.sweeper.pruner=nosuch: unknown"),
    (["x=interval(0,1)", "hydra.sweeper.pruner={_target_:optuna.pruners.PatientPruner,patience:-1}"], "patience"),
    (["x=interval(0,1)", "hydra.sweeper.direction=up"], "use minimize or maximize"),
    (["x=interval(0,1)", "+hydra.sweeper.n_trial=3"], "hydra.sweeper.n_trial: unknown"),
    (["x=interval(0,1)", "hydra.sweeper.enqueue=[{z:1}]"], "z is not searched"),
    (["x=interval(0,1)", "hydra.sweeper.enqueue=[{x:2}]"], "x=2 is not in"),
    (["x=interval(0,1)", "hydra.sweeper.storage=redis://h"], "use journal:///<path>"),
    (["x=interval(0,1)", "hydra.sweeper.storage=sqlite:///a.db", "hydra.sweeper.n_jobs=2"], "SQLite is for one"),
    (["x=interval(0,1)", "hydra.sweeper.study_name=a/b"], "study_name=a/b"),
])  # fmt: skip
def test_bad_input_is_one_line_and_no_study_is_made(app: Application, overrides: list[str], names: str) -> None:
    done = app.run(*overrides, status=2)
    (line,) = done.stderr.splitlines()
    assert names in line
    assert not list(app.folder.rglob("*.journal")) and not list(app.folder.rglob("*.db"))


@pytest.mark.parametrize(("changed", "names"), [
    (["x=interval(0,2)"], "x was FloatDistribution(high=1.0, log=False, low=0.0, step=None) and is"),
    (["x=interval(0,1)", "y=choice(1,2)"], "y was not searched and is"),
    (["x=interval(0,1)", "hydra.sweeper.direction=maximize"], "direction was minimize and is maximize"),
])  # fmt: skip
def test_a_study_is_not_gone_on_with_in_another_space(app: Application, changed: list[str], names: str) -> None:
    app.run("x=interval(0,1)", "hydra.sweeper.n_trials=1")
    done = app.run(*changed, "hydra.sweeper.n_trials=2", status=2)
    (line,) = done.stderr.splitlines()
    assert names in line
    assert len(app.trials()) == 1
