"""Draws of every named sampler, conditions and all, against one study."""

from pathlib import Path

import optuna
import pytest
from applications import states
from optuna.trial import FrozenTrial

from ringexp.sweep.choices import build_sampler, sampler_spec
from ringexp.sweep.claims import Claims, Nothing, Plan
from ringexp.sweep.grammar import parse
from ringexp.sweep.search import identity
from ringexp.sweep.storage import open_storage

PARAMS = {"x": "interval(0,1)", "kind": "choice(a,b)", "n": {"space": "int(interval(1,4))", "when": {"kind": "b"}}}


def told(study: optuna.Study, trial: FrozenTrial) -> None:
    """Nobody is told."""


def run(folder: Path, sampler: object, n_trials: int) -> optuna.Study:
    """A study of (x − 0.3)² + n, claimed and told by one worker."""
    url = f"journal://{folder}/s.journal"
    optuna.create_study(study_name="s", storage=open_storage(url), load_if_exists=True)
    spec = sampler_spec(sampler)
    plan = Plan(parse(PARAMS, []), n_trials, 0, (), 1, lambda draw, attempt: build_sampler(spec, 1, draw, attempt))
    claims = Claims(url, "s", plan, grace=60)
    while (trial := claims.claim(told)) is not Nothing.DONE:
        assert isinstance(trial, optuna.Trial)
        claims.study().tell(trial.number, (trial.params["x"] - 0.3) ** 2 + trial.params.get("n", 0))
    return claims.study()


@pytest.mark.parametrize("sampler", [
    "tpe", "random", "qmc", "cmaes", {"name": "gp", "n_startup_trials": 6},
    {"_target_": "optuna.samplers.NSGAIISampler"},
])  # fmt: skip
def test_every_sampler_draws_other_points_from_the_whole_space(tmp_path: Path, sampler: object) -> None:
    study = run(tmp_path, sampler, 12)
    assert states(study.trials) == {"COMPLETE": 12}
    assert len({identity(t.params) for t in study.trials}) == 12
    assert len({t.params["x"] for t in study.trials}) >= 10
    for trial in study.trials:
        assert ("n" in trial.params) == (trial.params["kind"] == "b")
    assert {t.params["kind"] for t in study.trials} == {"a", "b"}


def test_tpe_learns(tmp_path: Path) -> None:
    """Of 40 draws the later half lies nearer to the best point than random draws do, 0.29 away in the mean."""
    trials = run(tmp_path, "tpe", 40).trials[20:]
    assert sum(abs(t.params["x"] - 0.3) for t in trials) / len(trials) < 0.15


def test_qmc_fills_the_space_evenly(tmp_path: Path) -> None:
    """Sobol's first 16 points have one x in each sixteenth of the interval."""
    trials = run(tmp_path, "qmc", 16).trials
    assert sorted(int(16 * t.params["x"]) for t in trials) == list(range(16))
