"""Pruning on a grid of fixed learning curves that are noisy and cross: what it saves, and what it costs."""

import json
from pathlib import Path

import numpy as np
import optuna
import pytest
from applications import Application, states
from optuna.trial import FrozenTrial, TrialState

from ringexp.sweep.choices import pruner_spec
from ringexp.sweep.claims import Claims, Nothing, Plan
from ringexp.sweep.grammar import parse
from ringexp.sweep.storage import open_storage
from ringexp.sweep.trial import PRUNER, WARMUP, StudyTrial, handle

CURVES, STEPS = 30, 20
SEEDS = range(10)


def curves(seed: int) -> list[list[float]]:
    """Losses that fall to a level of their own at a rate of their own, with noise: the fast ones are not the best."""
    draw = np.random.default_rng(seed)
    level, rate = draw.uniform(0.2, 1.0, (2, CURVES, 1))
    steps = np.arange(STEPS)
    found: list[list[float]] = (level + np.exp(-0.5 * rate * steps) + draw.normal(0, 0.02, (CURVES, STEPS))).tolist()
    return found


def swept(folder: Path, seed: int, pruner: str) -> tuple[optuna.Study, int]:
    """The study of a grid over the curves, as one worker runs it without jobs; and the steps that were made."""
    url = f"journal://{folder}/{pruner}-{seed}.journal"
    study = optuna.create_study(study_name="s", storage=open_storage(url))
    study.set_user_attr(PRUNER, pruner_spec(pruner))
    study.set_user_attr(WARMUP, 3)
    search = parse({"curve": f"range(0,{CURVES - 1})"}, [])
    claims = Claims(url, "s", Plan(search, CURVES, 0, (), seed, None), grace=60)
    data, steps = curves(seed), 0
    while (trial := claims.claim(quiet)) is not Nothing.DONE:
        assert isinstance(trial, optuna.Trial)
        job = StudyTrial(url, "s", trial._trial_id)
        curve = data[trial.params["curve"]]
        try:
            for step, value in enumerate(curve):
                steps += 1
                job.report(value, step)
            claims.study().tell(trial.number, curve[-1])
        except optuna.TrialPruned:
            claims.study().tell(trial.number, state=TrialState.PRUNED)
    return study, steps


def quiet(study: optuna.Study, trial: FrozenTrial) -> None:
    """Nobody is told."""


def test_median_pruning_saves_two_fifths_and_keeps_the_best(tmp_path: Path) -> None:
    made, kept = [], []
    for seed in SEEDS:
        study, steps = swept(tmp_path, seed, "median")
        assert len(study.trials) == CURVES
        made.append(steps)
        finals = [curve[-1] for curve in curves(seed)]
        kept.append(study.best_trial.params["curve"] == int(np.argmin(finals)))
    print(f"steps made: {made} of {CURVES * STEPS}; the same best: {sum(kept)} of {len(kept)}")
    assert np.mean(made) <= 0.6 * CURVES * STEPS
    assert sum(kept) >= 9


def test_nothing_is_pruned_without_a_pruner(tmp_path: Path) -> None:
    study, steps = swept(tmp_path, 0, "none")
    assert states(study.trials) == {"COMPLETE": CURVES}
    assert steps == CURVES * STEPS


def test_nothing_is_pruned_below_the_warm_up(app: Application) -> None:
    """The whole way: sweeper, job, storage. Worse and worse curves, the last of them pruned, at step 2 the earliest."""
    (app.folder / "curves.json").write_text(json.dumps([[i, i, i, i, i] for i in range(12)]))
    app.run("y=range(0,11)", "hydra.sweeper.sampler=grid", "hydra.sweeper.n_trials=12", "curves=curves.json",
            "hydra.sweeper.warmup=2", "hydra.sweeper.pruner={name:median,n_startup_trials:2}")  # fmt: skip
    trials = app.trials()
    pruned = [t for t in trials if t.state == TrialState.PRUNED]
    assert len(pruned) >= 3
    assert {t.last_step for t in pruned} == {2}
    assert len(app.events("step")) == 3 * len(pruned) + 5 * (12 - len(pruned))


@pytest.mark.parametrize("name", ["median", "successive_halving", "hyperband", "wilcoxon", "patient", "none"])
def test_every_named_pruner_is_built_and_asked(tmp_path: Path, name: str) -> None:
    url = f"journal://{tmp_path}/s.journal"
    study = optuna.create_study(study_name="s", storage=open_storage(url))
    study.set_user_attr(PRUNER, pruner_spec(name))
    trial = study.ask()
    job = StudyTrial(url, "s", trial._trial_id)
    for step in range(3):
        job.report(1.0 - 0.1 * step, step)
    assert study.trials[0].intermediate_values == {0: 1.0, 1: 0.9, 2: 0.8}


def test_outside_a_sweep_there_is_no_trial() -> None:
    trial = handle(None)
    trial.report(1.0, 1)
    trial.constrain("seconds", 1.0)
    trial.set("key", "value")
    assert not trial.active


