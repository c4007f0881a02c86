"""Rows of published datasets where they lie: local files, folders, and the Hugging Face Hub at a pinned commit.

What a row means is left to adapters. A dataset of the Hub is read as it was at one commit or not at all: branches move,
and without network `datasets` takes whatever version it has in its cache.
"""

import csv
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from ringexp.errors import ConfigError, DataError

_COMMIT = re.compile(r"[0-9a-f]{40}")
_BATCH = 32
"""Parquet rows in memory at a time; those of contests hold megabytes of tests each."""


class Row(NamedTuple):
    """A raw row, where it stands, and the source's own name of the split that it comes from."""

    place: str
    content: Any
    split: str = "train"


@dataclass(frozen=True)
class Tables:
    """The rows of a source, the names of its splits, and where the rows come from (for the record)."""

    rows: Iterable[Row]
    splits: Sequence[str]
    origin: Mapping[str, Any] = field(default_factory=dict)


def local_file(path: Path) -> Tables:
    """A file of rows. Raises DataError, as it is read, for one that is not there or cannot be read."""
    return Tables(file_rows(path, str(path)), ["train"], {"path": str(path)})


def local(path: Path, config_name: str | Sequence[str] | None = None) -> Tables:
    """A file of rows, or a folder as `datasets` reads it. Raises DataError for a folder that cannot be read."""
    if not path.is_dir():
        return local_file(path)
    tables = _load_dataset(str(path), config_name if isinstance(config_name, str) else None, None)
    return Tables(_table_rows(str(path), tables), list(tables), {"path": str(path), **_fingerprints(tables)})


def hub(
    name: str,
    revision: str | None,
    config_name: str | Sequence[str] | None = None,
    files: Mapping[str, str | Sequence[str]] | None = None,
    key: str = "data.pools.math",
) -> Tables:
    """A dataset of the Hub at a commit.

    Args:
        name: `owner/name`.
        revision: the commit, 40 hexadecimal digits.
        config_name: the configuration to read, or several whose rows follow one another.
        files: the files of the repository to read, by split, where `datasets` cannot read the whole.
        key: the pool's key in the configuration, for messages.

    Raises:
        ConfigError: no commit.
        DataError: not on the Hub, not allowed, or neither reachable nor cached; a cached copy of another commit.
    """
    if revision is None or not _COMMIT.fullmatch(revision):
        raise ConfigError(f"{key}: {name!r} is pinned to no commit (revision={revision}): set {key}.revision=<the 40 "
                          f"hexadecimal digits of a commit>, or give a local copy with {key}.path=<file or folder>")
    origin = {"hub": name, "revision": revision}
    if files:
        named = {split: [one] if isinstance(one, str) else list(one) for split, one in files.items()}
        found = {split: [_download(name, file, revision, key) for file in own] for split, own in named.items()}
        rows = (row for split, own in named.items() for file, path in zip(own, found[split])
                for row in file_rows(path, f"{name}/{file}", split))  # fmt: skip
        return Tables(rows, list(named), origin | {"files": named})
    configs = [config_name] if config_name is None or isinstance(config_name, str) else list(config_name)
    parts = [_of_commit(_load_dataset(name, config, revision, key), name, revision, key) for config in configs]
    labels = [name if config is None else f"{name} ({config})" for config in configs]
    rows = (row for label, part in zip(labels, parts) for row in _table_rows(label, part))
    prints = {label: _fingerprints(part)["fingerprints"] for label, part in zip(labels, parts)}
    return Tables(rows, list(dict.fromkeys(s for part in parts for s in part)), origin | {"fingerprints": prints})


def file_rows(path: Path, label: str, split: str = "train") -> Iterator[Row]:
    """The rows of a JSON, CSV or Parquet file, by its suffix, else of JSON lines; `label` is how messages call it."""
    if not path.is_file():
        raise DataError(f"no such file: {path}: set data.path to a JSONL, JSON, CSV or Parquet file")
    read = {".csv": _csv_rows, ".parquet": _parquet_rows}.get(path.suffix, _json_lines)
    if path.suffix == ".json" and _begins_array(path):
        read = _json_rows
    for place, content in read(path, label):
        yield Row(place, content, split)


def _json_lines(path: Path, label: str) -> Iterator[tuple[str, Any]]:
    """One JSON value a line; blank lines are skipped."""
    with path.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            place = f"{label}, line {number}"
            text = _decoded(line, place, "utf-8-sig" if number == 1 else "utf-8").strip()
            if text:
                yield place, _json(text, place)


def _begins_array(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(64).removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"[")


def _json_rows(path: Path, label: str) -> Iterator[tuple[str, Any]]:
    """The elements of one JSON array."""
    for number, content in enumerate(_json(_decoded(path.read_bytes(), label, "utf-8-sig"), label), start=1):
        yield f"{label}, row {number}", content


def _decoded(data: bytes, place: str, encoding: str) -> str:
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        raise DataError(f"{place}: not UTF-8 at byte {error.start}: save the file as UTF-8") from error


def _json(text: str, place: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{place}: not JSON: {error}") from error


def _csv_rows(path: Path, label: str) -> Iterator[tuple[str, Any]]:
    """Rows under a header; every value is text."""
    csv.field_size_limit(2**31 - 1)
    number = 0
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            for number, content in enumerate(csv.DictReader(file, strict=True), start=1):
                if None in content or None in content.values():
                    raise DataError(f"{label}, row {number}: more or fewer values than the header has names")
                yield f"{label}, row {number}", content
    except (csv.Error, UnicodeDecodeError) as error:
        raise DataError(f"{label}, after row {number}: not CSV in UTF-8: {error}") from error


def _parquet_rows(path: Path, label: str) -> Iterator[tuple[str, Any]]:
    import pyarrow
    from pyarrow import parquet

    number = 0
    try:
        with parquet.ParquetFile(path) as file:
            for batch in file.iter_batches(_BATCH):
                for content in batch.to_pylist():
                    number += 1
                    yield f"{label}, row {number}", content
    except (pyarrow.ArrowException, OSError) as error:
        raise DataError(f"{label}, after row {number}: not Parquet: {_line(error)}") from error


def _table_rows(label: str, tables: Mapping[str, Iterable[Any]]) -> Iterator[Row]:
    for split, rows in tables.items():
        for number, content in enumerate(rows, start=1):
            yield Row(f"{label}, split {split}, row {number}", content, split)


def _fingerprints(tables: Mapping[str, Any]) -> dict[str, Any]:
    """What `datasets` knows each split by."""
    return {"fingerprints": {split: str(table._fingerprint) for split, table in tables.items()}}


def _load_dataset(name: str, config_name: str | None, revision: str | None, key: str = "data") -> Mapping[str, Any]:
    """The dataset's splits by name."""
    import datasets  # slow to import, and needed by no other source

    try:
        tables: Mapping[str, Any] = datasets.load_dataset(name, name=config_name, revision=revision)
    except (OSError, ValueError, RuntimeError, datasets.exceptions.DatasetsError) as error:
        raise _unreadable(name, error, key, revision is not None) from error
    return tables


def _of_commit(tables: Mapping[str, Any], name: str, revision: str, key: str) -> Mapping[str, Any]:
    """Refuse a cached copy of another commit, which `datasets` falls back on when it cannot reach the Hub."""
    folders = {part for table in tables.values() for file in table.cache_files for part in Path(file["filename"]).parts}
    others = {part for part in folders if _COMMIT.fullmatch(part)} - {revision}
    if others and revision not in folders:
        raise DataError(f"{key}: the Hub is not reachable, and the cache holds {name!r} at {min(others)} and not at "
                        f"{revision}: load it once with network, or set {key}.revision={min(others)}")
    return tables


def _download(name: str, file: str, revision: str, key: str) -> Path:
    """A file of a dataset's repository, from the cache where it is there."""
    from huggingface_hub import errors, hf_hub_download

    try:
        return Path(hf_hub_download(name, file, repo_type="dataset", revision=revision))
    except (OSError, ValueError, errors.EntryNotFoundError) as error:
        raise _unreadable(f"{name}/{file}", error, key, True) from error


def _unreadable(name: str, error: Exception, key: str, remote: bool) -> DataError:
    """One line on a dataset that cannot be loaded, with the mend."""
    from huggingface_hub import constants

    if not remote:
        return DataError(f"cannot load dataset {name!r}: {_line(error)}: check data.path")
    offline = "; HF_HUB_OFFLINE is set, so it has to be in the cache" if constants.HF_HUB_OFFLINE else ""
    return DataError(f"{key}: cannot load dataset {name!r} of the Hub: {_line(error)}{offline}: load it once with "
                     f"network, or give a local copy with {key}.path=<file or folder>")


def _line(error: Exception) -> str:
    """The first line of an error, of bounded length, without a full stop."""
    lines = str(error).strip().splitlines()
    return (lines[0] if lines else type(error).__name__)[:200].rstrip(". ")
