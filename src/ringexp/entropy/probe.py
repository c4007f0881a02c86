"""The callback that saves SFT checkpoints, measures each, and makes it known to MLflow as a LoggedModel."""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lightning.pytorch import Trainer

from ringexp import seeds
from ringexp.config.recipe import ProbeConfig
from ringexp.config.schema import RolloutConfig
from ringexp.entropy.measure import measure, pooled, standard_error
from ringexp.evaluation.agreement import agreement_of
from ringexp.evaluation.run import Evaluator, requests
from ringexp.models.bailing_moe import BailingMoeForCausalLM
from ringexp.models.logprob import TokenValues, score_documents
from ringexp.models.packing import rollout_document, trace_document
from ringexp.models.tokenizer import ChatTokenizer
from ringexp.records import Prompt, Sampling
from ringexp.rollout.engine import require_match
from ringexp.selection.catalog import Catalog
from ringexp.sft.module import SFTModule
from ringexp.tracking.loggers import log_headlines
from ringexp.tracking.run import Record
from ringexp.training.callbacks import Saver
from ringexp.training.checkpoint import prune, step_of


@dataclass(frozen=True)
class ProbeSet:
    """What every checkpoint is measured on: prompts RL will train on, and validation prompts with traces."""

    prompts: Sequence[Prompt]
    validation: Sequence[Prompt]
    samples: int
    validation_samples: int
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
        validated = [p for pool in validation for p in pool[:held_out]]
        return cls(chosen, validated, config.samples, config.validation_samples, sampling, seed)


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
        path = self.save(trainer, module, self.folder, model)
        self.register(module.step, path, metrics)
        prune(self.folder, keep_states=2)
        module.log("H", metrics["entropy/rollout"], prog_bar=True, logger=False)
        module.log("pass@1", metrics["eval/mean/pass_at_1"], prog_bar=True, logger=False)

    def measure(self, model: BailingMoeForCausalLM, step: int) -> dict[str, float]:
        """All quantities of the checkpoint at `step`, by metric name."""
        return measure_checkpoint(model, step, self.probe, self.evaluator, self.rollout)


def measure_checkpoint(
    model: BailingMoeForCausalLM, step: int, probe: ProbeSet, evaluator: Evaluator, rollout: RolloutConfig
) -> dict[str, float]:
    """All quantities of a checkpoint, by metric name; on its own samples at the sampling temperature, on traces at 1.

    All responses are drawn together, and the model measures while the last of them are still being judged.

    Raises:
        EngineMismatchError: the samples that decide the selection did not come from these weights.
    """
    own = requests(probe.prompts, probe.samples, seeds.derive(probe.seed, "probe-rollouts", step))
    held_out = requests(probe.validation, probe.validation_samples, seeds.derive(probe.seed, "probe-validation", step))
    evaluator.sync(model, step)
    with evaluator.drawing(held_out, own, probe.sampling, probe.validation_samples) as underway:
        documents = [rollout_document(drawn) for drawn in underway.others]
        values = score_documents(model, documents, probe.sampling.temperature)
        found = agreement_of(values, underway.others, rollout.near_tie)
        require_match(found["mismatch/p999_logprob"], found["mismatch/max_logprob"], rollout.tolerance, step)
        forced = measure(model, [trace_document(p) for p in probe.validation if p.trace_ids])
        metrics = {"val/loss": forced.cross_entropy, "entropy/teacher_forced": forced.entropy}
        metrics |= rollout_entropy(values, [drawn.request.prompt for drawn in underway.others])
        return metrics | underway.evaluation(k=(1,)).metrics


def rollout_entropy(values: Sequence[TokenValues], prompts: Sequence[Prompt]) -> dict[str, float]:
    """`entropy/rollout…` and its standard error of responses to `prompts`, over all and of each domain.

    An error that cannot be estimated, from one prompt of a domain, is left out.
    """
    domains = [prompt.domain for prompt in prompts]
    places = {"": list(range(len(prompts)))}
    places |= {f"/{domain}": [i for i, d in enumerate(domains) if d == domain] for domain in dict.fromkeys(domains)}
    metrics: dict[str, float] = {}
    for name, at in places.items():
        chosen = [values[i] for i in at]
        metrics[f"entropy/rollout{name}"] = pooled(chosen).entropy
        error = standard_error(chosen, [prompts[i].id for i in at], [domains[i] for i in at])
        if not math.isnan(error):
            metrics[f"entropy/rollout_error{name}"] = error
    return metrics
