"""A versioned dataset: a folder with `rows.parquet`, its card and what was left out; written whole or not at all.

Rows are written as they come, in row groups of bounded size, under a temporary name; the last step of writing renames
the folder. Equal rows give equal bytes. A reader counts and hashes every row against the card.
"""

import hashlib
import json
import shutil
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pyarrow as pa
import pyarrow.parquet as pq

from ringexp.curation.card import About, Card, read_card, recorded_source
from ringexp.domains.placing import SPLITS, Loaded, Report
from ringexp.domains.pool import Pool
from ringexp.errors import DataError
from ringexp.records import Prompt

ROWS = "rows.parquet"
ROW_GROUP = 1_000

SCHEMA = pa.schema([
    pa.field(name, pa.string(), nullable=False)
    for name in ("id", "domain", "split", "question", "answer", "kind", "source", "place")
] + [
    pa.field("level", pa.int64(), nullable=False), pa.field("trace", pa.string()),
    pa.field("solve_rate", pa.float64()), pa.field("samples", pa.int64()),
])  # fmt: skip
"""The columns of `rows.parquet`."""


@dataclass(frozen=True, slots=True)
class Row:
    """A prompt in its split, and where it comes from: its source's name, and its place there.

    `solve_rate` is the share of `samples` responses of a model that its verifier found correct; None: not measured.
    """

    prompt: Prompt
    split: str = "train"
    source: str = ""
    place: str = ""
    solve_rate: float | None = None
    samples: int | None = None

    def fields(self) -> dict[str, Any]:
        """The columns' values, by name."""
        p = self.prompt
        return {"id": p.id, "domain": p.domain, "split": self.split, "question": p.question, "answer": p.answer,
                "kind": p.kind, "source": self.source, "place": self.place, "level": p.level, "trace": p.trace,
                "solve_rate": self.solve_rate, "samples": self.samples}  # fmt: skip

    @staticmethod
    def of(fields: dict[str, Any]) -> "Row":
        """The row with these columns' values."""
        prompt = Prompt(fields["id"], fields["domain"], fields["question"], fields["answer"], fields["kind"],
                        fields["level"], fields["trace"])  # fmt: skip
        return Row(prompt, fields["split"], fields["source"], fields["place"], fields["solve_rate"], fields["samples"])


class ParquetRows:
    """Appends rows to a Parquet file in groups of `ROW_GROUP`; at most one group is held. Used as a context."""

    def __init__(self, path: Path, schema: pa.Schema = SCHEMA) -> None:
        self._writer = pq.ParquetWriter(path, schema, compression="zstd")
        self._schema = schema
        self._waiting: list[dict[str, Any]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self._flush()
        self._writer.close()

    def add(self, fields: dict[str, Any]) -> None:
        """Append one row."""
        self._waiting.append(fields)
        if len(self._waiting) == ROW_GROUP:
            self._flush()

    def _flush(self) -> None:
        if self._waiting:
            self._writer.write_table(pa.Table.from_pylist(self._waiting, self._schema))
            self._waiting = []


class DatasetWriter:
    """Writes the dataset at `folder`, a path that is not there yet. Used as a context, which ends with `finish`.

    Without `finish`, e.g. after an error, nothing is at `folder`.
    """

    def __init__(self, folder: Path) -> None:
        if folder.exists():
            raise DataError(f"{folder}: is there already; a dataset is never written over, name another folder")
        self._folder, self._partial = folder, folder.with_name(f".{folder.name}.partial")
        shutil.rmtree(self._partial, ignore_errors=True)  # what a killed writer left
        self._partial.mkdir(parents=True)
        self._rows = ParquetRows(self._partial / ROWS)
        self._hash = hashlib.sha256()
        self._counts: dict[str, Counter[str]] = {}

    @property
    def partial(self) -> Path:
        """The folder until it is renamed; other files may be put into it."""
        return self._partial

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._partial.exists():
            self._rows.__exit__(RuntimeError, None, None)
            shutil.rmtree(self._partial)

    def add(self, row: Row) -> None:
        """Append one row. Raises DataError for a split that there is not."""
        if row.split not in SPLITS:
            raise DataError(f"row {row.prompt.id}: unknown split {row.split!r}: use {', '.join(SPLITS)}")
        fields = row.fields()
        self._rows.add(fields)
        self._hash.update(canonical(fields))
        self._counts.setdefault(row.prompt.domain, Counter())[row.split] += 1

    def finish(self, about: About) -> Card:
        """Write the card and give the folder its name. Raises DataError where there is no row."""
        if not self._counts:
            raise DataError(f"{self._folder}: no row is left; nothing is written")
        self._rows.__exit__(None, None, None)
        counts = {domain: dict(sorted(found.items())) for domain, found in sorted(self._counts.items())}
        card = Card(about.name, self._hash.hexdigest(), counts, about)
        card.write(self._partial)
        self._partial.rename(self._folder)
        return card


def canonical(fields: dict[str, Any]) -> bytes:
    """A row as one JSON line, columns in the schema's order: what fingerprints are made of."""
    return json.dumps([fields[name] for name in SCHEMA.names], separators=(",", ":")).encode() + b"\n"


def parquet_rows(path: Path, schema: pa.Schema = SCHEMA) -> Iterator[dict[str, Any]]:
    """The rows of a Parquet file in order, one group at a time. Raises DataError for one that cannot be read."""
    try:
        file = pq.ParquetFile(path)
        if not file.schema_arrow.equals(schema):
            raise DataError(f"{path}: its columns are not those of ringexp's datasets")
        for batch in file.iter_batches(ROW_GROUP, use_threads=False):
            yield from batch.to_pylist()
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{path}: cannot be read ({error}): write the dataset again, or copy it anew") from error


def read_rows(folder: str | Path) -> Iterator[Row]:
    """The rows of the dataset in a folder, in order; they are checked against the card on the way.

    Raises:
        DataError: no dataset, a damaged one, or (after the last row) one whose rows are not those of its card.
    """
    folder, digest, card = Path(folder), hashlib.sha256(), read_card(folder)
    for fields in parquet_rows(folder / ROWS):
        digest.update(canonical(fields))
        yield Row.of(fields)
    if digest.hexdigest() != card.fingerprint:
        raise DataError(f"{folder / ROWS}: the rows are not those of the card (version {card.version}): the file was "
                        "changed; write the dataset again, or copy it anew")  # fmt: skip


def load_curated(path: str | Path, domain: str) -> Loaded:
    """The pool of one domain of a versioned dataset, for `data.pools.<domain>`.

    Raises:
        DataError: what `read_rows` raises, or no row of the domain.
    """
    stamp = Path(path, ROWS).stat() if Path(path, ROWS).is_file() else None
    pools = _pools(str(path), stamp and (stamp.st_mtime_ns, stamp.st_size))
    if domain not in pools:
        raise DataError(f"{path}: no rows of domain {domain!r}; there are {', '.join(sorted(pools))}")
    pool = pools[domain]
    kept = {split: len(getattr(pool, split)) for split in SPLITS}
    return Loaded(pool, Report(sum(kept.values()), kept))


@lru_cache(maxsize=1)
def _pools(path: str, stamp: tuple[int, int] | None) -> dict[str, Pool]:
    """All pools of a dataset, of the last one asked for (`stamp` is its rows' time and size)."""
    found: dict[str, dict[str, list[Prompt]]] = {}
    origin = dict(zip(("dataset", "source"), recorded_source(path) or ()))
    for row in read_rows(path):
        found.setdefault(row.prompt.domain, {split: [] for split in SPLITS})[row.split].append(row.prompt)
    return {domain: Pool(domain, tuple(own["train"]), tuple(own["validation"]), tuple(own["test"]), origin)
            for domain, own in found.items()}  # fmt: skip
