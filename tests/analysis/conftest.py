"""The store that the tests of this folder read, written once."""

from collections.abc import Callable

import pytest
from omegaconf import DictConfig
from recorded import Recorded, record


@pytest.fixture(scope="session")
def recorded(tmp_path_factory: pytest.TempPathFactory, composed: Callable[..., DictConfig]) -> Recorded:
    return record(tmp_path_factory.mktemp("recorded"), composed)
