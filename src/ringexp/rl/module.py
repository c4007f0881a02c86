"""C3PO and its kin as a Lightning module: one policy step = rollouts, rewards, advantages, budget, update, sync.

Experience is collected inside `training_step`, so no batch is drawn with stale weights and resume is exact.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.optim import Optimizer

from ringexp import seeds
from ringexp.config.schema import AlgorithmConfig, RolloutConfig
from ringexp.errors import EngineMismatchError
from ringexp.evaluation.agreement import Agreement
from ringexp.evaluation.run import Evaluator, judge
from ringexp.mixing.schedule import Stage, mixture_metrics
from ringexp.models.bailing_moe import BailingMoeForCausalLM
from ringexp.models.logprob import Scored, score_responses
from ringexp.records import Group, Prompt, Request, Sampling
from ringexp.rl import metrics as report
from ringexp.rl.experience import Advantage, Experience, MicroBatch, build_experience
from ringexp.rl.objective import ObjectiveTerms, PolicyObjective
from ringexp.rollout.engine import require_match
from ringexp.training.module import Clock, RouterLosses, StepModule, whole_statistics
from ringexp.training.optim import constant


@dataclass(frozen=True)
class Parts:
    """The algorithm's interchangeable parts."""

    advantage: Advantage
    objective: PolicyObjective


class C3POModule(StepModule):
    """Policy optimization under a token budget; which algorithm it is, the parts decide.

    `reference` is frozen (the selected SFT checkpoint in every stage: our resolution). `sft_tokens` and `tokens_before`
    (response tokens trained in SFT, and before this stage) make the progress metrics.
    """

    def __init__(
        self, model: BailingMoeForCausalLM, reference: BailingMoeForCausalLM, evaluator: Evaluator, parts: Parts,
        config: AlgorithmConfig, rollout: RolloutConfig, optimizer: Callable[..., Optimizer], stage: Stage, seed: int,
        offset: int, sft_tokens: int, tokens_before: int,
    ) -> None:
        super().__init__(model, optimizer, constant(config.warmup_steps), config.max_grad_norm, offset)
        # outside the module tree: neither trained, nor saved, nor moved
        self._outside = (reference.eval().requires_grad_(False), evaluator)
        self.parts, self.config, self.rollout, self.stage, self.seed = parts, config, rollout, stage, seed
        self.sft_tokens, self.tokens_before = sft_tokens, tokens_before
        self.sampling = Sampling(config.temperature, stage.max_response_tokens)
        self.groups: tuple[Group, ...] = ()  # the last step's, for the tables of samples

    @property
    def version(self) -> int:
        """The policy's version: the run's step that made it."""
        return self.offset + self.step

    def sync(self) -> None:
        """Give the engine the current weights, as `version`."""
        self._outside[1].sync(self.model, self.version)

    def on_fit_start(self) -> None:
        """The engine starts from the weights that training starts or continues from."""
        self._outside[0].to(self.device)
        self.sync()

    def collect(self, prompts: Sequence[Prompt], clock: Clock) -> list[Group]:
        """K judged responses to each prompt, from the engine's current weights."""
        requests = [
            Request(prompt, sample, seeds.derive(self.seed, "rollout", self.stage.name, self.step, place, sample))
            for place, prompt in enumerate(prompts)
            for sample in range(self.config.group_size)
        ]
        rollouts = self._outside[1].engine.generate(requests, self.sampling)
        stale = {version for rollout in rollouts for version in rollout.versions} - {self.version}
        if stale:
            raise EngineMismatchError(f"policy version {self.version}: the engine drew with version {min(stale)}")
        clock.lap("rollout")
        groups = judge(rollouts, self.config.group_size, self._outside[1].verifier)
        clock.lap("reward")
        self.groups = tuple(groups)
        return groups

    def training_step(self, batch: Sequence[Prompt], batch_idx: int) -> None:
        """One policy step on the schedule's next prompts."""
        clock = Clock()
        groups = self.collect(batch, clock)
        experience = build_experience(
            groups, self.parts.advantage, self.parts.objective.weights, token_budget=self.config.token_budget,
            drop_zero_variance=self.config.drop_zero_variance, micro_batch_tokens=self.config.micro_batch_tokens,
            seed=self.seed, place=(self.stage.name, self.step), device=self.device,
        )  # fmt: skip
        update = self._update(experience) if experience.micro_batches else self.skip()
        clock.lap("train")
        self.sync()
        clock.lap("sync")
        self._log(groups, experience, update, clock)

    def _update(self, experience: Experience) -> dict[str, float]:
        """The gradient of the whole step, the engine's check, the optimizer's step."""
        micro = experience.micro_batches
        scored = [self._score(micro[0])] if len(micro) == 1 else None
        whole = whole_statistics(self.model, [m.packed for m in micro], scored)
        router = RouterLosses(whole, self.model.config.num_experts_per_tok, self.config.balance_coef,
                              self.config.z_coef)
        agreement = Agreement()
        totals = report.Totals(experience.budgeted.tokens)
        for batch in micro:
            part = scored[0] if scored else self._score(batch)
            terms = self._objective(batch, part)
            loss = terms.loss + router.share(part.router)
            self.manual_backward(loss)
            totals.add(batch, loss, terms, part.entropy)
            agreement.add(part, batch.behaviour, self.rollout.near_tie)
        checked = agreement.metrics()
        require_match(checked["mismatch/p999_logprob"], checked["mismatch/max_logprob"], self.rollout.tolerance,
                      self.version)
        norm, lr = self.optimize()
        self.tokens += experience.budgeted.tokens
        return totals.metrics() | checked | router.metrics() | {"train/grad_norm": norm, "train/lr": lr}

    def _score(self, batch: MicroBatch) -> Scored:
        return score_responses(self.model, batch.packed, self.config.temperature)

    def _objective(self, batch: MicroBatch, scored: Scored) -> ObjectiveTerms:
        """π_old is the trainer's own value at the first update (our resolution)."""
        with torch.no_grad():
            reference = score_responses(self._outside[0], batch.packed, self.config.temperature).logprob
        old: Tensor = scored.logprob.detach()
        return self.parts.objective(scored.logprob, old, reference, scored.entropy, batch.advantage, batch.weight)

    def _log(
        self, groups: Sequence[Group], experience: Experience, update: dict[str, float], clock: Clock
    ) -> None:
        times = clock.metrics()
        metrics = update | report.rollout_metrics(groups, experience.zero_variance)
        metrics |= report.budget_metrics(experience.budgeted, self.config.token_budget)
        metrics |= mixture_metrics([group.prompt.domain for group in groups], self.stage.weights)
        metrics |= report.progress_metrics(self.tokens_before + self.tokens, self.sft_tokens)
        metrics |= report.speed_metrics(groups, experience.budgeted.tokens, times)
        self.log_step(metrics | times, {
            "reward": metrics["reward/mean"], "tokens/s": metrics["throughput/tokens_per_second"],
            "fill": metrics["budget/fill"],
        })  # fmt: skip
