"""Where rows come from: the configured pools, read one row at a time, and the evaluation sets they are held against."""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from hydra.utils import get_object, instantiate

from ringexp.curation.card import CARD, read_card
from ringexp.curation.dataset import Row, load_curated, read_rows
from ringexp.curation.decontaminate import Question
from ringexp.curation.steps import Finding, Judged, Step
from ringexp.domains.combined import combined
from ringexp.domains.placing import SPLITS, Loaded, Placed
from ringexp.domains.pool import Pool
from ringexp.domains.public import load_hub, load_jsonl, stream_hub, stream_jsonl
from ringexp.errors import ConfigError, DataError, RingexpError

STREAMS: Mapping[Any, Callable[..., Iterator[Placed]]] = {load_jsonl: stream_jsonl, load_hub: stream_hub}
"""Loaders of pools whose rows can be had one at a time; other pools are built and gone through."""

POOL = "data.pools."
AGAINST = "curation.against."
TRAIN = "train"
ALL_HELD_OUT = (0.0, 0.0, 1.0)
"""Shares of the splits: the rows of an evaluation set that name none are its test rows."""

Component = Mapping[str, Any]


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


def stream(pools: Mapping[str, Component], left_out: Counter[str]) -> Iterator[Row]:
    """All rows of the configured pools, one pool after the other; of held-out rows each once.

    What adapters leave out is counted in `left_out`.

    Raises:
        DataError, ConfigError: as the pools' own loaders do; a pool without a training row.
    """
    for domain, component in pools.items():
        seen: set[str] = set()
        training = 0
        for row in _rows(POOL + domain, domain, component, left_out):
            training += row.split == TRAIN
            if row.split != TRAIN and (row.prompt.id in seen or row.prompt.domain != domain):
                continue
            if row.split != TRAIN:
                seen.add(row.prompt.id)
            yield row
        if not training:
            raise DataError(f"{POOL}{domain}: no training row: nothing to curate")


def _rows(key: str, domain: str, component: Component, left_out: Counter[str], **more: Any) -> Iterator[Row]:
    """The rows of one source; `more` are further arguments of its loader, where that gives rows one at a time."""
    target = get_object(component["_target_"])
    if target is combined:
        yield from _combined(key, domain, component, left_out)
        return
    try:
        loader = instantiate(component, _partial_=True)
        if loader.func in STREAMS:
            rows = STREAMS[loader.func](*loader.args, **{**loader.keywords, **more}, left_out=left_out)
            yield from (Row(prompt, split, key, place) for place, split, prompt in rows)
        elif loader.func is load_curated:
            for row in read_rows(loader.keywords["path"]):
                if row.prompt.domain == domain:
                    yield Row(row.prompt, row.split, key, row.place, row.solve_rate, row.samples)
        else:
            yield from _of_pool(key, loader())
    except TypeError as error:
        raise ConfigError(f"{key}: {error}") from error


def _combined(key: str, domain: str, component: Component, left_out: Counter[str]) -> Iterator[Row]:
    """Each split's rows from the sources named for it, or from those of training."""
    for split in SPLITS:
        named = component.get(split) or component[TRAIN]
        for source in [named] if "_target_" in named else named.values():
            unused = left_out if split == TRAIN or component.get(split) else Counter[str]()  # counted with training
            for row in _rows(key, domain, source, unused):
                if row.split == split:
                    yield row


def _of_pool(key: str, built: Any) -> Iterator[Row]:
    pool = built.pool if isinstance(built, Loaded) else built
    if not isinstance(pool, Pool):
        raise ConfigError(f"{key}: gives no pool of prompts")
    for split in SPLITS:
        for number, prompt in enumerate(getattr(pool, split), start=1):
            yield Row(prompt, split, key, f"{split} row {number}")


def known_by(tree: Any) -> dict[str, str]:
    """What identifies the data at the paths that a configuration names: SHA-256 of files, fingerprints of datasets."""
    found: dict[str, str] = {}
    for name, value in tree.items() if isinstance(tree, Mapping) else ():
        if isinstance(value, Mapping):
            found |= {f"{name}.{inner}": known for inner, known in known_by(value).items()}
        elif name in ("path", "name_or_path", "stronger") and value is not None:
            if (Path(value) / CARD).is_file():
                found[name] = read_card(value).fingerprint
            elif Path(value).is_file():
                with Path(value).open("rb") as file:
                    found[name] = hashlib.file_digest(file, "sha256").hexdigest()
    return found


def questions(
    against: Mapping[str, Component], held_out: Iterable[Row], left_out: Counter[str]
) -> Iterator[Question]:
    """The questions of the named evaluation sets, then of held-out rows, whose sets are called `<domain>/<split>`.

    Of an evaluation set, the rows of its validation and test splits; all rows, where it has no such split.

    Raises what the loaders raise, and DataError for an evaluation set without rows.
    """
    for name, source in against.items():
        count = 0
        whole = {"_target_": "ringexp.domains.public.load_jsonl", "adapter": "records", **source}
        try:
            for row in _rows(AGAINST + name, "", whole, left_out, fractions=ALL_HELD_OUT):
                if row.split != TRAIN:
                    count += 1
                    yield Question(name, row.place, row.prompt.question)
        except RingexpError as error:
            raise type(error)(f"{AGAINST}{name}: {error}") from error
        if not count:
            raise DataError(f"{AGAINST}{name}: no validation or test row there")
    for row in held_out:
        yield Question(f"{row.prompt.domain}/{row.split}", row.prompt.id, row.prompt.question)
