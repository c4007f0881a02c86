"""task=curate: clean → deduplicate → decontaminate → verify → difficulty → a versioned dataset (docs/curation.md)."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, cast

from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf

from ringexp import seeds
from ringexp.config.schema import Config
from ringexp.curation.card import CARD, About, Card, StepCount, recorded_source
from ringexp.curation.clean import Clean
from ringexp.curation.dataset import DatasetWriter, ParquetRows, canonical, read_rows
from ringexp.curation.decontaminate import Decontaminate, EvaluationIndex
from ringexp.curation.dedup import Exact
from ringexp.curation.difficulty import Difficulty
from ringexp.curation.near import Near
from ringexp.curation.sources import POOL, Read, known_by, questions, stream
from ringexp.curation.steps import Skipped, Step
from ringexp.curation.verify import Verify, boxed
from ringexp.curation.work import REPORT, TRAIN, Chunk, Work, in_chunks, step_count
from ringexp.errors import ConfigError, DataError
from ringexp.records import Prompt
from ringexp.rewards.registry import Verifier, VerifierRegistry
from ringexp.tasks.curation_run import record_counts, show
from ringexp.tasks.dataset import made_once, open_record, parents
from ringexp.tasks.opening import open_store
from ringexp.tasks.saved_model import SavedModel
from ringexp.tasks.solving import Solving, find_solver
from ringexp.tasks.workspace import say
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
    verifier = VerifierRegistry({d: instantiate(config.rewards.verifiers[d]) for d in config.data.pools})
    try:
        for _ in _steps(config, solver, verifier, ()):  # each is built once: what is wrong with it shows now
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
    own["data"] = {f"{group}.{name}": known_by(part.get("path")) for group, parts in
                   (("pools", own["pools"]), ("against", curation["against"])) for name, part in (parts or {}).items()}
    if solver is not None:
        own |= {"solver": dict(solver.lineage), "engine": tree["rollout"]["engine"],
                "max_prompt_tokens": tree["data"]["max_prompt_tokens"]}
    if curation["difficulty"]["stronger"] is not None:
        own["data"]["stronger"] = known_by(curation["difficulty"]["stronger"])
    return cast(dict[str, Any], scrub_tree(own))


def _run_steps(making: Making, work: Work, code: dict[str, str]) -> None:
    """All steps, and the dataset of what stays."""
    config, read = making.config, Read()
    size = config.curation.chunk_rows
    rows = islice(stream(config.data.pools), size * work.stored(0, read), None)
    chunks = first = work.run(0, read, in_chunks(rows, size))
    counts, every = [_counted(read, first)], [first]
    for number, step in enumerate(_steps(config, making.solver, making.verifier, first), start=1):
        chunks = work.run(number, step, chunks)
        counts.append(_counted(step, chunks))
        every.append(chunks)
    commit, dirty = provenance.git_state()
    about = About(config.curation.dataset, counts, _sources(making.settings, first), making.settings,
                  _lineage(config, making.solver), {"git_commit": commit, "git_dirty": dirty, **code})  # fmt: skip
    _write(making.output, chunks, every, about)


def _steps(config: Config, solver: SavedModel | None, verifier: Verifier, read: Sequence[Chunk]) -> Iterator[Step]:
    """The steps in their order, each built when its turn has come."""
    own = config.curation
    off = "switched off"
    yield Clean(own.clean.rules, own.clean.min_chars, own.clean.max_chars, own.clean.max_trace_chars) \
        if own.clean.enabled else Skipped("clean", off)  # fmt: skip
    yield Exact(lambda one, other: _same_answer(verifier, one, other)) if own.exact.enabled \
        else Skipped(Exact.name, off)  # fmt: skip
    yield Near(own.near.threshold, own.near.permutations, seeds.derive(config.seed, "curate/near")) \
        if own.near.enabled else Skipped(Near.name, off)  # fmt: skip
    yield _decontaminate(config, read)
    yield Verify(verifier, own.verify.require_solution, own.verify.wrong_trace) if own.verify.enabled \
        else Skipped(Verify.name, off)  # fmt: skip
    if solver is None:
        yield Skipped(Difficulty.name, "no model (curation.difficulty.model)")
        return
    yield Difficulty(Solving(config, solver, verifier), own.difficulty.easy, own.difficulty.hard, _stronger(config))


def _same_answer(verifier: Verifier, one: Prompt, other: Prompt) -> bool:
    """Whether either answer, as a response to the other prompt, is judged correct."""
    verdicts = verifier.score([one, other], [boxed(other), boxed(one)])
    return any(verdict.reward == 1 for verdict in verdicts)


def _decontaminate(config: Config, read: Sequence[Chunk]) -> Step:
    """The step with its index of evaluation questions."""
    own = config.curation.decontaminate
    if not own.enabled:
        return Skipped(Decontaminate.name, "switched off")
    held_out = (row for chunk in read for row in chunk.rows() if row.split != TRAIN) if own.held_out else iter(())
    index = EvaluationIndex(questions(config.curation.against or {}, held_out), own.ngram)
    if not index.names:
        return Skipped(Decontaminate.name, "no evaluation set (curation.against)")
    for name, count in index.too_short.items():
        say(f"decontaminate: {name}: {count} questions are too short to be looked for")
    return Decontaminate(index, own.coverage, own.same_numbers)


def _stronger(config: Config) -> dict[str, float] | None:
    """The stronger model's solve rates by row; None where none are given. Raises DataError where it has none."""
    folder = config.curation.difficulty.stronger
    if folder is None:
        return None
    rates = {row.prompt.id: row.solve_rate for row in read_rows(folder) if row.solve_rate is not None}
    if not rates:
        raise DataError(f"curation.difficulty.stronger={folder}: no row has a solve rate there: curate these data with "
                        "the stronger model and curation.difficulty.easy=null first")  # fmt: skip
    return rates


def _counted(step: Step, chunks: Sequence[Chunk]) -> StepCount:
    """The step's counts, said too."""
    count = step_count(step, chunks)
    dropped = ", ".join(f"{reason} {number:,}" for reason, number in count.dropped.items()) or "nothing dropped"
    say(f"{step.name}: {count.rows_in:,} → {count.rows_out:,} rows ({step.skipped or dropped})")
    return count


def _sources(settings: dict[str, Any], read: Sequence[Chunk]) -> dict[str, Any]:
    """Each pool as configured, its rows and their SHA-256 in order; each evaluation set likewise."""
    digests: dict[str, Any] = {}
    rows: dict[str, int] = {}
    for chunk in read:
        for row in chunk.rows():
            digests.setdefault(row.source, hashlib.sha256()).update(canonical(row.fields()))
            rows[row.source] = rows.get(row.source, 0) + 1
    pools = {name: {"rows": rows[name], "fingerprint": digests[name].hexdigest(),
                    "from": settings["pools"][name.removeprefix(POOL)]} for name in sorted(rows)}  # fmt: skip
    against = {f"curation.against.{name}": {"from": source, "fingerprint": settings["data"][f"against.{name}"]}
               for name, source in (settings["curation"]["against"] or {}).items()}  # fmt: skip
    return pools | against


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
