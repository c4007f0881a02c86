"""The callback that saves SFT checkpoints, measures each, and makes it known to MLflow as a LoggedModel."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lightning.pytorch import Trainer

from ringexp import seeds
from ringexp.config.schema import ProbeConfig, RolloutConfig
from ringexp.entropy.measure import measure
from ringexp.evaluation.agreement import agreement_on
from ringexp.evaluation.run import Evaluator
from ringexp.models.bailing_moe import BailingMoeForCausalLM
from ringexp.models.packing import rollout_document, trace_document
from ringexp.models.tokenizer import ChatTokenizer
from ringexp.records import Prompt, Rollout, Sampling
from ringexp.rollout.engine import require_match
from ringexp.selection.catalog import Catalog
from ringexp.sft.module import SFTModule
from ringexp.tracking.loggers import log_headlines
from ringexp.tracking.run import Record
from ringexp.training.callbacks import Saver
from ringexp.training.checkpoint import prune, step_of

CHECKED = 64
"""Samples of each checkpoint on which engine and trainer are compared, spread over all domains."""


@dataclass(frozen=True)
class ProbeSet:
    """What every checkpoint is measured on: prompts RL will train on, and validation prompts with traces."""

    prompts: Sequence[Prompt]
    validation: Sequence[Prompt]
    samples: int
    sampling: Sampling
    seed: int

    @classmethod
    def draw(
        cls, train: Sequence[Sequence[Prompt]], validation: Sequence[Sequence[Prompt]], config: ProbeConfig,
        sampling: Sampling, seed: int,
    ) -> "ProbeSet":
        """A seeded choice of every domain's training prompts, its first validation prompts; alike for all domains."""
        count, held_out = (-(-total // len(train)) for total in (config.prompts, config.validation))
        random = seeds.generator(seed, "probe")
        chosen = [p for pool in train for p in random.sample(list(pool), min(count, len(pool)))]
        return cls(chosen, [p for pool in validation for p in pool[:held_out]], config.samples, sampling, seed)


class CheckpointProbe(Saver):
    """Measures, saves and registers every checkpoint, so that each is a candidate.

    Measured: the three quantities of `entropy.measure`, pass@1 on validation prompts, outcomes, length.
    """

    def __init__(
        self, folder: Path, every: int, steps: int, probe: ProbeSet, evaluator: Evaluator, catalog: Catalog,
        record: Record, pipeline: Record, tokenizer: ChatTokenizer, rollout: RolloutConfig,
    ) -> None:
        super().__init__(folder, every, steps, tokenizer)
        self.probe, self.evaluator = probe, evaluator
        self.catalog, self.record, self.pipeline, self.rollout = catalog, record, pipeline, rollout

    def catch_up(self, model: BailingMoeForCausalLM, checkpoint: Path | None) -> None:
        """Register a checkpoint that a kill left saved but unknown to MLflow."""
        if checkpoint is None or checkpoint.parent != self.folder:
            return  # none, or where the run was interrupted between two candidates
        known = {c.step: dict(c.metrics) for c in self.catalog.candidates()}
        metrics = known.get(step_of(checkpoint)) or self.measure(model, step_of(checkpoint))
        self.register(step_of(checkpoint), checkpoint, metrics)

    def register(self, step: int, path: Path, metrics: dict[str, float]) -> None:
        """Make the checkpoint a candidate, and its headline metrics part of the pipeline's curves."""
        self.catalog.register(self.record, step, path, metrics)
        log_headlines(self.pipeline, metrics, step)

    def at_checkpoint(self, trainer: Trainer, module: SFTModule) -> None:
        """Measure before saving: what is saved is known."""
        started = time.perf_counter()
        module.eval()
        model = module.whole_model()
        metrics = self.measure(model, module.step)
        module.train()
        for logger in trainer.loggers:
            logger.log_metrics({"time/probe": time.perf_counter() - started}, step=module.step)
        path = self.save(trainer, module, self.folder)
        self.register(module.step, path, metrics)
        prune(self.folder, keep_states=2)
        module.log("H", metrics["entropy/rollout"], prog_bar=True, logger=False)
        module.log("pass@1", metrics["eval/mean/pass_at_1"], prog_bar=True, logger=False)

    def check(self, model: BailingMoeForCausalLM, own: Sequence[Rollout], step: int) -> None:
        """The samples that decide the selection came from these weights. Raises EngineMismatchError."""
        checked = own[:: -(-len(own) // CHECKED)]
        found = agreement_on(model, checked, self.probe.sampling.temperature, self.rollout.near_tie)
        require_match(found["mismatch/p999_logprob"], found["mismatch/max_logprob"], self.rollout.tolerance, step)

    def measure(self, model: BailingMoeForCausalLM, step: int) -> dict[str, float]:
        """All quantities of the checkpoint at `step`, by metric name."""
        traces = [trace_document(p) for p in self.probe.validation if p.trace_ids]
        forced = measure(model, traces)
        self.evaluator.sync(model, step)
        own = self.evaluator.draw(self.probe.prompts, self.probe.samples, self.probe.sampling,
                                  seeds.derive(self.probe.seed, "probe-rollouts", step))
        self.check(model, own, step)
        metrics = {"val/loss": forced.cross_entropy, "entropy/teacher_forced": forced.entropy}
        by_domain: dict[str, list[Any]] = {}
        for rollout in own:
            by_domain.setdefault(rollout.request.prompt.domain, []).append(rollout_document(rollout))
        temperature = self.probe.sampling.temperature
        metrics["entropy/rollout"] = measure(
            model, [d for documents in by_domain.values() for d in documents], temperature=temperature).entropy
        for domain, documents in by_domain.items():
            metrics[f"entropy/rollout/{domain}"] = measure(model, documents, temperature=temperature).entropy
        result = self.evaluator.evaluate(self.probe.validation, self.probe.samples, self.probe.sampling,
                                         seeds.derive(self.probe.seed, "probe-validation", step), k=(1,))
        return metrics | result.metrics
