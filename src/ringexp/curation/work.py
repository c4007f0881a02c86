"""Steps over chunks on disk: what a killed process had finished stays finished, and the rest comes out the same.

    <folder>/settings.json            what decides the result; work that something else decided is never gone on with
    <folder>/2-near_duplicates/00007/ a chunk of a step: rows, findings, arrays, counts; renamed when it is complete
    <folder>/2-near_duplicates/done.json  the step's counts, once all its chunks are there
"""

import json
import os
import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from ringexp.curation.card import StepCount
from ringexp.curation.dataset import ParquetRows, Row, parquet_rows
from ringexp.curation.steps import Finding, Judged, Step
from ringexp.errors import ConfigError, StorageError

ROWS, FOUND, ARRAYS, COUNTS, DONE, SETTINGS = (
    "rows.parquet", "found.parquet", "arrays.npz", "counts.json", "done.json", "settings.json")  # fmt: skip
TRAIN = "train"
EVERY = 5.0
"""Seconds between two lines of progress."""

REPORT = pa.schema([
    pa.field(name, pa.string(), nullable=False)
    for name in ("id", "domain", "step", "reason", "matched_set", "matched", "detail")
] + [pa.field("dropped", pa.bool_(), nullable=False), pa.field("score", pa.float64())])  # fmt: skip
"""The columns of the report."""

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Chunk:
    """A chunk of a step as it lies on disk."""

    folder: Path

    def rows(self) -> list[Row]:
        """The rows that stayed, training rows first."""
        return [Row.of(fields) for fields in parquet_rows(self.folder / ROWS)]

    def training(self) -> list[Row]:
        """The training rows that stayed: what steps see."""
        return [row for row in self.rows() if row.split == TRAIN]

    def findings(self) -> Iterator[dict[str, Any]]:
        """The findings, as the report has them."""
        return parquet_rows(self.folder / FOUND, REPORT)

    def arrays(self) -> dict[str, np.ndarray]:
        """What the step remembers of the chunk."""
        with np.load(self.folder / ARRAYS) as stored:
            return dict(stored)

    def counts(self) -> dict[str, Any]:
        """Rows in, rows dropped by reason, other counts."""
        found: dict[str, Any] = json.loads((self.folder / COUNTS).read_text("utf-8"))
        return found


class Work:
    """The folder of a dataset in the making. Opening it makes it, or goes on with what is there.

    Raises ConfigError where other settings made what is there; the message names what differs.
    """

    def __init__(self, folder: Path, settings: Mapping[str, Any], say: Say) -> None:
        self.folder, self._say = folder, say
        path = folder / SETTINGS
        if path.is_file():
            require_same(str(folder), json.loads(path.read_text("utf-8")), settings)
        folder.mkdir(parents=True, exist_ok=True)
        write_text(path, json.dumps(settings, indent=1, sort_keys=True))

    def stored(self, number: int, step: Step) -> int:
        """How many chunks of the step are there."""
        return len(_chunks(self.folder / f"{number}-{step.name}"))

    def is_done(self, number: int, step: Step) -> bool:
        """Whether all of the step's chunks are there."""
        return (self.folder / f"{number}-{step.name}" / DONE).is_file()

    def run(self, number: int, step: Step, source: Sequence[Chunk] | Iterator[list[Row]]) -> list[Chunk]:
        """Every chunk of the step, those on disk taken as they are; `source` is the step before, or rows from outside.

        An iterator of rows begins with the first chunk that is not there yet. Raises StorageError for damaged work.
        """
        folder = self.folder / f"{number}-{step.name}"
        done = _chunks(folder)
        if (folder / DONE).is_file():
            return done
        folder.mkdir(exist_ok=True)
        if done:
            self._say(f"{step.name}: continuing after {len(done)} chunks")
        if isinstance(source, Sequence):
            step.survey(row for chunk in source for row in chunk.training())
            inputs: Iterable[list[Row]] = (chunk.rows() for chunk in source[len(done) :])
        else:
            inputs = source
        for chunk in done:
            step.restore(chunk.training(), chunk.arrays())
        for rows in self._watched(step.name, inputs, sum(chunk.counts()["rows_in"] for chunk in done)):
            _store(folder / f"{len(done):05d}", step, rows)
            done.append(Chunk(folder / f"{len(done):05d}"))
        write_text(folder / DONE, "{}")
        return done

    def _watched(self, name: str, inputs: Iterable[list[Row]], before: int) -> Iterator[list[Row]]:
        """The chunks, with a line every few seconds."""
        started = said = time.monotonic()
        total = before
        for rows in inputs:
            yield rows
            total += len(rows)
            if time.monotonic() - said > EVERY:
                said = time.monotonic()
                self._say(f"{name}: {total:,} rows, {(total - before) / (said - started):,.0f} a second")


def _chunks(folder: Path) -> list[Chunk]:
    """The complete chunks of a step, in order."""
    found = sorted(path for path in folder.glob("[0-9]*") if path.is_dir())
    if [path.name for path in found] != [f"{i:05d}" for i in range(len(found))]:
        raise StorageError(f"{folder}: a chunk is missing: begin anew with fresh=true")
    return [Chunk(path) for path in found]


def _store(folder: Path, step: Step, rows: Sequence[Row]) -> None:
    """Judge a chunk's training rows and write it, whole or not at all; rows of other splits go along unseen."""
    training = [row for row in rows if row.split == TRAIN]
    judged = step.judge(training)
    partial = folder.with_name(f".{folder.name}")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir()
    with ParquetRows(partial / ROWS) as kept:
        for row in (*judged.kept, *(row for row in rows if row.split != TRAIN)):
            kept.add(row.fields())
    with ParquetRows(partial / FOUND, REPORT) as found:
        for own, domain, dropped, finding in judged.found:
            found.add(_reported(own, domain, step.name, dropped, finding))
    with (partial / ARRAYS).open("wb") as file:
        np.savez(file, allow_pickle=False, **judged.arrays)
    write_text(partial / COUNTS, json.dumps(_counted(judged, len(training)), sort_keys=True))
    for path in partial.iterdir():
        _sync(path)
    partial.rename(folder)


def _reported(own: str, domain: str, step: str, dropped: bool, finding: Finding) -> dict[str, Any]:
    return {"id": own, "domain": domain, "step": step, "dropped": dropped, **asdict(finding)}


def _counted(judged: Judged, rows_in: int) -> dict[str, Any]:
    return {"rows_in": rows_in, "rows_out": len(judged.kept), "dropped": +judged.dropped, "kept": +judged.counts}


def step_count(step: Step, chunks: Sequence[Chunk]) -> StepCount:
    """The step's counts over all its chunks."""
    rows_in = rows_out = 0
    dropped, kept = Counter[str](), Counter[str]()
    for chunk in chunks:
        counts = chunk.counts()
        rows_in, rows_out = rows_in + counts["rows_in"], rows_out + counts["rows_out"]
        dropped.update(counts["dropped"])
        kept.update(counts["kept"])
    return StepCount(step.name, rows_in, rows_out, dict(sorted(dropped.items())), dict(sorted(kept.items())),
                     step.skipped)  # fmt: skip


def in_chunks(rows: Iterable[Row], size: int) -> Iterator[list[Row]]:
    """The rows in lists of `size`; the last may be shorter."""
    source = iter(rows)
    while chunk := list(islice(source, size)):
        yield chunk


def require_same(what: str, found: Mapping[str, Any], own: Mapping[str, Any]) -> None:
    """Raise ConfigError, naming the first differences, where settings are not those that made what is there."""
    there, here = flat(found), flat(json.loads(json.dumps(own)))
    changed = [f"{key}={there.get(key)!r} there, {here.get(key)!r} here"
               for key in sorted({*there, *here}) if there.get(key) != here.get(key)]  # fmt: skip
    if changed:
        more = f" and {len(changed) - 3} more" if len(changed) > 3 else ""
        raise ConfigError(f"{what}: was made with other settings ({'; '.join(changed[:3])}{more}): give those again, "
                          "name another output, or begin anew with fresh=true")  # fmt: skip


def flat(tree: Any, key: str = "") -> dict[str, Any]:
    """The leaves of a JSON-like tree by their dotted keys."""
    children = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    found = {k: v for name, child in children for k, v in flat(child, f"{key}.{name}".removeprefix(".")).items()}
    return found or {key: tree}


def write_text(path: Path, text: str) -> None:
    """Write a file whole or not at all."""
    partial = path.with_name(f".{path.name}")
    partial.write_text(text + "\n", "utf-8")
    _sync(partial)
    partial.rename(path)


def _sync(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())
