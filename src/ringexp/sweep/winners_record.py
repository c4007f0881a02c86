"""The winners of a search in MLflow: a run below the sweep's, their pipelines below it; an observer of the sweeper."""

import json
from collections.abc import Mapping
from typing import Any

import optuna
from optuna.samplers import RandomSampler
from optuna.trial import FrozenTrial, TrialState

from ringexp.figures.winners import Contender, winners_figure
from ringexp.sweep import standings
from ringexp.sweep.record import RUN, StudyRecord
from ringexp.sweep.winners import WINNERS
from ringexp.tracking.notes import NOTE

KIND = "winners"
FILE, FIGURE = "winners.json", "winners.png"


class WinnersRecord(StudyRecord):
    """Keeps the winners' run; its table and figure lie on the sweep's run too. Args: the keys of TrackingConfig."""

    kind = KIND

    def __init__(self, tracking: Mapping[str, Any]) -> None:
        super().__init__(tracking, n_trials=0)

    def tags(self, study: optuna.Study) -> dict[str, str]:
        """Of a new run: it lies below the sweep's, where that is in this store."""
        sweep = self._sweep(study)
        return super().tags(study) | ({} if sweep is None else {"mlflow.parentRunId": sweep})

    def finished(self, study: optuna.Study) -> None:
        """Table and figure, once no worker is at it any more."""
        trials = study.get_trials(deepcopy=False)
        if any(trial.state == TrialState.RUNNING for trial in trials):
            return
        own, sweep = study.user_attrs[RUN], self._sweep(study)
        for run_id in [own] if sweep is None else [own, sweep]:
            self._client.log_text(run_id, json.dumps(standings.flat(study)), FILE)
            self._client.log_figure(run_id, _figure(study), FIGURE)
            self._list(run_id, FILE)
        failed = standings.failures(study)
        words = [f"The winners of *{study.user_attrs[WINNERS]['source']}* over seeds: *{FILE}*, *{FIGURE}*.", *failed]
        self._client.set_tag(own, NOTE, "\n\n".join(words))
        asked = len(study.user_attrs[WINNERS]["seeds"]) * len(study.user_attrs[WINNERS]["candidates"])
        done = sum(len(one.measured) + len(one.failed) for one in standings.standings(study))
        self._client.set_terminated(own, "FINISHED" if done >= asked else "KILLED")

    def _log_value(self, study: optuna.Study, trial: FrozenTrial) -> None:
        """The best of several seeds is nobody's value: the table has the means."""

    def _sweep(self, study: optuna.Study) -> str | None:
        name = study.user_attrs[WINNERS]["source"]
        source = optuna.load_study(study_name=name, storage=study._storage, sampler=RandomSampler())
        known = source.user_attrs.get(RUN)
        return known if known is not None and self._is_there(known, "sweep") else None


def _figure(study: optuna.Study) -> Any:
    found = standings.standings(study)
    leads = [{}, *(own.ahead_of(found[0]) for own in found[1:])]
    contenders = [Contender(own.name, own.means(), lead) for own, lead in zip(found, leads)]
    title = f"{study.user_attrs[WINNERS]['source']}: winners, means over seeds with 95 % t-intervals"
    return winners_figure(contenders, standings.families(found), title)
