"""The application that the sweeper's tests run, in a folder of its own."""

from pathlib import Path

import pytest

from applications import Application


@pytest.fixture
def app(tmp_path: Path) -> Application:
    return Application(tmp_path)
