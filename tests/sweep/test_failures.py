"""Trials that fail, and input that cannot be meant."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from applications import Application, states
from optuna.trial import TrialState

from ringexp.errors import ConfigError
from ringexp.sweep import command
from ringexp.sweep.settings import settings


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


X = {"params": {"x": "interval(0,1)"}}


@pytest.mark.parametrize(("given", "names"), [
    ({"params": {"x": "interval(1"}}, "hydra.sweeper.params.x=interval(1: not in Hydra's override grammar"),
    ({"params": {"x": "interval(1,0)"}}, "x=interval(1,0)"),
    ({"params": {"x": "tag(log,interval(0,1))"}}, "x=tag(log,interval(0,1))"),
    ({"params": {"x": "tag(small,interval(0,1))"}}, "unknown tag small"),
    ({"params": {"x": "shuffle(choice(1,2))"}}, "shuffle"),
    ({"params": {"x": 1}}, "nothing to search"),
    ({"params": {"x": {"space": "choice(1,2)", "when": {"y": 1}}}}, "x.when.y: y is not searched"),
    ({"params": {"y": "choice(2,3)", "x": {"space": "choice(1,2)", "when": {"y": 1}}}}, "x.when.y=1: not in"),
    ({"params": {"x": {"of": "choice(1,2)"}}}, "{space: interval(0,1), when: {other: value}}"),
    (X | {"sampler": "nosuch"}, "hydra.sweeper.sampler=nosuch: unknown; use tpe, gp"),
    (X | {"sampler": "grid"}, "a grid has steps"),
    (X | {"sampler": {"name": "tpe", "candidates": 3}}, "candidates"),
    (X | {"pruner": "nosuch"}, "hydra.sweeper.pruner=nosuch: unknown"),
    (X | {"pruner": {"name": "patient", "patience": -1}}, "patience"),
    (X | {"direction": "up"}, "use minimize or maximize"),
    (X | {"direction": ["minimize", "maximize"]}, "one objective"),
    (X | {"n_trial": 3}, "hydra.sweeper.n_trial: unknown"),
    (X | {"n_trials": 0}, "hydra.sweeper.n_trials=0"),
    (X | {"max_failure_rate": 2}, "hydra.sweeper.max_failure_rate=2"),
    (X | {"custom_search_space": "a.b"}, "hydra.sweeper.custom_search_space: not supported"),
    (X | {"enqueue": [{"z": 1}]}, "z is not searched"),
    (X | {"enqueue": [{"x": 2}]}, "x=2 is not in"),
    (X | {"storage": "redis://h"}, "use journal:///<path>"),
    (X | {"storage": "sqlite:///a.db", "n_jobs": 2}, "SQLite is for one"),
    (X | {"storage": "postgresql+nosuch://me:hunter2@h/d"}, "needs the driver nosuch"),
    (X | {"study_name": "a/b"}, "study_name=a/b"),
])  # fmt: skip
def test_bad_input_is_one_line(given: dict[str, Any], names: str) -> None:
    """Raised before the study, the launcher or the job's configuration is touched."""
    with pytest.raises(ConfigError) as caught:
        command.sweep(settings(given), [], None, None, None)  # type: ignore[arg-type]
    assert names in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(("overrides", "names"), [
    (["seed=interval(0"], "interval(0"),
    (["sede=choice(0,1)"], "sede"),
    (["seed=choice(0,1)", "hydra.sweeper.sampler=nosuch"], "hydra.sweeper.sampler=nosuch: unknown"),
    (["seed=choice(0,1)", "hydra.launcher._target_=my.Launcher"], "hydra/launcher: ringexp_optuna knows basic and"),
])  # fmt: skip
def test_the_command_says_it_in_one_line_and_status_2(tmp_path: Path, overrides: list[str], names: str) -> None:
    done = subprocess.run([sys.executable, "-m", "ringexp.cli", "-m", "hydra/sweeper=ringexp_optuna", *overrides],
                          cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)  # fmt: skip
    (line,) = done.stderr.splitlines()
    assert line.startswith("ringexp: ")
    assert names in line
    assert done.returncode == 2
    assert list(tmp_path.iterdir()) == []


def test_a_study_is_not_gone_on_with_in_another_space(app: Application) -> None:
    app.run("x=interval(0,1)", "hydra.sweeper.n_trials=1")
    for changed, names in (
        (["x=interval(0,2)"], "x was FloatDistribution(high=1.0, log=False, low=0.0, step=None) and is"),
        (["x=interval(0,1)", "y=choice(1,2)"], "y was not searched and is"),
        (["x=interval(0,1)", "hydra.sweeper.direction=maximize"], "direction was minimize and is maximize"),
    ):
        (line,) = app.run(*changed, "hydra.sweeper.n_trials=2", status=2).stderr.splitlines()
        assert names in line
    assert len(app.trials()) == 1
