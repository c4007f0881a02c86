"""task=score: judge the responses of a JSONL file with the verifiers that RL uses, and count what they found.

Every row is checked before the first is judged. Judged rows go to a file beside the output, which is renamed when it is
complete; a killed command continues after the last whole row. Neither torch, MLflow nor an engine is needed.
"""

import fcntl
import hashlib
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import IO, cast

from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf

from ringexp import __version__
from ringexp.config.schema import Config
from ringexp.errors import ConfigError, DataError
from ringexp.rewards.registry import VerifierRegistry, judged_by
from ringexp.tasks.score_rows import ADDED, read_rows
from ringexp.tasks.score_table import ScoreTable
from ringexp.terminal import say

CHUNK = 256
"""Rows judged at a time: a kill costs no more, and no more are held in memory."""

_SAY_SECONDS = 5.0


@dataclass(frozen=True)
class _Checked:
    """What the first pass found: how many rows, who is to judge them, and what decides the result, as a hash."""

    rows: int
    judges: frozenset[str]
    key: str


def run(config: Config) -> None:
    """Judge `input`, write `output`, print a table.

    Raises:
        ConfigError: the output is the input, exists already or cannot be written.
        DataError: a row that does not fit; nothing is judged then.
    """
    source, target = Path(config.input or ""), Path(config.output or "")
    part = target.with_name(target.name + ".part")
    _check(source, target, part, config.fresh)
    found = _look(source, config)
    table = ScoreTable()
    with _alone(part) as file:
        done = _done(file, part, found, config.fresh, table)
        if done:
            say(f"score: {done:,} of {found.rows:,} rows were judged before")
        _judge(source, file, config, found, done, table)
        if _key(source, config) != found.key:
            raise DataError(f"input={source}: changed while it was read; give the command again")
        os.fsync(file.fileno())
        part.replace(target)
    _key_file(part).unlink(missing_ok=True)
    print(f"{table}\n{target}")


def _check(source: Path, target: Path, part: Path, fresh: bool) -> None:
    """Nothing that is there is written over."""
    if not source.is_file():
        raise DataError(f"input={source}: no such file")
    for path in (target, part, _key_file(part)):
        if path.resolve() == source.resolve():
            raise ConfigError(f"output={target}: would overwrite the input; give another name")
    if not target.parent.is_dir():
        raise ConfigError(f"output={target}: there is no folder {target.parent}")
    if target.is_dir() or (target.exists() and not fresh):
        raise ConfigError(f"output={target}: is there already; give another name, or fresh=true to write it anew")


def _look(source: Path, config: Config) -> _Checked:
    """Read and check every row."""
    key = _key(source, config)
    rows, judges = 0, set()
    for row in read_rows(source, list(config.rewards.verifiers)):
        rows += 1
        judges.add(judged_by(row.prompt))
    if not rows:
        raise DataError(f"input={source}: holds no rows")
    return _Checked(rows, frozenset(judges), key)


def _key(source: Path, config: Config) -> str:
    """Hash of the input and of the verifiers' configuration."""
    digest = hashlib.sha256(__version__.encode())
    digest.update(OmegaConf.to_yaml(cast(DictConfig, config.rewards)).encode())
    with source.open("rb") as file:
        for block in iter(lambda: file.read(2**20), b""):
            digest.update(block)
    return digest.hexdigest()


@contextmanager
def _alone(part: Path) -> Iterator[IO[bytes]]:
    """The unfinished output, held against a second process with the same command."""
    with part.open("a+b") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ConfigError(f"output: another process is writing {part}") from None
        yield file


def _done(file: IO[bytes], part: Path, found: _Checked, fresh: bool, table: ScoreTable) -> int:
    """How many rows are judged already, by the same verifiers and from the same input; they are counted in the table.

    A last line that is not whole is cut off; anything else is begun anew.
    """
    key = _key_file(part)
    known = key.read_text() if key.is_file() else None
    if fresh or known != found.key:
        if known is not None and not fresh:
            say("score: the input or the verifiers have changed since: beginning anew")
        file.truncate(0)
        key.write_text(found.key)
        return 0
    file.seek(0)
    whole = rows = 0
    for line in file:
        if not line.endswith(b"\n"):
            break
        whole, rows = whole + len(line), rows + 1
        table.count(json.loads(line))
    file.truncate(whole)
    return rows


def _judge(source: Path, file: IO[bytes], config: Config, found: _Checked, done: int, table: ScoreTable) -> None:
    """Judge the rows after the first `done`, in order, and write each with what was found."""
    verifiers = config.rewards.verifiers
    registry = VerifierRegistry({name: instantiate(verifiers[name]) for name in sorted(found.judges)})
    said = time.monotonic()
    try:
        rows = islice(read_rows(source, list(verifiers)), done, None)
        while chunk := list(islice(rows, CHUNK)):
            verdicts = registry.score([row.prompt for row in chunk], [row.response for row in chunk])
            for row, verdict in zip(chunk, verdicts, strict=True):
                values = (verdict.reward, verdict.outcome.value, verdict.detail)
                judged = {**row.content, **dict(zip(ADDED, values))}
                file.write(json.dumps(judged).encode() + b"\n")
                table.count(judged)
            file.flush()
            done += len(chunk)
            if config.progress and time.monotonic() > said + _SAY_SECONDS:
                say(f"score: {done:,} of {found.rows:,} rows")
                said = time.monotonic()
    finally:
        registry.close()


def _key_file(part: Path) -> Path:
    """Where it stands of which input and which verifiers the unfinished output is."""
    return part.with_name(part.name + ".key")
