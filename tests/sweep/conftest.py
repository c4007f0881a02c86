"""The application that the sweeper's tests run, in a folder of its own."""

from pathlib import Path

import optuna
import pytest
from applications import Application

optuna.logging.set_verbosity(optuna.logging.WARNING)


@pytest.fixture
def app(tmp_path: Path) -> Application:
    return Application(tmp_path)
