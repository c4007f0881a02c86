"""task=curate: clean → deduplicate → decontaminate → verify → difficulty → a versioned dataset (docs/curation.md)."""

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, cast

from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf

from ringexp.config.schema import Config
from ringexp.curation.card import CARD, About, Card, StepCount, recorded_source
from ringexp.curation.dataset import DatasetWriter, ParquetRows, canonical
from ringexp.curation.sources import AGAINST, POOL, Read, known_by, stream
from ringexp.curation.steps import Step
from ringexp.curation.work import REPORT, Chunk, Work, in_chunks, step_count, write_text
from ringexp.errors import ConfigError
from ringexp.records import CHOICE
from ringexp.rewards.registry import Verifier, VerifierRegistry
from ringexp.tasks.curation_run import record_counts, show
from ringexp.tasks.curation_steps import steps
from ringexp.tasks.dataset import made_once, open_record, parents
from ringexp.tasks.opening import open_store
from ringexp.tasks.saved_model import SavedModel
from ringexp.tasks.solving import find_solver
from ringexp.terminal import say
from ringexp.tracking import provenance
from ringexp.tracking.run import Store
from ringexp.tracking.secrets import scrub_tree

FINDINGS = "report.parquet"
"""In the dataset's folder: every finding of every step, about rows that were dropped and rows that stay."""


def run(config: Config) -> None:
    """Make the dataset, go on with one that a killed process left, or print the card of one that is there."""
    if config.curation.output is None:
        raise ConfigError("curation.output: name the folder of the dataset to make, e.g. curation.output=sets/first")
    output = Path(config.curation.output)
    store = open_store(config)
    solver = find_solver(config, store) if config.curation.difficulty.model is not None else None
    settings = _settings(config, solver)
    verifiers = config.rewards.verifiers
    names = [*config.data.pools, *({CHOICE} & set(verifiers))]
    verifier = VerifierRegistry({name: instantiate(verifiers[name]) for name in names})
    try:
        for _ in steps(config, solver, verifier, ()):  # each is built once: what is wrong with it shows now
            pass
        with made_once("curation.output", output, settings, fresh=config.fresh) as folder:
            _make(Making(config, store, solver, verifier, settings, output, folder))
    finally:
        verifier.close()
    show(output)


@dataclass(frozen=True)
class Making:
    """A dataset in the making: what it is made by, its settings, the folder that it gets, the folder of the work."""

    config: Config
    store: Store
    solver: SavedModel | None
    verifier: Verifier
    settings: dict[str, Any]
    output: Path
    folder: Path


def _make(making: Making) -> None:
    """Make the dataset, unless it is there; and its record, unless that is finished."""
    config, output, settings = making.config, making.output, making.settings
    code = {"source_hash": provenance.source_hash(), "lock_hash": provenance.lock_hash()}
    work = None
    if not (output / CARD).is_file():
        work = Work(making.folder, {**settings, **code, "chunk_rows": config.curation.chunk_rows}, say)
    with open_record(making.store, config, "curation", config.curation.dataset, output, settings) as record:
        if work is not None:
            _run_steps(making, work, code)
        if record is not None:
            record_counts(record, output)


def _settings(config: Config, solver: SavedModel | None) -> dict[str, Any]:
    """What decides the dataset, data by their content where they are files; without secrets, as the card shows it."""
    tree: dict[str, Any] = OmegaConf.to_container(cast(DictConfig, config), resolve=True)  # type: ignore[assignment]
    curation = {key: value for key, value in tree["curation"].items() if key not in ("output", "chunk_rows")}
    own = {"curation": curation, "pools": tree["data"]["pools"], "seed": config.seed,
           "verifiers": {domain: tree["rewards"]["verifiers"].get(domain) for domain in tree["data"]["pools"]}}
    own["data"] = known_by({"pools": own["pools"], "curation": curation})
    if solver is not None:
        own |= {"solver": dict(solver.lineage), "engine": tree["rollout"]["engine"],
                "max_prompt_tokens": tree["data"]["max_prompt_tokens"]}
    return cast(dict[str, Any], scrub_tree(own))


def _run_steps(making: Making, work: Work, code: dict[str, str]) -> None:
    """All steps, and the dataset of what stays."""
    config, read = making.config, Read()
    size = config.curation.chunk_rows
    left_out, done = Counter[str](), work.is_done(0, read)
    rows = islice(stream(config.data.pools, left_out), size * work.stored(0, read), None)
    chunks = first = work.run(0, read, in_chunks(rows, size))
    counts, every = [_counted(read, first)], [first]
    sources = _sources(making.settings, first, _left_out(config, work, None if done else left_out))
    for number, step in enumerate(steps(config, making.solver, making.verifier, first), start=1):
        chunks = work.run(number, step, chunks)
        counts.append(_counted(step, chunks))
        every.append(chunks)
    commit, dirty = provenance.git_state()
    about = About(config.curation.dataset, counts, sources, making.settings,
                  _lineage(config, making.solver), {"git_commit": commit, "git_dirty": dirty, **code})  # fmt: skip
    _write(making.output, chunks, every, about)


def _left_out(config: Config, work: Work, counted: Counter[str] | None) -> dict[str, int]:
    """Rows that adapters left out, by reason, as counted while reading; read once more where a kill lost the counts."""
    path = work.folder / "left_out.json"
    if not path.is_file():
        if counted is None:
            counted = Counter()
            for _ in stream(config.data.pools, counted):
                pass
        write_text(path, json.dumps(counted, sort_keys=True))
    found: dict[str, int] = json.loads(path.read_text("utf-8"))
    return found


def _counted(step: Step, chunks: Sequence[Chunk]) -> StepCount:
    """The step's counts, said too."""
    count = step_count(step, chunks)
    dropped = ", ".join(f"{reason} {number:,}" for reason, number in count.dropped.items()) or "nothing dropped"
    say(f"{step.name}: {count.rows_in:,} → {count.rows_out:,} rows ({step.skipped or dropped})")
    return count


def _sources(settings: dict[str, Any], read: Sequence[Chunk], left_out: dict[str, int]) -> dict[str, Any]:
    """Each pool as configured, its rows and their SHA-256 in order; each evaluation set; what adapters left out."""
    digests: dict[str, Any] = {}
    rows: dict[str, int] = {}
    for chunk in read:
        for row in chunk.rows():
            digests.setdefault(row.source, hashlib.sha256()).update(canonical(row.fields()))
            rows[row.source] = rows.get(row.source, 0) + 1
    pools = {name: {"rows": rows[name], "fingerprint": digests[name].hexdigest(),
                    "from": settings["pools"][name.removeprefix(POOL)]} for name in sorted(rows)}  # fmt: skip
    against = {AGAINST + name: {"from": source} for name, source in (settings["curation"]["against"] or {}).items()}
    return pools | against | ({"left_out_by_adapters": left_out} if left_out else {})


def _lineage(config: Config, solver: SavedModel | None) -> dict[str, Any]:
    """Datasets that the rows come from, the model of the solve rates, the stronger model's dataset."""
    stronger = recorded_source(config.curation.difficulty.stronger)
    found = {"model": solver and dict(solver.lineage), "stronger": stronger and stronger[1]}
    return parents(config) | {key: value for key, value in found.items() if value}


def _write(output: Path, last: Sequence[Chunk], every: Sequence[Sequence[Chunk]], about: About) -> Card:
    """The dataset of the last step's rows, with every step's findings beside it."""
    with DatasetWriter(output) as writer:
        for split in ("train", "validation", "test"):
            for chunk in last:
                for row in chunk.rows():
                    if row.split == split:
                        writer.add(row)
        with ParquetRows(writer.partial / FINDINGS, REPORT) as report:
            for chunk in (chunk for chunks in every for chunk in chunks):
                for finding in chunk.findings():
                    report.add(finding)
        return writer.finish(about)
