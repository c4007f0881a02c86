"""The winners of a search over fresh seeds: who runs, how it is told, what is refused, what a kill costs."""

import json
import signal
from pathlib import Path
from typing import Any

import optuna
import pytest
from applications import Application, states
from optuna.distributions import CategoricalDistribution
from optuna.trial import TrialState, create_trial

from ringexp.sweep import standings
from ringexp.sweep.claims import LOST
from ringexp.sweep.storage import open_storage
from ringexp.sweep.winners import CANDIDATE, SEED, WINNERS, Candidate, Runs

SEARCH = ("x=interval(0,1)", "y=choice(1,2)", "hydra.sweeper.n_trials=6", "hydra.sweeper.enqueue=[{x:0.25,y:1}]")
HERE = "hydra.sweeper.winners"
MEASURED = (*SEARCH, f"{HERE}.n=2", f"{HERE}.seeds=3", f"+{HERE}.overrides.measure=true",
            f"{HERE}.baselines=[default,{{x:0.25,y:1}}]")  # fmt: skip


def again(app: Application) -> optuna.Study:
    """The winners' study."""
    app.study()
    journal = open_storage(f"journal://{app.folder}/store/sweeps/s.journal")
    (name,) = [found.study_name for found in journal.get_all_studies() if found.study_name != "s"]
    assert name.startswith("s-winners-")
    return optuna.load_study(study_name=name, storage=journal)


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Application:
    """A sweep of six trials with its winners, of which the first command was killed."""
    app = Application(tmp_path_factory.mktemp("searched"))
    app.run(*SEARCH)
    process = app.start(*MEASURED, "hydra.sweeper.retries=1", "hydra.sweeper.n_jobs=2", "+hydra.sweeper.winners."
                        "overrides.sleep=0.3")  # fmt: skip
    app.wait_for(lambda: sum(row["point"]["seed"] > 0 for row in app.events("begin")) >= 3)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    app.run(*MEASURED, "hydra.sweeper.retries=1", "+hydra.sweeper.winners.overrides.sleep=0.3")
    return app


def test_candidates_run_on_every_seed_that_the_search_has_not_seen(searched: Application) -> None:
    study = again(searched)
    done = [trial for trial in study.trials if trial.state == TrialState.COMPLETE]
    best = sorted(searched.study().trials, key=lambda trial: trial.value or 0.0)[:2]
    assert 0 in {trial.number for trial in best}  # the enqueued point: trial and baseline are one candidate
    other = next(trial for trial in best if trial.number != 0)
    names = ["default", "x=0.25 y=1 = trial 0", f"trial {other.number}"]
    assert list(study.user_attrs[WINNERS]["candidates"]) == names
    asked = sorted((name, seed) for name in names for seed in (1, 2, 3))
    assert sorted((trial.params[CANDIDATE], trial.params[SEED]) for trial in done) == asked
    ends = {row["number"]: row["point"] for row in searched.events("begin") if row["point"]["seed"] > 0}
    points = {(round(p["x"], 9), p["y"], p["seed"]) for p in ends.values()}
    whole = [(0.0, 0), (0.25, 1), (round(other.params["x"], 9), other.params["y"])]
    assert points == {(*own, seed) for own in whole for seed in (1, 2, 3)}


def test_every_seed_is_begun_before_a_second_candidate() -> None:
    """So no worker waits for another's SFT while a seed has none."""
    runs = Runs((), (), tuple(Candidate((name,), ()) for name in ("base", "one", "two")), (4, 5), "s")
    assert [(point[CANDIDATE], point[SEED]) for point in runs.points()] == [
        ("base", 4), ("base", 5), ("one", 4), ("two", 4), ("one", 5), ("two", 5)]  # fmt: skip


def test_what_a_kill_left_is_run_again_and_nothing_else(searched: Application) -> None:
    trials = again(searched).trials
    lost = [trial for trial in trials if LOST in trial.user_attrs]
    assert 1 <= len(lost) <= 2
    assert len(trials) == 9 + len(lost)
    begun = searched.events("begin")
    assert len(begun) == 6 + len(trials)
    done = searched.run(*MEASURED, "hydra.sweeper.retries=1", "+hydra.sweeper.winners.overrides.sleep=0.3")
    assert searched.events("begin") == begun
    assert "s: its winners on seeds 1, 2, 3" in done.stdout
    gain = {words[0]: words[-9:] for line in done.stdout.splitlines() if (words := line.split()) and "3/3" in words}
    # y + seed², for y = 0: 1, 4, 9, s = √(49/3), t(0.975, 2) = 4.3027, so half is 4.3027 · 4.0415 / √3 = 10.040
    assert gain["default"] == ["0.000", "±", "0.000", "4.667", "±", "10.040", "1.090", "±", "0.000"]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Application:
    app = Application(tmp_path_factory.mktemp("finished"))
    app.run(*SEARCH)
    return app


REFUSED = {
    f"{HERE}.seeds=[0,1]": f"{HERE}.seeds=[0, 1]: 0 is the seed of the search",
    f"{HERE}.n=7": f"{HERE}.n=7: s has 6 complete trials",
    "rate=2": "rate was 1.0 and is 2",
    "x=interval(0,2)": "the sweep that was run is another one: x was",
    f"{HERE}.baselines=[{{z:1}}]": f"{HERE}.baselines: z is not searched",
    f"{HERE}.baselines=two_stage": f"{HERE}.baselines=two_stage: write it as [two_stage,",
    f"{HERE}.seeds=[1,1]": "give a number of seeds, or different seeds",
    f"{HERE}.n=-1": f"{HERE}.n=-1: must be a whole number",
    "hydra.sweeper.study_name=other": "study_name=other: no such sweep in the storage",
    "seed=choice(1,2)": "another one: seed was not searched",
}


def test_what_cannot_be_is_one_line_before_anything_runs(finished: Application, app: Application) -> None:
    begun, files = finished.events("begin"), sorted(finished.folder.rglob("*"))
    command = [*SEARCH, f"{HERE}.n=1", f"{HERE}.seeds=2"]
    done = finished.several(*([*command, changed] for changed in REFUSED))
    lines = done.stderr.splitlines()
    assert len(lines) == len(REFUSED)
    for line, names in zip(lines, REFUSED.values(), strict=True):
        assert names in line
    assert (finished.events("begin"), sorted(finished.folder.rglob("*"))) == (begun, files)
    app.run(*command, status=2)
    assert list(app.folder.iterdir()) == []  # where there never was a sweep no storage is made


def test_a_failed_seed_is_counted_and_shown_and_a_search_that_goes_on_is_said(finished: Application) -> None:
    command = (*SEARCH, "hydra.sweeper.n_trials=9", f"{HERE}.n=1", f"{HERE}.seeds=[7,9]", f"{HERE}.baselines=[default]",
               f"+{HERE}.overrides.fail_at=[1]")  # fmt: skip
    refused = finished.run(*command, status=2)
    assert "warning: s is not at its end (6 of 9 trials done, 0 running)" in refused.stderr
    assert "trial 1 (default, seed 9) failed" in refused.stderr
    assert "1 of 2 trials failed" in refused.stderr and "give other seeds" in refused.stderr
    shown = finished.run(*command, "hydra.sweeper.max_failure_rate=0.5").stdout
    assert "1 failed:\n  default, seed 9: failed: ValueError: told to fail" in shown
    assert "hunter2" not in shown
    assert states(again(finished).trials) == {"COMPLETE": 3, "FAIL": 1}
    counts = [(line.split()[0], word) for line in shown.splitlines() for word in line.split()
              if word in ("1/2", "2/2")]  # fmt: skip
    assert counts == [("default", "1/2"), ("trial", "2/2"), ("trial", "1/2")]  # and the lead, on one seed


def study(rows: list[tuple[str, int, dict[str, float] | None]]) -> optuna.Study:
    made = optuna.create_study(direction="maximize")
    names = list(dict.fromkeys(name for name, _, _ in rows))
    made.set_user_attr(WINNERS, {"source": "s", "seeds": [1, 2, 3], "candidates": dict.fromkeys(names, None)})
    choices: dict[str, Any] = {CANDIDATE: CategoricalDistribution(names), SEED: CategoricalDistribution([1, 2, 3])}
    for name, seed, measured in rows:
        ended = {"state": TrialState.FAIL, "user_attrs": {"reason": "no disk"}} if measured is None else {
            "value": 0.0, "user_attrs": {"measured": measured}}  # fmt: skip
        made.add_trial(create_trial(params={CANDIDATE: name, SEED: seed}, distributions=choices, **ended))
    return made


BY_HAND = [("base", 1, {"gain/code": 1.0}), ("base", 2, {"gain/code": 2.0}), ("base", 3, {"gain/code": 6.0}),
           ("won", 1, {"gain/code": 2.0}), ("won", 2, None), ("won", 3, {"gain/code": 9.0})]  # fmt: skip


def test_means_and_paired_differences_by_hand() -> None:
    """Differences are taken seed by seed: the leads are 1 and 3, so 2 ± 12.7062; means are 2.5 apart."""
    base, won = standings.standings(study(BY_HAND))
    (mean,) = base.means().values()
    assert (mean.mean, mean.count) == (3.0, 3)
    assert mean.half == pytest.approx(4.302653 * 7**0.5 / 3**0.5, rel=1e-6)
    assert won.means()["gain/code"].mean - mean.mean == 2.5
    lead = won.ahead_of(base)["gain/code"]
    assert (lead.mean, lead.count) == (2.0, 2)
    assert lead.half == pytest.approx(12.706205, rel=1e-6)
    assert won.failed == {2: "failed: no disk"}


def test_the_table_for_mlflow_holds_the_same(tmp_path: Path) -> None:
    table = json.loads(json.dumps(standings.flat(study(BY_HAND)), allow_nan=False))
    rows = {row[0]: dict(zip(table["columns"], row, strict=True)) for row in table["data"]}
    assert (rows["won"]["mean"], rows["won"]["seeds"], rows["won"]["failed"]) == (5.5, 2, 1)
    assert rows["won − base"]["mean"] == 2.0
    assert standings.flat(study(BY_HAND[:1]))["data"] == [["base", "gain/code", 1.0, None, 1, 0]]
    assert standings.failures(study(BY_HAND)) == ["won, seed 2: failed: no disk"]
