"""A study of the recipe, for real and small: killed in RL, gone on with, kept in MLflow."""

import json
from pathlib import Path
from typing import Any

import optuna
import pytest
from mlflow.entities import Run
from optuna.trial import TrialState
from pipelines import PARENT, Done, Store, finished, ringexp_killed, several

TRIALS = 3
SMALL = ("sft.max_steps=10", "trainer.max_steps=4", "evaluation.during.every=1")
SEARCH = ("sweep=two_stage_mixing", f"hydra.sweeper.n_trials={TRIALS}", "hydra.sweeper.enqueue=[two_stage]", *SMALL)


def study_of(folder: Path, name: str = "two_stage_mixing") -> optuna.Study:
    (journal,) = folder.glob("sweeps/*.journal")
    storage = optuna.storages.JournalStorage(optuna.storages.journal.JournalFileBackend(str(journal)))
    return optuna.load_study(study_name=f"{name}-ring_tiny-s0", storage=storage)


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first trial is killed in its second RL stage; the same command ends the sweep."""
    folder = tmp_path_factory.mktemp("swept")
    one = (f"paths.store={folder}", f"tracking.artifacts={folder}/artifacts", *SEARCH)
    ringexp_killed(*one, when=(folder, "*/rl-second-*/step-*"))
    assert [trial.state for trial in study_of(folder).trials] == [TrialState.RUNNING]
    finished(one)
    return folder


def test_what_was_killed_is_gone_on_with_and_nothing_is_left_open(swept: Path) -> None:
    trials = study_of(swept).trials
    assert [trial.state for trial in trials].count(TrialState.COMPLETE) == TRIALS
    (killed,) = [trial for trial in trials if trial.state == TrialState.FAIL]
    (again,) = [trial for trial in trials if trial.user_attrs.get("retry_of") == killed.number]
    assert again.user_attrs["mlflow_run"] == killed.user_attrs["mlflow_run"]
    store = Store(swept)
    assert {run.info.status for run in store.runs} == {"FINISHED"}
    complete = [trial for trial in trials if trial.state == TrialState.COMPLETE]
    pipelines = {run.info.run_id: run for run in store.kind("pipeline")}
    assert {trial.user_attrs["mlflow_run"] for trial in complete} == pipelines.keys()
    assert len({tuple(trial.params.values()) for trial in complete}) == TRIALS
    for trial in complete:
        run = pipelines[trial.user_attrs["mlflow_run"]]
        assert run.data.tags["ringexp.trial"] == str(trial.number)
        assert (swept / trial.user_attrs["folder"]).is_dir()


def test_the_sweep_s_run_holds_the_study(swept: Path) -> None:
    store, study = Store(swept), study_of(swept)
    (run,) = store.kind("sweep")
    assert {pipeline.data.tags[PARENT] for pipeline in store.kind("pipeline")} == {run.info.run_id}
    table = json.loads(_artifact(store, run, "trials.json"))
    assert {"trial", "state", "value", "schedule.boundary", "reason", "mlflow_run"} <= set(table["columns"])
    assert [row[0] for row in table["data"]] == [trial.number for trial in study.trials]
    assert run.data.tags["ringexp.best_trial"] == str(study.best_trial.number)
    values = {trial.number: trial.value for trial in study.trials if trial.state == TrialState.COMPLETE}
    assert dict(store.history(run, "sweep/value")) == values
    assert f"The best is trial {study.best_trial.number} " in run.data.tags["mlflow.note.content"]
    page = _artifact(store, run, "study.html")
    assert "Mixtures of stage first" in page and "Mixtures of stage second" in page
    assert 'src="http' not in page


def _artifact(store: Store, run: Run, file: str) -> str:
    return Path(store.client.download_artifacts(run.info.run_id, file)).read_text()


def test_stages_that_trials_share_are_trained_once(swept: Path) -> None:
    stages = [run.data.tags for run in Store(swept).kind("stage") if run.data.tags["ringexp.stage"] == "sft"]
    assert len(stages) == TRIALS
    assert sum("ringexp.reused_from" in tags for tags in stages) == TRIALS - 1


def test_a_trial_reports_at_the_steps_of_the_run(swept: Path) -> None:
    complete = [trial for trial in study_of(swept).trials if trial.state == TrialState.COMPLETE]
    assert {tuple(trial.intermediate_values) for trial in complete} == {(1, 2, 3, 4)}


SHIPPED = ("three_stage_mixing", "c3po_budget", "entropy_band")
ALLOWED = "schedule.max_epochs=0.001"
HERE = "hydra.sweeper.winners"
WINNERS = (f"{HERE}.n=1", f"{HERE}.seeds=[5]", f"{HERE}.overrides.evaluation.prompts=16",
           f"{HERE}.overrides.evaluation.samples=2", f"{HERE}.overrides.evaluation.k=[1,2]")  # fmt: skip


@pytest.fixture(scope="module")
def others(swept: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Done]]:
    """In one process: the configuration of the last trial of `swept`; studies of one sampled trial, a folder each; the
    winner of one on one more seed; a run that draws more than it may.

    Gives their parent folder and what was said.
    """
    folder = tmp_path_factory.mktemp("others")
    point = [f"{key}={value!r}" for key, value in last_of(swept).params.items()]
    schedule = "schedule=searched_two_stage"
    alone = [f"paths.store={folder}/alone", schedule, "evaluation.split=validation", *SMALL, *point]
    pruner = "hydra.sweeper.pruner={_target_:optuna.pruners.ThresholdPruner,upper:-1}"
    commands = [["pruned", *SEARCH, pruner], ["beyond", *SEARCH, ALLOWED]]
    for name in SHIPPED:
        length = "sft.max_steps=choice(5,10)" if name == "entropy_band" else "sft.max_steps=5"
        commands.append([name, f"sweep={name}", "hydra.sweeper.enqueue=[]", "trainer.max_steps=3", length])
    studies = [[f"paths.store={folder}/{where}", *rest, "hydra.sweeper.n_trials=1"] for where, *rest in commands]
    winners = [*studies[SHIPPED.index("c3po_budget") + 2], *WINNERS]
    done = several(alone, *studies, winners, [f"paths.store={folder}/more", schedule, ALLOWED])
    assert [one.returncode for one in done] == [0] * (len(done) - 1) + [2], [one.stderr[-2000:] for one in done]
    return folder, done


def last_of(swept: Path) -> Any:
    return [trial for trial in study_of(swept).trials if trial.state == TrialState.COMPLETE][-1]


def test_a_trial_equals_the_same_configuration_run_alone(swept: Path, others: tuple[Path, list[Done]]) -> None:
    """The trial came third in a process that other trials' engine, data and modules had lived in, the other first."""
    alone, trial = Store(others[0] / "alone"), Store(swept, last_of(swept).user_attrs["mlflow_run"])
    assert alone.histories() == trial.histories()


def test_a_trial_is_pruned_once_the_last_stage_has_begun(others: tuple[Path, list[Done]]) -> None:
    """A pruner that would end everything at once: the boundary lies after step 2, so step 3 is the first it gets."""
    folder = others[0] / "pruned"
    (trial,) = study_of(folder).trials
    assert (trial.state, list(trial.intermediate_values)) == (TrialState.PRUNED, [1, 2, 3])
    store = Store(folder)
    assert store.pipeline.info.status == store.stage("rl-second").info.status == "KILLED"
    assert "after 3 RL steps" in store.pipeline.data.tags["ringexp.pruned"]


def test_a_schedule_beyond_the_data_is_not_trained(others: tuple[Path, list[Done]]) -> None:
    folder, said = others
    (trial,) = study_of(folder / "beyond").trials
    assert trial.state == TrialState.PRUNED
    assert all(trial.constraints[f"availability/{domain}"] > 0 for domain in ("code", "science"))
    assert Store(folder / "beyond").kind("stage") == []
    assert f"{ALLOWED}: the schedule draws" in said[-1].stderr.splitlines()[-1]


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_studies_run(others: tuple[Path, list[Done]], name: str) -> None:
    assert {run.info.status for run in Store(others[0] / name).runs} == {"FINISHED"}
    assert [trial.state for trial in study_of(others[0] / name, name).trials] == [TrialState.COMPLETE]


def test_the_winner_is_run_on_test_prompts_beside_the_configuration(others: tuple[Path, list[Done]]) -> None:
    """Pipelines like any other, their SFT trained once; what was measured is what their runs hold."""
    folder = others[0] / "c3po_budget"
    store = Store(folder)
    (run,), (sweep,) = store.kind("winners"), store.kind("sweep")
    assert run.data.tags[PARENT] == sweep.info.run_id
    pipelines = [one for one in store.kind("pipeline") if one.data.tags[PARENT] == run.info.run_id]
    assert [one.data.params["seed"] for one in pipelines] == ["5", "5"]
    stages = [one.data.tags for one in store.kind("stage") if one.data.tags["ringexp.stage"] == "sft"]
    assert sum("ringexp.reused_from" in tags for tags in stages) == 1
    assert all("final/rl/mean/pass_at_1" in one.data.metrics for one in pipelines)  # of test prompts alone
    table = json.loads(_artifact(store, sweep, "winners.json"))
    assert table == json.loads(_artifact(store, run, "winners.json"))
    means = {(row[0], row[1]): row[2] for row in table["data"]}
    default, won = (one.data.metrics for one in pipelines)
    for domain in ("code", "math", "science", "mean"):
        gains = [m[f"final/rl/{domain}/pass_at_1"] - m[f"final/sft/{domain}/pass_at_1"] for m in (default, won)]
        assert [means["default", f"gain/{domain}"], means["trial 0", f"gain/{domain}"]] == pytest.approx(gains)
        assert means["trial 0 − default", f"gain/{domain}"] == pytest.approx(gains[1] - gains[0])
    assert Path(store.client.download_artifacts(sweep.info.run_id, "winners.png")).stat().st_size > 10_000
    listed = json.loads(store.client.get_run(sweep.info.run_id).data.tags["mlflow.loggedArtifacts"])
    assert [entry["path"] for entry in listed] == ["trials.json", "winners.json"]


@pytest.mark.parametrize("name", ["two_stage_mixing", *SHIPPED])
def test_shipped_baselines_are_points_of_their_search(name: str) -> None:
    """Nothing is run: the points to begin with are found and checked before the space turns out to be no grid."""
    (done,) = several((f"sweep={name}", "hydra.sweeper.sampler=grid"))
    assert "hydra.sweeper.sampler=grid: a grid has steps" in done.stderr.splitlines()[-1]
