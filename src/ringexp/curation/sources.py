"""Where rows come from: the configured pools, read one row at a time, and the evaluation sets they are held against."""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from hydra.utils import instantiate

from ringexp.config.curation import AgainstConfig
from ringexp.curation.card import CARD, read_card
from ringexp.curation.dataset import SPLITS, Row, load_curated, read_rows
from ringexp.curation.decontaminate import Question
from ringexp.curation.steps import Finding, Judged, Step
from ringexp.domains.pool import Pool
from ringexp.domains.public import Loaded, Placed, load_hub, load_jsonl, stream_hub, stream_jsonl
from ringexp.errors import ConfigError, DataError

STREAMS: Mapping[Any, Callable[..., Iterator[Placed]]] = {load_jsonl: stream_jsonl, load_hub: stream_hub}
"""Loaders of pools whose rows can be had one at a time; other pools are built and gone through."""

POOL = "data.pools."
FILES = (".jsonl", ".json", ".csv", ".parquet")


class Read(Step):
    """The first step: counts what comes in, and drops rows that name another domain than their pool's."""

    name = "read"

    def judge(self, rows: Sequence[Row]) -> Judged:
        """One verdict per row; no row depends on another."""
        judged = Judged()
        for row in rows:
            if row.source == POOL + row.prompt.domain:
                judged.keep(row)
            else:
                judged.drop(row, Finding("other_domain", detail=row.source))
        return judged


def stream(pools: Mapping[str, Any]) -> Iterator[Row]:
    """All rows of the configured pools, one pool after the other; of held-out rows each once.

    Raises:
        DataError, ConfigError: as the pools' own loaders do; a pool without a training row.
    """
    for domain, component in pools.items():
        seen: set[str] = set()
        training = 0
        for row in _rows(POOL + domain, domain, component):
            training += row.split == "train"
            if row.split != "train" and (row.prompt.id in seen or row.prompt.domain != domain):
                continue
            if row.split != "train":
                seen.add(row.prompt.id)
            yield row
        if not training:
            raise DataError(f"{POOL}{domain}: no training row: nothing to curate")


def _rows(name: str, domain: str, component: Any) -> Iterator[Row]:
    """The rows of one pool."""
    try:
        loader = instantiate(component, _partial_=True)
        if loader.func in STREAMS:
            for place, split, prompt in STREAMS[loader.func](*loader.args, **loader.keywords):
                yield Row(prompt, split, name, place)
        elif loader.func is load_curated:
            for row in read_rows(loader.keywords["path"]):
                if row.prompt.domain == domain:
                    yield Row(row.prompt, row.split, name, row.place, row.solve_rate, row.samples)
        else:
            yield from _of_pool(name, loader())
    except TypeError as error:
        raise ConfigError(f"{name}: {error}") from error


def _of_pool(name: str, built: Any) -> Iterator[Row]:
    pool = built.pool if isinstance(built, Loaded) else built
    if not isinstance(pool, Pool):
        raise ConfigError(f"{name}: gives no pool of prompts")
    for split in SPLITS:
        for number, prompt in enumerate(getattr(pool, split), start=1):
            yield Row(prompt, split, name, f"{split} row {number}")


def known_by(path: str | None) -> str | None:
    """What identifies the data at a path: a file's SHA-256, a versioned dataset's fingerprint; None for the rest."""
    if path is None:
        return None
    if (Path(path) / CARD).is_file():
        return read_card(path).fingerprint
    if not Path(path).is_file():
        return None
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def questions(against: Mapping[str, AgainstConfig], held_out: Iterable[Row]) -> Iterator[Question]:
    """The questions of the named evaluation sets, then of held-out rows, whose sets are called `<domain>/<split>`.

    Raises what the loaders raise, and DataError for an evaluation set without rows.
    """
    for name, source in against.items():
        count = 0
        for place, _, prompt in _evaluation_rows(name, source):
            count += 1
            yield Question(name, place, prompt.question)
        if not count:
            raise DataError(f"curation.against.{name}: no rows at {source.path}")
    for row in held_out:
        yield Question(f"{row.prompt.domain}/{row.split}", row.prompt.id, row.prompt.question)


def _evaluation_rows(name: str, source: AgainstConfig) -> Iterator[Placed]:
    try:
        if Path(source.path).suffix in FILES and not Path(source.path).is_file():
            raise DataError(f"no such file: {source.path}")
        if Path(source.path).suffix == ".jsonl":
            yield from stream_jsonl(source.path, source.adapter, source.domain)
        else:
            yield from stream_hub(source.path, source.adapter, source.domain, config_name=source.config_name,
                                  revision=source.revision)  # fmt: skip
    except (DataError, ConfigError) as error:
        raise type(error)(f"curation.against.{name}: {error}") from error
