"""Where a study lies: SQLite (one process), a journal (one file system), PostgreSQL; and the lock that claims take."""

import fcntl
import hashlib
import importlib.util
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import IO

import sqlalchemy
from optuna.exceptions import StorageInternalError
from optuna.storages import BaseStorage, JournalStorage, RDBStorage, get_storage
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from ringexp.errors import ConfigError
from ringexp.sweep.settings import KEY, Settings
from ringexp.tracking.secrets import scrub

JOURNAL, SQLITE = "journal://", "sqlite:///"
DRIVERS = {"psycopg": "psycopg", "psycopg2": "psycopg2", "pg8000": "pg8000"}


def address(settings: Settings, study_name: str) -> str:
    """The storage as a URL with an absolute path. Raises ConfigError for what cannot hold a sweep."""
    given = settings.storage
    if given is None:
        given = str(Path(settings.folder) / f"{study_name}.journal")
    if given.startswith(JOURNAL) or ("://" not in given and given.endswith((".journal", ".log"))):
        return JOURNAL + str(Path(given.removeprefix(JOURNAL)).absolute())
    if given.startswith(SQLITE) and len(given) > len(SQLITE):
        if settings.n_jobs > 1:
            raise ConfigError(f"{KEY}.n_jobs={settings.n_jobs}: SQLite is for one process; use a journal "
                              "(storage=null) or PostgreSQL")  # fmt: skip
        return SQLITE + str(Path(given.removeprefix(SQLITE)).absolute())
    if given.startswith("postgresql"):
        return _with_driver(given)
    raise ConfigError(f"{KEY}.storage={scrub(given)}: use journal:///<path>, a path ending in .journal, "
                      "sqlite:///<path> or postgresql://<user>@<host>/<database>")  # fmt: skip


def _with_driver(url: str) -> str:
    """A PostgreSQL URL with a driver that is installed, where it names none."""
    try:
        parsed = sqlalchemy.make_url(url)
    except ArgumentError as error:
        raise ConfigError(f"{KEY}.storage={scrub(url)}: not a URL ({error})") from error
    asked = parsed.drivername.partition("+")[2]
    there = [name for name in DRIVERS if importlib.util.find_spec(name) is not None and asked in ("", name)]
    if not there:
        raise ConfigError(f"{KEY}.storage: PostgreSQL needs the driver {asked or 'psycopg'}, which is not installed: "
                          f"pip install \"{asked or 'psycopg[binary]'}\"")  # fmt: skip
    return re.sub(r"^postgresql(\+\w+)?", f"postgresql+{there[0]}", url)


@cache
def open_storage(url: str) -> BaseStorage:
    """The storage, opened once in a process. Raises ConfigError where it cannot be reached or is something else."""
    try:
        if url.startswith("postgresql"):
            with locked(url, "tables"):
                return get_storage(RDBStorage(url, engine_kwargs={"pool_pre_ping": True}))
        path = _path(url)
        path.parent.mkdir(parents=True, exist_ok=True)
        if url.startswith(SQLITE):
            return get_storage(RDBStorage(url, engine_kwargs={"connect_args": {"timeout": 60}}))
        return JournalStorage(JournalFileBackend(str(path), lock_obj=WriteLock(path)))
    except (SQLAlchemyError, OSError, RuntimeError) as error:
        raise ConfigError(f"{KEY}.storage: {in_words(error)}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"{KEY}.storage={scrub(url)}: not a journal of Optuna; name another file") from error


def is_there(url: str) -> bool:
    """Whether a storage may hold something: opening a file would make it."""
    return url.startswith("postgresql") or _path(url).is_file()


def in_words(error: Exception) -> str:
    """What a storage says, in one line without secrets."""
    said = str(error.__cause__ if isinstance(error, StorageInternalError) and error.__cause__ else error)
    return scrub(" ".join(said.partition("(Background on")[0].split()))


class WriteLock(JournalFileOpenLock):
    """The lock of a journal's writers, released by the system where one dies: Optuna's own would hold for 30 s.

    What a writer left half written (killed, or the disk was full) is cut off: such a line makes a journal unreadable.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(str(path))
        self._path, self._lock = path, path.with_name(f"{path.name}.write-lock")
        self._held: IO[str] | None = None

    def acquire(self) -> bool:
        """Wait for the lock."""
        self._held = self._lock.open("w")
        fcntl.flock(self._held, fcntl.LOCK_EX)
        _cut_half_line(self._path)
        return True

    def release(self) -> None:
        """Let the next one write."""
        if self._held is not None:
            self._held.close()


def _cut_half_line(path: Path) -> None:
    with path.open("rb+") as file:
        if file.seek(0, os.SEEK_END) == 0:
            return
        file.seek(-1, os.SEEK_END)
        if file.read() != b"\n":
            file.truncate(path.read_bytes().rfind(b"\n") + 1)


@contextmanager
def locked(url: str, name: str) -> Iterator[None]:
    """Hold the study against every other worker; released by the system where the holder dies.

    A file lock beside a journal or an SQLite file, an advisory lock of the transaction in PostgreSQL.
    """
    if not url.startswith("postgresql"):
        with _file_lock(_path(url), "claim", wait=True):
            yield
        return
    number = int.from_bytes(hashlib.sha256(f"ringexp {name}".encode()).digest()[:8], signed=True)
    with _lock_engine(url).begin() as connection:
        connection.execute(sqlalchemy.text("SELECT pg_advisory_xact_lock(:number)"), {"number": number})
        yield


@cache
def _lock_engine(url: str) -> sqlalchemy.Engine:
    return sqlalchemy.create_engine(url, poolclass=sqlalchemy.NullPool)


@contextmanager
def alone(url: str) -> Iterator[None]:
    """Hold an SQLite file against a second sweeping process, which is refused; others need none of this."""
    if not url.startswith(SQLITE):
        yield
        return
    path = _path(url)
    try:
        with _file_lock(path, "sweep", wait=False):
            yield
    except BlockingIOError:
        raise ConfigError(f"{KEY}.storage={url}: another process is sweeping there, and SQLite is for one; use a "
                          "journal (storage=null) or PostgreSQL for several") from None  # fmt: skip


def _path(url: str) -> Path:
    return Path(url.split(":///", 1)[1]) if url.startswith(SQLITE) else Path(url.removeprefix(JOURNAL))


@contextmanager
def _file_lock(path: Path, what: str, wait: bool) -> Iterator[None]:
    """Raises BlockingIOError where the lock is held and we do not wait."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.with_name(f"{path.name}.{what}-lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        yield
