"""task=distill: a teacher answers training prompts; judged, filtered, a few of each kept, they are a student's data.

Drawn by the configured engine, judged by the verifiers of RL. Every response is decided by its prompt's id, its number
and the seed, so what a kill interrupts is gone on with, and ends in the same dataset.
"""

import dataclasses
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from hydra.utils import instantiate
from omegaconf import OmegaConf

from ringexp import seeds
from ringexp.config.schema import Config
from ringexp.curation.card import CARD, About, read_card
from ringexp.curation.dataset import DatasetWriter
from ringexp.distillation.counts import ACCEPTED, Counts, metrics
from ringexp.distillation.questions import Question, questions, rows
from ringexp.distillation.rejection import Rejection, sift
from ringexp.distillation.summary import show
from ringexp.distillation.work import Answered, Work
from ringexp.domains.pool import Pool
from ringexp.errors import StorageError
from ringexp.evaluation.run import Evaluator, requests
from ringexp.records import CHOICE, Group, Outcome, Sampling
from ringexp.rewards.registry import VerifierRegistry
from ringexp.tasks.data import load_pools
from ringexp.tasks.dataset import log_card, made_by, made_once, open_record, parents
from ringexp.tasks.opening import open_store
from ringexp.tasks.saved_model import SavedModel
from ringexp.tasks.teacher import find_teacher
from ringexp.terminal import duration, say
from ringexp.tracking import provenance
from ringexp.tracking.run import Record, Store
from ringexp.tracking.secrets import scrub_tree

COUNTED = "Responses of the teacher in, traces out; beside them the numbers of prompts."


@dataclass(frozen=True)
class Job:
    """What is to be done: the teacher, the pools, every prompt in the order of the rows, where the dataset goes."""

    config: Config
    teacher: SavedModel
    pools: Mapping[str, Pool]
    questions: Sequence[Question]
    about: About

    @property
    def output(self) -> Path:
        """The folder of the dataset."""
        return Path(self.config.distillation.output)

    @property
    def asked(self) -> list[Question]:
        """The prompts that the teacher answers."""
        return [question for question in self.questions if question.asked]


def run(config: Config) -> None:
    """Draw, judge, choose, write; then, or where that is done already, show what came of it."""
    torch.set_num_threads(config.trainer.threads)
    store = open_store(config)
    job = _job(config, find_teacher(config, store))
    with made_once("distillation.output", job.output, job.about.settings, fresh=config.fresh) as folder:
        _make(job, store, folder)
    show(read_card(job.output), job.output)


def _job(config: Config, teacher: SavedModel) -> Job:
    settings, (pools, _) = config.distillation, load_pools(config.data)
    asked = questions(pools, teacher.tokenizer, settings.splits, config.data.max_prompt_tokens)
    own = {key: value for key, value in _plain(settings).items() if key not in ("output", "teacher", "chunk")}
    data = {domain: {"name": config.data.name, "fingerprint": pool.fingerprint} for domain, pool in pools.items()}
    decides = {
        "seed": config.seed, "distillation": own, "data": data, "teacher": dict(teacher.lineage),
        "max_prompt_tokens": config.data.max_prompt_tokens, "engine": _plain(config.rollout.engine),
        "verifiers": {domain: _plain(config.rewards.verifiers[domain]) for domain in pools},
    }  # fmt: skip
    lineage = {"teacher": dict(teacher.lineage)} | parents(config)
    sources = {domain: {**data[domain], "from": dict(pool.origin)} for domain, pool in pools.items()}
    about = About(Path(settings.output).name, sources=sources, settings=scrub_tree(decides), lineage=lineage,
                  made_by=made_by(), counted=COUNTED)  # fmt: skip
    return Job(config, teacher, pools, asked, about)


def _plain(part: Any) -> Any:
    """A part of the configuration as plain data."""
    return OmegaConf.to_container(part)


def _make(job: Job, store: Store, folder: Path) -> None:
    """The dataset, unless it is there; and its record, unless that is finished."""
    settings, work = job.about.settings, None
    if not (job.output / CARD).is_file():
        code = {"source_hash": provenance.source_hash(), "lock_hash": provenance.lock_hash()}
        work = Work(folder, {**settings, **code, "chunk": job.config.distillation.chunk})
    with open_record(store, job.config, "distillation", job.about.name, job.output, settings) as record:
        if record is None:
            return
        record.log_parameters(_parameters(job))
        if work is not None:
            _draw(job, work, record)
            _write(job, work)
        card = log_card(record, job.output)
        record.log(metrics(card.about.steps), len(job.asked))
    for step in card.about.steps:
        if step.rows_in and not step.rows_out:
            say(f"warning: distill: {step.step}: no response was accepted, so there is no trace")


def _parameters(job: Job) -> dict[str, Any]:
    """What distillations are compared by in MLflow."""
    settings, teacher = job.config.distillation, job.teacher.lineage
    return {
        "teacher": teacher.get("model") or teacher.get("path"), "teacher_run": teacher.get("run_id"),
        "teacher_checkpoint": teacher.get("checkpoint"), "samples": settings.samples,
        "temperature": settings.temperature, "per_prompt": settings.per_prompt,
        "keep": settings.keep["_target_"].rpartition(".")[2], "overrides": provenance.overrides(),
    }  # fmt: skip


@contextmanager
def _verifier(config: Config, domains: Sequence[str]) -> Iterator[VerifierRegistry]:
    """The verifiers of the domains and of multiple choice, ended with the body."""
    verifiers = config.rewards.verifiers
    names = [*domains, CHOICE]
    registry = VerifierRegistry({name: instantiate(verifiers[name]) for name in names if name in verifiers})
    registry.require(domains)
    try:
        yield registry
    finally:
        registry.close()


def _draw(job: Job, work: Work, record: Record) -> None:
    """Every chunk of prompts that is not drawn yet, with a line of progress after each."""
    asked, size = job.asked, job.config.distillation.chunk
    chunks = {number: asked[first : first + size] for number, first in enumerate(range(0, len(asked), size))}
    accepted = responses = done = drawn = 0
    started = time.monotonic()
    with _verifier(job.config, sorted(job.pools)) as verifier:
        for number, chunk in chunks.items():
            answers = work.chunk(number)
            if answers is None:
                answers = _answers(job, Evaluator(job.teacher.engine(job.config), verifier), chunk)
                work.store(number, answers)
                drawn += len(chunk)
            _require(work, number, chunk, answers)
            done += len(chunk)
            accepted += sum(fate in ACCEPTED for answer in answers for fate in answer.fates)
            responses += sum(len(answer.fates) for answer in answers)
            record.log({"distill/accepted": accepted / responses}, done)
            if drawn:
                left = duration((time.monotonic() - started) / drawn * (len(asked) - done))
                say(f"distill: {done:,} of {len(asked):,} prompts, {accepted / responses:.1%} of the responses "
                    f"accepted, {left} left")  # fmt: skip


def _require(work: Work, number: int, chunk: Sequence[Question], answers: Sequence[Answered]) -> None:
    """The stored chunk answers these very prompts. Raises StorageError otherwise."""
    if [answer.id for answer in answers] != [question.prompt.id for question in chunk]:
        raise StorageError(f"{work.folder}: chunk {number} answers other prompts: delete its file, it is drawn again")


def _answers(job: Job, evaluator: Evaluator, chunk: Sequence[Question]) -> list[Answered]:
    """Draw and judge all responses to a chunk of prompts, and decide which become traces."""
    settings = job.config.distillation
    sampling = Sampling(settings.temperature, settings.max_response_tokens)
    asked = requests([q.prompt for q in chunk], settings.samples, seeds.derive(job.config.seed, "distill"))
    groups = evaluator.collect(asked, sampling, settings.samples).groups
    training = Rejection({name: instantiate(part) for name, part in settings.filters.items()},
                         instantiate(settings.keep), settings.per_prompt)  # fmt: skip
    held_out = dataclasses.replace(training, most=1)  # a validation prompt counts once
    return [_answered(group, training if question.split == "train" else held_out)
            for question, group in zip(chunk, groups, strict=True)]  # fmt: skip


def _answered(group: Group, rejection: Rejection) -> Answered:
    sifted = sift(group, rejection)
    kept = [group.rollouts[place] for place in sifted.kept]
    correct = sum(verdict.outcome is Outcome.CORRECT for verdict in group.verdicts)
    return Answered(group.prompt.id, sifted.fates, correct, tuple(rollout.text for rollout in kept),
                    tuple(len(rollout.token_ids) for rollout in kept))  # fmt: skip


def _write(job: Job, work: Work) -> None:
    """The dataset from all chunks, its counts in the card."""
    counts, settings = Counts(), job.config.distillation
    chunks = range(-(-len(job.asked) // settings.chunk))
    answers = (answer for number in chunks for answer in work.chunk(number) or ())
    with DatasetWriter(job.output) as writer:
        for question in job.questions:
            answer = next(answers) if question.asked else None
            counts.add(question, answer)
            for row in rows(question, answer, job.config.data.name, settings.untraced):
                writer.add(row)
        writer.finish(dataclasses.replace(job.about, steps=counts.steps()))
