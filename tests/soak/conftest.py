"""Everything here is marked `soak`; helpers of tests/recipe and tests/rewards and the tracking server are shared."""

import sys
from pathlib import Path

import pytest

for folder in ("recipe", "tracking", "rewards"):
    sys.path.insert(0, str(Path(__file__).parents[1] / folder))

from server_process import tracking_server

__all__ = ["tracking_server"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.soak)
