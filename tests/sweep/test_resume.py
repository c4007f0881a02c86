"""Sweeps that are killed and given again: nothing is lost, nothing is run twice, the points are the same."""

import json
import signal
from functools import partial

import pytest
from applications import Application, states
from optuna.trial import TrialState

from ringexp.sweep.claims import LOST, RETRY_OF, counted
from ringexp.sweep.search import identity

MIXED = ("x=interval(0,1)", "rate=tag(log,interval(0.001,1))", "kind=choice(plain,other)",
         "+hydra.sweeper.params.y={space:'range(0,5)',when:{kind:other}}")  # fmt: skip
GRID = ("y=range(0,6)", "kind=choice(plain,other)", "hydra.sweeper.sampler=grid")


def in_a_trial(app: Application, after: int) -> bool:
    rows = app.events("begin", "end")
    return bool(rows) and rows[-1]["event"] == "begin" and sum(row["event"] == "end" for row in rows) >= after


def test_killed_in_mid_trial_after_2_5_and_9(app: Application) -> None:
    command = ("x=interval(0,1)", "y=choice(1,2)", "hydra.sweeper.n_trials=12", "sleep=0.1")
    for finished in (2, 5, 9):
        process = app.start(*command)
        app.wait_for(partial(in_a_trial, app, after=finished))
        process.send_signal(signal.SIGKILL)
        process.communicate()
    app.run(*command)
    trials = app.trials()
    done = counted(trials)
    assert states(done) == {"COMPLETE": 12}
    assert not [t for t in trials if t.state in (TrialState.RUNNING, TrialState.WAITING)]
    assert len({identity(t.params) for t in done}) == 12
    lost = [t for t in trials if LOST in t.user_attrs]
    assert len(trials) == 12 + len(lost) <= 15
    assert all("died" in t.user_attrs["reason"] for t in lost)
    begun = app.events("begin")
    assert [row["number"] for row in begun] == [row["job"] for row in begun] == [t.number for t in trials]
    for trial in done:
        assert trial.user_attrs["folder"].endswith(f"/store/job-{trial.number}")
        (row,) = [row for row in begun if row["number"] == trial.number]
        assert {key: row["point"][key] for key in ("x", "y")} == trial.params


AFTER_3 = "hydra.sweeper.observer={_target_:watcher.Watcher,after:3}"


@pytest.mark.parametrize("space", [
    (*MIXED, "hydra.sweeper.sampler=tpe"), (*MIXED, "hydra.sweeper.sampler=random"),
    (*MIXED, "hydra.sweeper.sampler=qmc"), (*GRID, AFTER_3),
], ids=["tpe", "random", "qmc", "grid"])  # fmt: skip
def test_the_points_do_not_depend_on_kills(app: Application, tmp_path_factory: pytest.TempPathFactory,
                                           space: tuple[str, ...]) -> None:  # fmt: skip
    """Killed in the middle of trial 11, whose point is run again; the grid's right after trial 3 too."""
    command = (*space, "hydra.sweeper.n_trials=14", "hydra.sweeper.retries=1")
    whole = Application(tmp_path_factory.mktemp("whole"))
    whole.run(*(word for word in command if word != AFTER_3))
    for status in (*[-signal.SIGKILL] * (1 + (AFTER_3 in space)), 0):
        app.run(*command, "die_at=11", status=status)
    assert app.points() == whole.points()
    assert len({identity(point) for point in whole.points()}) == 14
    assert [t.number for t in app.trials() if t.user_attrs.get(RETRY_OF) == 11] == [12]


def test_what_is_finished_is_not_run_again_and_more_may_be_asked_for(app: Application) -> None:
    app.run("x=interval(0,1)", "hydra.sweeper.n_trials=3")
    again = app.run("x=interval(0,1)", "hydra.sweeper.n_trials=3")
    assert len(app.events("begin")) == 3
    assert "the best of 3 trials" in again.stdout
    app.run("x=interval(0,1)", "hydra.sweeper.n_trials=5")
    assert [row["number"] for row in app.events("begin")] == [0, 1, 2, 3, 4]


def test_a_space_of_choices_is_run_through_once(app: Application) -> None:
    """Sampled at random, 6 points; 20 trials are asked for, and there is no 7th point."""
    command = ("y=choice(1,2,3)", "kind=choice(plain,other)", "hydra.sweeper.sampler=random")
    app.run(*command, "hydra.sweeper.n_trials=4")
    app.run(*command, "hydra.sweeper.n_trials=20")
    assert len(app.trials()) == len({identity(p) for p in app.points()}) == 6


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGINT])
def test_an_interrupted_trial_is_closed_and_its_point_run_again(app: Application, sent: signal.Signals) -> None:
    command = ("x=interval(0,1)", "hydra.sweeper.n_trials=3", "sleep=0.3")
    process = app.start(*command)
    app.wait_for(lambda: len(app.events("begin")) == 2)
    process.send_signal(sent)
    process.communicate()
    assert process.returncode == (-sent if sent == signal.SIGINT else 128 + sent)  # Python's own end of an interrupt
    first, second = app.trials()
    assert (first.state, second.state) == (TrialState.COMPLETE, TrialState.FAIL)
    assert second.user_attrs["reason"] == "interrupted"
    app.run(*command)
    trials = app.trials()
    assert (trials[2].params, trials[2].user_attrs[RETRY_OF]) == (second.params, 1)
    assert states(counted(trials)) == {"COMPLETE": 3}


def test_enqueued_points_are_run_first_and_once(app: Application) -> None:
    points = "hydra.sweeper.enqueue=[{x:0.5,y:1},{x:0.25},{x:0.5,y:1}]"
    command = ("x=interval(0,1)", "y=choice(1,2)", points)
    app.run(*command, "hydra.sweeper.n_trials=1")
    app.run(*command, "hydra.sweeper.n_trials=5")
    first, second, *rest = app.points()
    assert first == {"x": 0.5, "y": 1}
    assert second["x"] == 0.25
    assert len(rest) == 3
    assert not {0.25, 0.5} & {point["x"] for point in rest}


def test_the_observer_is_told_of_every_trial(app: Application) -> None:
    """Also of one found dead; what `started` gives is in every job."""
    command = ("x=interval(0,1)", "hydra.sweeper.n_trials=3", "die_at=1",
               "hydra.sweeper.observer={_target_:watcher.Watcher,rate:4}")  # fmt: skip
    app.run(*command, status=-signal.SIGKILL)
    app.run(*command)
    told = [json.loads(line) for line in (app.folder / "observed.jsonl").read_text().splitlines()]
    kinds = [row["told"] for row in told]
    assert kinds == ["started", "ended", "started", "ended", "ended", "ended", "finished"]
    assert [(row["number"], row["state"]) for row in told if row["told"] == "ended"] == [
        (0, "COMPLETE"), (1, "FAIL"), (2, "COMPLETE"), (3, "COMPLETE")]  # fmt: skip
    assert {row["point"]["rate"] for row in app.events("begin")} == {4.0}


def test_a_trial_costs_little_beside_its_job(app: Application) -> None:
    """From one job's end to the next one's beginning, one process, a journal of 12 trials."""
    app.run("x=interval(0,1)", "y=choice(1,2)", "hydra.sweeper.n_trials=12")
    ends = [row["time"] for row in app.events("end")][:-1]
    begins = [row["time"] for row in app.events("begin")][1:]
    between = [begin - end for begin, end in zip(begins, ends, strict=True)]
    print(f"overhead per trial: mean {sum(between) / len(between):.3f} s, longest {max(between):.3f} s")
    assert sum(between) / len(between) < 1.0
