"""Pools from published datasets: local files, folders and the Hugging Face Hub, through adapters from row to fields.

Rows that name no split are divided by a hash of their question, so the division does not depend on their order, and
all rows of one question land in one split. What is dropped is counted in the report.
"""

import dataclasses
import hashlib
import json
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ringexp.code_tests import read_tests
from ringexp.config.hub import is_hub_name
from ringexp.domains import reading
from ringexp.domains.adapters import ADAPTERS, Adapter, FieldError, Fields, Unusable
from ringexp.domains.dividing import FRACTIONS, OWN_SPLITS, Division, shares_of
from ringexp.domains.placing import SPLITS, Loaded, Placed, Report, distinct, pooled, question_key
from ringexp.domains.reading import Row, Tables
from ringexp.errors import ConfigError, DataError
from ringexp.records import Prompt
from ringexp.terminal import say

__all__ = ["Loaded", "Placed", "Report", "load_hub", "load_jsonl", "prompt_of", "stream_hub", "stream_jsonl"]

_EVERY = 10.0
"""Seconds between two lines about a source that is being read."""


def load_jsonl(
    path: str | Path,
    adapter: str | Adapter,
    domain: str = "math",
    fractions: Sequence[float] = FRACTIONS,
    seed: int = 0,
) -> Loaded:
    """A pool from a local file of JSON lines; one that ends in .json, .csv or .parquet is read as that.

    Args:
        path: the file.
        adapter: a name in `ADAPTERS`, or a function from row to `Fields`.
        domain: the pool's domain; rows that name another are dropped and counted.
        fractions: shares of train, validation and test for the rows that name no split; they sum to 1.
        seed: which division by hash.

    Raises:
        DataError: a missing or empty file, or a row that does not fit; the message names file, row and field.
        ConfigError: an unknown adapter or impossible fractions.
    """
    return _build(_of_file(path, adapter, domain, fractions, seed))


def stream_jsonl(
    path: str | Path,
    adapter: str | Adapter,
    domain: str = "math",
    fractions: Sequence[float] = FRACTIONS,
    seed: int = 0,
    *,
    left_out: Counter[str],
) -> Iterator[Placed]:
    """The rows that `load_jsonl` makes a pool of, one at a time: nothing is deduplicated, no file held in memory.

    Rows that name another domain are among them; rows that an adapter leaves out are counted in `left_out`, by reason.
    """
    return _placed(_of_file(path, adapter, domain, fractions, seed), left_out)


def load_hub(name_or_path: str, adapter: str | Adapter, domain: str = "math", **options: Any) -> Loaded:
    """A pool from a dataset of the Hub at a pinned commit, or from a local file or folder.

    The splits that a source calls validation or test (`OWN_SPLITS`) stay what they are. The rows of its other splits
    are divided by hash among the splits that it does not have.

    Args:
        name_or_path: `owner/name`, or a local file (.jsonl, .json, .csv, .parquet) or folder.
        adapter: as for `load_jsonl`, and `domain`.
        domain: the pool's.
        options: of these
            revision: the commit; needed with the Hub, where branches move.
            path: a local file or folder, or another name, to take instead of `name_or_path`; null: that.
            config_name: the dataset's configuration, or several.
            files: the files of its repository to read, by split, where `datasets` cannot read the whole.
            splits: what splits of the source are here, e.g. `{dev: test, prompt: null}`; null leaves one out.
            split: where all rows go, whatever they say.
            fractions, seed: as for `load_jsonl`.

    Raises:
        DataError: nothing there, or a row that does not fit; the message names file, row and field.
        ConfigError: an unknown adapter or split, impossible fractions, or a dataset of the Hub without its commit.
    """
    return _build(_of_hub(name_or_path, adapter, domain, **options))


def stream_hub(
    name_or_path: str, adapter: str | Adapter, domain: str = "math", *, left_out: Counter[str], **options: Any
) -> Iterator[Placed]:
    """The rows that `load_hub` makes a pool of, one at a time; see `stream_jsonl`."""
    return _placed(_of_hub(name_or_path, adapter, domain, **options), left_out)


class _Opened(NamedTuple):
    """A source that is ready to be read."""

    tables: Tables
    adapt: Adapter
    domain: str
    division: Division
    name: str


def _of_file(
    path: str | Path, adapter: str | Adapter, domain: str, fractions: Sequence[float], seed: int
) -> _Opened:
    division = Division({"train": ""}, shares_of(fractions), seed)
    return _Opened(reading.local_file(Path(path)), _adapter(adapter), domain, division, str(path))


def _of_hub(
    name_or_path: str,
    adapter: str | Adapter,
    domain: str,
    fractions: Sequence[float] = FRACTIONS,
    seed: int = 0,
    config_name: str | Sequence[str] | None = None,
    revision: str | None = None,
    path: str | None = None,
    files: Mapping[str, str | Sequence[str]] | None = None,
    splits: Mapping[str, str | None] | None = None,
    split: str | None = None,
) -> _Opened:
    key = f"data.pools.{domain}"
    own = {**OWN_SPLITS, **(splits or {})}
    for name in (split, *own.values()):
        if name is not None and name not in SPLITS:
            raise ConfigError(f"{key}: unknown split {name!r}: use {', '.join(SPLITS)}")
    adapt, shares, source = _adapter(adapter), shares_of(fractions), path or name_or_path
    if Path(source).exists() or not is_hub_name(source):
        tables = reading.local(Path(source), config_name)
    else:
        tables = reading.hub(source, revision, config_name, files, key)
    named = {name: own.get(name, "") for name in tables.splits}
    rest = {s: 0.0 if s in named.values() else share for s, share in shares.items()}
    if not sum(rest.values()):
        rest = {**rest, "train": 1.0}
    return _Opened(tables, adapt, domain, Division(named, rest, seed, split), source)


def _adapter(adapter: str | Adapter) -> Adapter:
    if not isinstance(adapter, str):
        return adapter
    if adapter not in ADAPTERS:
        raise ConfigError(f"unknown adapter {adapter!r}: use one of {', '.join(sorted(ADAPTERS))}")
    return ADAPTERS[adapter]


def _placed(opened: _Opened, dropped: Counter[str]) -> Iterator[Placed]:
    """Adapt and place the rows of a source, one at a time; what is left out is counted in `dropped`."""
    for row in _watched(opened.tables.rows, opened.name):
        if opened.division.leaves_out(row.split):
            dropped["unused"] += 1
            continue
        try:
            fields = _adapt(row, opened.adapt, opened.domain)
        except Unusable as found:
            dropped[found.reason] += 1
            continue
        split = opened.division.split(fields.question, fields.split, row.split)
        yield Placed(row.place, split, prompt_of(fields, fields.domain or opened.domain))


def _build(opened: _Opened) -> Loaded:
    """The pool of a source's own domain."""
    left_out, dropped = Counter[str](), Counter[str]()
    read = 0

    def own() -> Iterator[Placed]:
        nonlocal read
        for row in _placed(opened, left_out):
            read += 1
            if row.prompt.domain == opened.domain:
                yield row
            else:
                dropped["other_domain"] += 1

    kept = distinct(own(), dropped)
    read += left_out.total()
    dropped.update(left_out)
    if not kept:
        reasons = ", ".join(f"{reason} {count}" for reason, count in sorted(dropped.items()))
        raise DataError(f"{opened.name}: no rows of domain {opened.domain!r} among {read}"
                        f"{f' ({reasons})' if reasons else ''}: check data.path and data.domain")  # fmt: skip
    loaded = pooled(opened.domain, kept, dropped, read)
    origin = {**opened.tables.origin, "rows": read}
    return Loaded(dataclasses.replace(loaded.pool, origin=origin), loaded.report)


def _watched(rows: Iterable[Row], source: str) -> Iterator[Row]:
    """The rows; how many there have been so far is said now and then, on standard error."""
    said = time.monotonic()
    for number, row in enumerate(rows, start=1):
        yield row
        if number % 1000 == 0 and time.monotonic() - said > _EVERY:
            said = time.monotonic()
            say(f"{source}: {number:,} rows read")


def _adapt(row: Row, adapt: Adapter, domain: str) -> Fields:
    """The row's fields; what does not fit, code without tests included, is an error that says where."""
    if not isinstance(row.content, Mapping):
        raise DataError(f"{row.place}: expected a JSON object, found {type(row.content).__name__}")
    try:
        fields = adapt(row.content)
        if fields.split is not None and fields.split not in SPLITS:
            raise FieldError("split", f"unknown split {fields.split!r}: use {', '.join(SPLITS)}")
        if domain == "code" and fields.domain in (None, domain):
            read_tests(fields.answer)
    except DataError as error:
        raise DataError(f"{row.place}: {error}") from error
    return fields


def prompt_of(fields: Fields, domain: str) -> Prompt:
    """The prompt, identified by its content."""
    content = json.dumps([question_key(fields.question), fields.answer, fields.trace])
    return Prompt(
        id=f"{domain}/{hashlib.sha256(content.encode()).hexdigest()[:16]}",
        domain=domain,
        question=fields.question,
        answer=fields.answer,
        kind=fields.kind,
        level=fields.level,
        trace=fields.trace,
    )
