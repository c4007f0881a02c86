"""The tests' own Hydra application, started as a real process, and what a study then holds."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState

from ringexp.cli import conf_dir
from ringexp.sweep.claims import counted
from ringexp.sweep.storage import open_storage

APP = Path(__file__).parent / "app" / "app.py"
START = 15.0
"""Seconds that the application may take to start, on a machine that others use too."""


def _hears_ctrl_c() -> None:
    """A test that was started in the background would hand on that SIGINT is ignored."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


class Application:
    """Sweeps in one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def command(self, *overrides: str) -> list[str]:
        own = ["--config-dir", str(conf_dir().resolve()), "hydra/sweeper=ringexp_optuna", "hydra.sweeper.study_name=s"]
        return [sys.executable, str(APP), *own, *overrides]

    def start(self, *overrides: str, **environment: str) -> subprocess.Popen[str]:
        return subprocess.Popen(self.command(*overrides), cwd=self.folder, text=True, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, env=os.environ | environment,
                                preexec_fn=_hears_ctrl_c)  # fmt: skip

    def run(self, *overrides: str, status: int | None = 0, **environment: str) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(self.command(*overrides), cwd=self.folder, text=True, capture_output=True, timeout=120,
                              env=os.environ | environment, check=False)  # fmt: skip
        assert status is None or done.returncode == status, done.stderr
        return done

    def several(self, *commands: Sequence[str]) -> subprocess.CompletedProcess[str]:
        """Commands one after the other in one process, whatever their statuses."""
        script = Path(__file__).with_name("several_sweeps.py")
        own = json.dumps([self.command(*overrides)[1:] for overrides in commands])
        return subprocess.run([sys.executable, str(script), own], cwd=self.folder, text=True, capture_output=True,
                              timeout=120, check=True)  # fmt: skip

    def events(self, *kinds: str) -> list[dict[str, Any]]:
        path = self.folder / "events.jsonl"
        rows = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
        return [row for row in rows if row["event"] in kinds]

    def wait_for(self, condition: Callable[[], bool], seconds: float = 60.0) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, "what was waited for never came"
            time.sleep(0.02)

    def study(self, url: str | None = None) -> optuna.Study:
        open_storage.cache_clear()
        journal = f"journal://{self.folder}/store/sweeps/s.journal"
        return optuna.load_study(study_name="s", storage=open_storage(url or journal))

    def trials(self, url: str | None = None) -> list[FrozenTrial]:
        return self.study(url).get_trials()

    def points(self, url: str | None = None) -> list[dict[str, Any]]:
        """The points of the finished trials, in the order of their numbers."""
        return [trial.params for trial in counted(self.trials(url))]


def states(trials: list[FrozenTrial]) -> dict[str, int]:
    return {state.name: n for state in TrialState if (n := sum(t.state == state for t in trials))}
