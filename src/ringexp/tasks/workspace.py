"""What the stages of one pipeline share: its MLflow run, its folder, data, tokenizer, verifiers, engine.

A pipeline is found again by its identity (a hash of configuration, sources, lock and data), a stage by the part of
the configuration that decides it; so the same command resumes what was killed and skips what is finished.
"""

import inspect
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from hydra.utils import instantiate
from mlflow.entities import Run
from omegaconf import DictConfig, OmegaConf

from ringexp import garbage
from ringexp.config.schema import Config
from ringexp.errors import ConfigError, RecordError
from ringexp.evaluation.run import Evaluator
from ringexp.models.bailing_moe import BailingMoeForCausalLM
from ringexp.models.build import build_config, build_model
from ringexp.models.tokenizer import ChatTokenizer
from ringexp.rewards.registry import VerifierRegistry, judged_by
from ringexp.rl.parts import build_parts
from ringexp.rollout.engine import RolloutEngine
from ringexp.rollout.shared import shared_engine
from ringexp.tasks.data import Prepared
from ringexp.terminal import say
from ringexp.tracking import provenance
from ringexp.tracking.loggers import RecordLogger
from ringexp.tracking.run import TAG, Record, Store
from ringexp.training.checkpoint import save_model
from ringexp.training.rank_process import RankEnvironment
from ringexp.training.ranks import Ranks

STAGE_GROUPS = {
    "sft": ("model", "data", "sft", "algorithm.temperature", "rollout", "rewards", "trainer.lightning",
            "trainer.callbacks", "trainer.threads", "trainer.ranks", "seed"),
    "select": ("selection.name", "selection.rule"),
    "rl": ("data.max_prompt_tokens", "algorithm", "rollout", "rewards", "trainer.lightning", "trainer.callbacks",
           "trainer.checkpointing", "trainer.checkpoint_every", "trainer.table_rows", "trainer.threads",
           "trainer.ranks", "evaluation.during", "seed"),
    "evaluate": ("data.max_prompt_tokens", "evaluation.split", "evaluation.prompts", "evaluation.samples",
                 "evaluation.temperature", "evaluation.max_response_tokens", "evaluation.k", "evaluation.table_rows",
                 "rewards", "rollout", "seed"),
}  # fmt: skip
"""The configuration that decides a stage, beside the stages before it and, of RL, the stage's part of the schedule."""


@dataclass(frozen=True)
class Pipeline:
    """What another rank needs to open the workspace too: the configuration as YAML, the pipeline's folder."""

    config: str
    folder: Path


@dataclass(frozen=True)
class Stage:
    """One stage's open run, its folder, and the logger that mirrors headline metrics on the pipeline's run."""

    record: Record
    folder: Path
    logger: RecordLogger


class Workspace:
    """Built by `opening.open_workspace`; in another rank by `opening.join_workspace`, without store and record."""

    store: Store
    record: Record
    folder: Path
    reuses: bool
    rank = 0

    def __init__(self, config: Config, data: Prepared, tokenizer: ChatTokenizer) -> None:
        self.config, self.data, self.tokenizer = config, data, tokenizer
        self.root = Path(config.paths.store)
        self.architecture = build_config(config.model, len(tokenizer), tokenizer.eos_id)
        self.max_model_len = self._max_model_len()
        self._architecture_hash = provenance.digest(self.architecture.to_dict())
        self._engine_key = provenance.digest([
            self._architecture_hash, tokenizer.fingerprint, self.max_model_len,
            OmegaConf.to_container(config.rollout.engine), config.trainer.threads,
        ])  # fmt: skip
        verifiers = config.rewards.verifiers
        self._ranks: Ranks | None = None
        judges = {judged_by(p) for pool in data.pools.values() for p in (*pool.train, *pool.validation, *pool.test)}
        self.verifier = VerifierRegistry({name: instantiate(verifiers[name]) for name in judges if name in verifiers})
        self.verifier.require(sorted(judges))
        self.tags = {**provenance.tags(config, data.fingerprint, tokenizer.fingerprint), **self.verifier.tags}
        _check_parts(config)

    def attach(self, record: Record, folder: Path, reuses: bool) -> None:
        """Give the workspace its run and folder; `reuses` where stages may be taken from other runs."""
        self.store, self.record, self.folder, self.reuses = record.store, record, folder, reuses
        record.muted = self.config.run_id is not None  # another configuration's numbers stay out of a recorded pipeline

    def model(self) -> BailingMoeForCausalLM:
        """The policy before SFT."""
        return build_model(self.config.model, self.architecture, self.config.seed)

    def _max_model_len(self) -> int:
        """Longest prompt and response together. Raises ConfigError beyond the model's positions."""
        response = max([stage.max_response_tokens for stage in self.config.schedule.stages]
                       + [self.config.evaluation.max_response_tokens, self.config.sft.probe.max_response_tokens,
                          self.config.data.max_trace_tokens])
        total = self.config.data.max_prompt_tokens + response
        if total > self.architecture.max_position_embeddings:
            raise ConfigError(
                f"model.config.max_position_embeddings={self.architecture.max_position_embeddings}: "
                f"data.max_prompt_tokens and the longest response need {total}"
            )
        return total

    @contextmanager
    def other_ranks(self, work: Callable[..., None], *args: Any) -> Iterator[RankEnvironment | None]:
        """While rank 0 runs the body, every other rank runs `work(environment, pipeline, *args)`.

        Gives rank 0's environment, None where there are no other ranks. Raises RankError where one is lost.
        """
        if self.config.trainer.ranks == 1:
            yield None
            return
        if self._ranks is None:
            self._ranks = Ranks(self.config.trainer.ranks)
        pipeline = Pipeline(OmegaConf.to_yaml(self.config), self.folder)
        with self._ranks.running(work, pipeline, *args):
            yield self._ranks.environment

    def last_step(self, offset: int, steps: int) -> int:
        """How many of a stage's steps to train, all but where `steps` ends the run; `offset` is the stage's first."""
        limit = self.config.steps
        return steps if limit is None else max(0, min(steps, limit - offset))

    def close(self) -> None:
        """End the verifiers' processes and the other ranks."""
        self.verifier.close()
        if self._ranks is not None:
            self._ranks.close()

    @property
    def evaluator(self) -> Evaluator:
        """The engine (started on first use, shared by the process) and the verifiers."""
        return Evaluator(shared_engine(self._engine_key, self._start_engine), self.verifier)

    def _start_engine(self) -> RolloutEngine:
        folder = self.folder / ("engine" if self.rank == 0 else f"engine-rank-{self.rank}")
        folder.mkdir(exist_ok=True)
        save_model(folder, self.model(), self.tokenizer)
        return start_engine(self.config, folder, self.tokenizer, self.max_model_len)

    def key(self, stage: str, *parts: str) -> str:
        """Hash of what decides a stage: its configuration groups, and what `parts` names of the stages before."""
        tree = {group: OmegaConf.select(cast(DictConfig, self.config), group) for group in STAGE_GROUPS[stage]}
        plain = {k: OmegaConf.to_container(v) if OmegaConf.is_config(v) else v for k, v in tree.items()}
        return provenance.digest([plain, self.data.fingerprint, self._architecture_hash, *parts])

    def place(self, path: Path) -> str:
        """A path below the store, which may be moved."""
        return str(path.relative_to(self.root))

    def finished(self, name: str, key: str | None = None) -> Run | None:
        """The stage's finished run, the newest, where there is one; of any configuration where no key is given."""
        return next(iter(self.all_finished(name, key)), None)

    def all_finished(self, name: str, key: str | None = None) -> list[Run]:
        """The stage's finished runs, newest first."""
        return [run for run in self._runs(name, key) if run.info.status == "FINISHED"]

    def require(self, name: str, key: str | None, task: str) -> Run:
        """The stage's finished run. Raises RecordError naming the task to run first."""
        run = self.finished(name, key)
        if run is None:
            raise RecordError(f"MLflow has no finished {name} stage for this run: run `ringexp task={task}` with the "
                              "same configuration first")  # fmt: skip
        return run

    def _runs(self, name: str, key: str | None) -> list[Run]:
        tags = {TAG + "kind": "stage", TAG + "stage": name, "mlflow.parentRunId": self.record.run_id}
        return self.store.find(tags | ({} if key is None else {TAG + "stage_key": key}))

    @contextmanager
    def stage(self, name: str, key: str) -> Iterator[Stage]:
        """Run a stage: a new MLflow run under the pipeline's, or the unfinished one continued."""
        unfinished = [run for run in self._runs(name, key) if run.info.status != "FINISHED"]
        tags = {TAG + "kind": "stage", TAG + "stage": name, TAG + "stage_key": key,
                TAG + "reuse_key": provenance.reuse_key(key), TAG + "seed": str(self.config.seed)}  # fmt: skip
        if unfinished:
            say(f"{name}: continuing")
            record = self.store.resume(unfinished[0])
        else:
            record = self.store.create(f"{name} · s{self.config.seed}", tags, self.record.run_id)
        folder = self.folder / f"{name}-{key[:6]}"
        folder.mkdir(exist_ok=True)
        started, before = time.monotonic(), float(record.tags.get(TAG + "seconds", 0))
        with record.running(system_metrics=True):
            try:
                yield Stage(record, folder, RecordLogger(record, self.record))
            finally:
                record.set_tags({TAG + "seconds": f"{before + time.monotonic() - started:.1f}"})


def start_engine(config: Config, folder: Path, tokenizer: ChatTokenizer, max_model_len: int) -> RolloutEngine:
    """The configured engine with the model saved in a folder; `max_model_len` in tokens, prompt and response."""
    say("starting the rollout engine")
    garbage.keep()
    engine: RolloutEngine = instantiate(config.rollout.engine)(
        folder, tokenizer.decode_many, tokenizer.eos_id, max_model_len=max_model_len, threads=config.trainer.threads
    )
    garbage.usual()
    return engine


def _check_parts(config: Config) -> None:
    """Build what later stages are made of, so that a wrong name or argument shows now and not after SFT."""
    instantiate(config.selection.rule)
    engine = instantiate(config.rollout.engine)
    try:
        inspect.signature(engine.func).bind_partial(**engine.keywords)
    except TypeError as error:
        raise ConfigError(f"rollout.engine: {engine.func.__name__}: {error}") from error
    for part in (config.sft.optimizer, config.algorithm.optimizer):
        try:
            instantiate(part)([torch.nn.Parameter(torch.zeros(1))])
        except (ValueError, TypeError) as error:
            raise ConfigError(f"optimizer {part.get('_target_')}: {error}") from error
    build_parts(config.algorithm)
