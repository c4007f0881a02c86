"""The sweep in MLflow: a run that holds the study, pipelines below it; an observer of the sweeper (sweep.observer)."""

import json
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import optuna
from mlflow import MlflowClient
from mlflow.entities import Run
from optuna.exceptions import ExperimentalWarning
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from ringexp.config.schema import TrackingConfig
from ringexp.figures.study import StudyTrial, complete, study_page
from ringexp.sweep.claims import LOST, REASON, counted
from ringexp.tracking.notes import NOTE
from ringexp.tracking.run import TAG, Store
from ringexp.tracking.secrets import scrub

RUN = "ringexp.mlflow_run"
"""User attribute of the study: the sweep's MLflow run."""

TABLE = "trials.json"
TABLES = "mlflow.loggedArtifacts"
STATES = {TrialState.COMPLETE: "complete", TrialState.PRUNED: "pruned", TrialState.FAIL: "failed"}
FEWEST = 4
"""Complete trials from which on importances are estimated."""


class StudyRecord:
    """Keeps the sweep's run up to date: value and best by trial, the table of trials, at the end the pictures.

    Args: the keys of TrackingConfig; n_trials as the sweeper has it.
    """

    kind = "sweep"
    """Tag `ringexp.kind` of its run."""

    def __init__(self, tracking: Mapping[str, Any], n_trials: int) -> None:
        self._store = Store(TrackingConfig(**tracking))
        self._client: MlflowClient = self._store.client
        self._n_trials = n_trials

    def started(self, study: optuna.Study) -> Mapping[str, str]:
        """Find or make the sweep's run; every job gets its id."""
        known = study.user_attrs.get(RUN)
        if known is None or not self._is_there(known, self.kind):
            run = self._client.create_run(self._store.experiment_id, tags=self.tags(study), run_name=study.study_name)
            study.set_user_attr(RUN, run.info.run_id)
        else:
            self._client.update_run(known, status="RUNNING")
        return {"sweep_run": study.user_attrs[RUN]}

    def tags(self, study: optuna.Study) -> dict[str, str]:
        """Of a new run."""
        return {TAG + "kind": self.kind, TAG + "study": study.study_name}

    def ended(self, study: optuna.Study, trial: FrozenTrial) -> None:
        """Log the trial; end the runs of one whose process died, and say on its pipeline why it failed."""
        run_id = study.user_attrs[RUN]
        self._log_value(study, trial)
        self._client.log_text(run_id, json.dumps(table(study)), TABLE)
        self._list(run_id, TABLE)
        pipeline = trial.user_attrs.get("mlflow_run")
        if trial.state == TrialState.FAIL and pipeline is not None:
            self._client.set_tag(pipeline, TAG + "failed", scrub(str(trial.user_attrs.get(REASON, "")))[:500])
            self._end(pipeline)

    def finished(self, study: optuna.Study) -> None:
        """The study's page, its best trial, and the run's status, unless other workers are still at it."""
        run_id = study.user_attrs[RUN]
        trials = study.get_trials(deepcopy=False)
        if any(trial.state == TrialState.RUNNING for trial in trials):
            return
        maximise = study.direction == StudyDirection.MAXIMIZE
        seen = plain(trials)
        if done := complete(seen):
            best, value = (max if maximise else min)(done, key=lambda pair: pair[1])
            attributes = trials[best.number].user_attrs
            found = {"best_trial": str(best.number), "best_value": f"{value:.6g}",
                     "best_params": json.dumps(dict(best.params)), "best_run": str(attributes.get("mlflow_run", ""))}
            for key, text in found.items():
                self._client.set_tag(run_id, TAG + key, text)
            self._client.set_tag(run_id, NOTE, note(seen, best, value))
            if "mlflow_run" in attributes:
                self._client.set_tag(attributes["mlflow_run"], TAG + "best_of", study.study_name)
        page = study_page(study.study_name, seen, importance(study), maximise=maximise)
        self._client.log_text(run_id, page, "study.html")
        self._client.set_terminated(run_id, "FINISHED" if len(counted(trials)) >= self._n_trials else "KILLED")

    def _is_there(self, run_id: str, kind: str) -> bool:
        """Whether the run exists in this store; a study may outlive it."""
        return any(run.info.run_id == run_id for run in self._store.find({TAG + "kind": kind}))

    def _list(self, run_id: str, file: str) -> None:
        """Name a file among the tables that the UI shows."""
        known = json.loads(self._client.get_run(run_id).data.tags.get(TABLES, "[]"))
        entry = {"path": file, "type": "table"}
        if entry not in known:
            self._client.set_tag(run_id, TABLES, json.dumps([*known, entry]))

    def _log_value(self, study: optuna.Study, trial: FrozenTrial) -> None:
        if trial.state != TrialState.COMPLETE or trial.value is None:
            return
        run_id = study.user_attrs[RUN]
        self._client.log_metric(run_id, "sweep/value", trial.value, step=trial.number)
        self._client.log_metric(run_id, "sweep/best", study.best_value, step=trial.number)

    def _end(self, pipeline: str) -> None:
        """Runs of a process that is gone do not stay RUNNING."""
        stages: Sequence[Run] = self._store.find({"mlflow.parentRunId": pipeline})
        for run in (*stages, self._client.get_run(pipeline)):
            if run.info.status == "RUNNING":
                self._client.set_terminated(run.info.run_id, "KILLED")


def plain(trials: Sequence[FrozenTrial]) -> list[StudyTrial]:
    """The trials that have ended, for tables and figures; those that do not count left out."""
    return [StudyTrial(trial.number, STATES[trial.state], trial.value, trial.params,
                       trial.user_attrs.get("stages", []))
            for trial in trials if trial.state in STATES and LOST not in trial.user_attrs]  # fmt: skip


def note(trials: Sequence[StudyTrial], best: StudyTrial, value: float) -> str:
    """The description of the sweep's run, in Markdown."""
    ended = ", ".join(f"{sum(t.state == state for t in trials)} {state}" for state in STATES.values())
    point = " ".join(f"{key}={number:.6g}" if isinstance(number, float) else f"{key}={number}"
                     for key, number in best.params.items())  # fmt: skip
    return (f"A sweep: {ended}. The best is trial {best.number} with {value:.4f}, found on the prompts that the search "
            f"looked at, so optimistic:\n\n    {point}\n\nArtifacts: *study.html*, the study in pictures; "
            "*trials.json*, all trials. The pipelines lie below this run.")  # fmt: skip


def table(study: optuna.Study) -> dict[str, list[Any]]:
    """All ended trials as MLflow stores tables: columns, and a row of data each."""
    ended = [trial for trial in study.get_trials(deepcopy=False) if trial.state in STATES]
    keys = sorted({key for trial in ended for key in trial.params})
    columns = ["trial", "state", "value", *keys, "steps reported", "seconds", "reason", "mlflow_run"]
    rows = [
        [trial.number, STATES[trial.state], trial.value, *(trial.params.get(key) for key in keys),
         len(trial.intermediate_values), None if trial.duration is None else trial.duration.total_seconds(),
         trial.user_attrs.get(REASON), trial.user_attrs.get("mlflow_run")]
        for trial in ended
    ]  # fmt: skip
    return {"columns": columns, "data": rows}


def importance(study: optuna.Study) -> dict[str, float]:
    """Optuna's estimate of how much each parameter matters; nothing of few trials, or where all values are equal."""
    done = [trial.value for trial in study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))]
    if len(done) < FEWEST or len(set(done)) == 1:
        return {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        return dict(optuna.importance.get_param_importances(study))
