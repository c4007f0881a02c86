"""Tests that build the image or start the stack have a marker, and commands of their own in the Makefile."""

import sys
from pathlib import Path

import pytest

for folder in ("recipe", "docker"):
    sys.path.insert(0, str(Path(__file__).parents[1] / folder))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.name in ("test_image.py", "test_stack.py") and item.path.parent == Path(__file__).parent:
            item.add_marker(pytest.mark.docker)
