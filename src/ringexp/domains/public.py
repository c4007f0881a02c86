"""Pools from published datasets: JSONL files and the Hugging Face Hub, through adapters from row to prompt fields.

Rows that name no split are divided by a hash of their question, so the division does not depend on their order, and
all rows of one question land in one split. What is dropped is counted in the report.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from ringexp.code_tests import read_tests
from ringexp.domains.adapters import ADAPTERS, Adapter, FieldError, Fields
from ringexp.domains.pool import Pool
from ringexp.errors import ConfigError, DataError
from ringexp.records import Prompt
from ringexp.seeds import derive

SPLITS = ("train", "validation", "test")
FRACTIONS = (0.8, 0.08, 0.12)


@dataclass(frozen=True, slots=True)
class Report:
    """Counts of a load: rows read and kept per split; rows dropped, by reason.

    Reasons: `duplicate` (same question, answer and trace as an earlier row), `other_domain` (the row names another
    domain), `in_evaluation` (a training row whose question is also in validation or test, or a validation row's in
    test: the rows name their splits and contradict each other).
    """

    read: int
    kept: Mapping[str, int]
    dropped: Mapping[str, int] = field(default_factory=dict)


class Loaded(NamedTuple):
    """A pool and the counts of what was dropped to get it."""

    pool: Pool
    report: Report


class Placed(NamedTuple):
    """A row of a source as a prompt in its split, and where it stands. Rows that name another domain are among them."""

    place: str
    split: str
    prompt: Prompt


def load_jsonl(
    path: str | Path,
    adapter: str | Adapter,
    domain: str = "math",
    fractions: Sequence[float] = FRACTIONS,
    seed: int = 0,
) -> Loaded:
    """Read a JSONL file, line by line; blank lines are skipped.

    Args:
        path: the file.
        adapter: a name in `ADAPTERS`, or a function from row to `Fields`.
        domain: the pool's domain; rows that name another are dropped and counted.
        fractions: shares of train, validation and test for the rows that name no split; they sum to 1.
        seed: which division by hash.

    Raises:
        DataError: a missing or empty file, or a line that does not fit; the message names file, line and field.
        ConfigError: an unknown adapter or impossible fractions.
    """
    return _build(stream_jsonl(path, adapter, domain, fractions, seed), domain, str(path))


def stream_jsonl(
    path: str | Path,
    adapter: str | Adapter,
    domain: str = "math",
    fractions: Sequence[float] = FRACTIONS,
    seed: int = 0,
) -> Iterator[Placed]:
    """The rows that `load_jsonl` makes a pool of, one at a time: nothing is deduplicated, no file held in memory."""
    return _placed(_jsonl_rows(Path(path)), _adapter(adapter), domain, _shares(fractions), seed)


def load_hub(
    name_or_path: str,
    adapter: str | Adapter,
    domain: str = "math",
    fractions: Sequence[float] = FRACTIONS,
    seed: int = 0,
    config_name: str | None = None,
    revision: str | None = None,
) -> Loaded:
    """Read a dataset of the Hub, or a local file or folder, through `datasets.load_dataset`.

    The dataset's own `validation` and `test` splits stay what they are. The rows of its other splits are divided by
    hash among the splits that it does not have. Arguments and errors otherwise as for `load_jsonl`.
    """
    rows = stream_hub(name_or_path, adapter, domain, fractions, seed, config_name, revision)
    return _build(rows, domain, name_or_path)


def stream_hub(
    name_or_path: str,
    adapter: str | Adapter,
    domain: str = "math",
    fractions: Sequence[float] = FRACTIONS,
    seed: int = 0,
    config_name: str | None = None,
    revision: str | None = None,
) -> Iterator[Placed]:
    """The rows that `load_hub` makes a pool of, one at a time; see `stream_jsonl`."""
    adapt, shares = _adapter(adapter), _shares(fractions)
    tables = _hub_tables(name_or_path, config_name, revision)
    own = [s for s in ("validation", "test") if s in tables]
    rest = {s: 0.0 if s in own else share for s, share in shares.items()}
    if not sum(rest.values()):
        rest = {**rest, "train": 1.0}
    return _placed(_hub_rows(name_or_path, tables), adapt, domain, rest, seed)


class _Row(NamedTuple):
    """A raw row, where it stands, and the split of the source that it comes from."""

    place: str
    content: Any
    split: str | None = None


def _jsonl_rows(path: Path) -> Iterator[_Row]:
    if not path.is_file():
        raise DataError(f"no such file: {path}: set data.path to a JSONL file")
    with path.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            place = f"{path}, line {number}"
            try:
                text = line.decode("utf-8-sig" if number == 1 else "utf-8").strip()
                if text:
                    yield _Row(place, json.loads(text))
            except UnicodeDecodeError as error:
                raise DataError(f"{place}: not UTF-8 at byte {error.start}: save the file as UTF-8") from error
            except (json.JSONDecodeError, RecursionError) as error:
                raise DataError(f"{place}: not JSON: {error}") from error


def _hub_tables(name: str, config_name: str | None, revision: str | None) -> Mapping[str, Iterable[Any]]:
    """The dataset's splits by name."""
    import datasets  # slow to import, and needed by no other source

    kinds = {".jsonl": "json", ".json": "json", ".csv": "csv", ".parquet": "parquet"}
    kind = kinds.get(Path(name).suffix)
    try:
        if kind and Path(name).is_file():
            tables = datasets.load_dataset(kind, data_files=name)
        else:
            tables = datasets.load_dataset(name, name=config_name, revision=revision)
    except (OSError, ValueError, datasets.exceptions.DatasetsError) as error:
        raise DataError(
            f"cannot load dataset {name!r}: {error}: check data.path, data.config_name, data.revision"
        ) from (error)
    found: Mapping[str, Iterable[Any]] = dict(tables)
    return found


def _hub_rows(name: str, tables: Mapping[str, Iterable[Any]]) -> Iterator[_Row]:
    for split, rows in tables.items():
        for number, row in enumerate(rows, start=1):
            yield _Row(f"{name}, split {split}, row {number}", row, split if split in SPLITS[1:] else None)


def _adapter(adapter: str | Adapter) -> Adapter:
    if not isinstance(adapter, str):
        return adapter
    if adapter not in ADAPTERS:
        raise ConfigError(f"unknown data.adapter {adapter!r}: use one of {', '.join(sorted(ADAPTERS))}")
    return ADAPTERS[adapter]


def _shares(fractions: Sequence[float]) -> Mapping[str, float]:
    if len(fractions) != len(SPLITS) or min(fractions) < 0 or abs(sum(fractions) - 1) > 1e-6:
        raise ConfigError(
            f"data.fractions is {list(fractions)}: give three shares ≥ 0 for {', '.join(SPLITS)} that sum to 1"
        )
    return dict(zip(SPLITS, fractions))


def _placed(
    rows: Iterable[_Row], adapt: Adapter, domain: str, shares: Mapping[str, float], seed: int
) -> Iterator[Placed]:
    """Adapt and place the rows of a source, one at a time."""
    for row in rows:
        fields = _adapt(row, adapt, domain)
        split = fields.split or row.split or _hashed_split(question_key(fields.question), shares, seed)
        yield Placed(row.place, split, _prompt(fields, fields.domain or domain))


def _build(rows: Iterable[Placed], domain: str, source: str) -> Loaded:
    """Deduplicate the placed rows of a source."""
    kept: dict[str, tuple[str, str, Prompt]] = {}
    dropped: Counter[str] = Counter()
    read = 0
    for _, split, prompt in rows:
        read += 1
        if prompt.domain != domain:
            dropped["other_domain"] += 1
            continue
        if prompt.id in kept and SPLITS.index(kept[prompt.id][0]) >= SPLITS.index(split):
            dropped["duplicate"] += 1
            continue
        dropped["duplicate"] += prompt.id in kept
        kept[prompt.id] = (split, question_key(prompt.question), prompt)
    if not kept:
        raise DataError(f"{source}: no rows of domain {domain!r} among {read}: check data.path and data.domain")
    return _pool(domain, kept.values(), dropped, read)


def _pool(domain: str, rows: Iterable[tuple[str, str, Prompt]], dropped: Counter[str], read: int) -> Loaded:
    """The pool of placed rows, each question in the most held-out split that any of its rows names."""
    rows = list(rows)
    held_out: dict[str, int] = {}
    for split, key, _ in rows:
        held_out[key] = max(held_out.get(key, 0), SPLITS.index(split))
    chosen: dict[str, list[Prompt]] = {s: [] for s in SPLITS}
    for split, key, prompt in rows:
        if SPLITS.index(split) < held_out[key]:
            dropped["in_evaluation"] += 1
        else:
            chosen[split].append(prompt)
    pool = Pool(domain, **{s: tuple(p) for s, p in chosen.items()})
    return Loaded(pool, Report(read, {s: len(p) for s, p in chosen.items()}, {k: n for k, n in dropped.items() if n}))


def _adapt(row: _Row, adapt: Adapter, domain: str) -> Fields:
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


def question_key(question: str) -> str:
    """What makes two questions the same: their text without case and runs of white space."""
    return " ".join(question.split()).casefold()


def _hashed_split(key: str, shares: Mapping[str, float], seed: int) -> str:
    """The split of a question, drawn by its hash in proportion to the shares."""
    point = derive(seed, "public/split", key) / 2**63 * sum(shares.values())
    last = "train"
    for split, share in shares.items():
        if share:
            last = split
            if point < share:
                return split
            point -= share
    return last


def _prompt(fields: Fields, domain: str) -> Prompt:
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
