"""An observer that writes down what it is told, and kills its own process after a certain trial."""

import json
import os
import signal
from pathlib import Path

import optuna
from optuna.trial import FrozenTrial


class Watcher:
    def __init__(self, after: int | None = None, rate: float = 1.0) -> None:
        self.after, self.rate = after, rate

    def _note(self, **what: object) -> None:
        with Path("observed.jsonl").open("a") as file:
            file.write(json.dumps({"pid": os.getpid(), **what}) + "\n")

    def started(self, study: optuna.Study) -> dict[str, str]:
        self._note(told="started", study=study.study_name)
        return {"rate": str(self.rate)}

    def ended(self, study: optuna.Study, trial: FrozenTrial) -> None:
        self._note(told="ended", number=trial.number, state=trial.state.name)
        if trial.number == self.after:
            os.kill(os.getpid(), signal.SIGKILL)

    def finished(self, study: optuna.Study) -> None:
        self._note(told="finished")
