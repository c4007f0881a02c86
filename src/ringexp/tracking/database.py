"""MLflow's SQLite database, made whole or not at all."""

import os
import time
from contextlib import suppress
from pathlib import Path

from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

SQLITE = "sqlite:///"

_LEFT_SECONDS = 600.0
"""A file that has been written to within this time may be another process's, perhaps on another machine."""


def ensure(uri: str) -> None:
    """Make the database of an SQLite URI where there is none; of other URIs nothing.

    MLflow makes its tables one by one in place, and cannot open what a kill left half made. Here they are made in
    another file, which gets its name when it is complete; of two processes that do so at once, one's file stays. What
    a killed one left goes in time.
    """
    if not uri.startswith(SQLITE) or uri == SQLITE:
        return
    path = Path(uri.removeprefix(SQLITE))
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists():
        return
    begun = path.with_name(f".{path.name}-{os.getpid()}")
    begun.unlink(missing_ok=True)
    try:
        store = SqlAlchemyStore(SQLITE + str(begun), str(path.parent / "artifacts"))
        store.engine.dispose()
        with suppress(FileExistsError):
            path.hardlink_to(begun)
        for left in path.parent.glob(f".{path.name}-*"):
            with suppress(FileNotFoundError):
                if time.time() - left.stat().st_mtime > _LEFT_SECONDS:
                    left.unlink()
    finally:
        begun.unlink(missing_ok=True)
