"""C3PO and its kin as a Lightning module: one policy step = rollouts, rewards, advantages, budget, updates, sync.

Experience is collected inside `training_step`, so no batch is drawn with stale weights and resume is exact. With
several ranks each draws and trains its own part of the prompts; gradients are averaged, what is logged is of all.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.optim import Optimizer

from ringexp import seeds
from ringexp.config.recipe import AlgorithmConfig
from ringexp.config.schema import RolloutConfig
from ringexp.errors import EngineMismatchError
from ringexp.evaluation.agreement import Agreement
from ringexp.evaluation.run import Evaluator
from ringexp.mixing.schedule import Stage
from ringexp.models.bailing_moe import BailingMoeForCausalLM
from ringexp.models.logprob import Scored, score_responses
from ringexp.records import Group, Prompt, Request, Sampling
from ringexp.rl import metrics as report
from ringexp.rl.advantage import zero_variance
from ringexp.rl.experience import Experience, MicroBatch, build_experience
from ringexp.rl.objective import ObjectiveTerms, ResponseTokens, UpdateSize
from ringexp.rl.parts import Parts
from ringexp.rollout.engine import require_match
from ringexp.training.module import Clock, RouterLosses, StepModule, whole_statistics
from ringexp.training.optim import constant
from ringexp.training.tally import Tally, add_mixture


@dataclass(frozen=True)
class Prepared:
    """A micro-batch with what is fixed before the first update: old is None where that update's own pass gives it.

    `idle`: it stands in where other ranks train one, and trains nothing.
    """

    batch: MicroBatch
    reference: Tensor | None
    old: Tensor | None
    idle: bool


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

    @property
    def evaluator(self) -> Evaluator:
        """Engine and verifiers; between two steps the engine holds the current weights."""
        return self._outside[1]

    def sync(self) -> None:
        """Give the engine the current weights, as `version`."""
        self.evaluator.sync(self.whole_model(), self.version)

    def on_fit_start(self) -> None:
        """The engine starts from the weights that training starts or continues from."""
        self._outside[0].to(self.device)
        self.sync()

    def training_step(self, batch: Sequence[Sequence[Prompt]], batch_idx: int) -> None:
        """One policy step on the next prompts: rounds of them, of which dynamic sampling may need several."""
        clock, tally = Clock(), Tally()
        groups = self.collect(batch, clock)
        experience = build_experience(
            groups, self.parts.advantage, token_budget=self.config.token_budget if self.config.cap else None,
            updates=self.config.updates, drop_zero_variance=self.config.drop_zero_variance,
            most_groups=self._share(batch[0]), seed=self.seed, place=(self.stage.name, self.step),
        )  # fmt: skip
        self._train(experience, tally)
        self.step += 1
        clock.lap("train")
        self.sync()
        clock.lap("sync")
        self._log(groups, experience, tally, clock)

    def collect(self, rounds: Sequence[Sequence[Prompt]], clock: Clock) -> list[Group]:
        """K judged responses to each prompt of a round; another round while a rank has too few groups with a signal."""
        groups: list[Group] = []
        for number, prompts in enumerate(rounds):
            groups += self._draw(prompts, number, clock)
            told = len(groups) - sum(zero_variance([group.rewards for group in groups]))
            if min(self.gather(told)) >= self._share(prompts):
                break
        self.groups = tuple(groups)
        return groups

    def _share(self, prompts: Sequence[Prompt]) -> int:
        """How many of a round's prompts are this rank's."""
        return len(prompts) // int(self.trainer.world_size)

    def _draw(self, prompts: Sequence[Prompt], number: int, clock: Clock) -> tuple[Group, ...]:
        """This rank's judged responses to its part of the prompts, from the engine's current weights."""
        first = self.trainer.global_rank * self._share(prompts)
        requests = [
            Request(prompts[place], sample, self._seed(number, place, sample))
            for place in range(first, first + self._share(prompts))
            for sample in range(self.config.group_size)
        ]
        collected = self.evaluator.collect(requests, self.sampling, self.config.group_size)
        drawn_with = {v for group in collected.groups for rollout in group.rollouts for v in rollout.versions}
        if stale := drawn_with - {self.version}:
            raise EngineMismatchError(f"policy version {self.version}: the engine drew with version {min(stale)}")
        clock.book(rollout=collected.generation_seconds, reward=collected.waiting_seconds)
        return collected.groups

    def _seed(self, number: int, place: int, sample: int) -> int:
        later = () if number == 0 else ("round", number)
        return seeds.derive(self.seed, "rollout", self.stage.name, self.step, place, sample, *later)

    def _train(self, experience: Experience, tally: Tally) -> None:
        """All updates of the step, on π_old's and the reference's log-probabilities from before the first one."""
        sizes = [
            self.gather((sum(lengths), len(lengths)))
            for lengths in (experience.lengths(update) for update in range(self.config.updates))
        ]
        agreement = Agreement()
        updates = [self._prepare(experience, update, size, agreement)
                   for update, size in enumerate(sizes) if any(tokens for tokens, _ in size)]
        for number, update in enumerate(updates):
            self._differentiate(update, agreement, tally)
            if number == 0 and agreement.tokens:
                self._check(agreement, tally)  # before a weight is changed
            norm, lr = self.optimize()
            tally.mean("train/loss", 0.0, 1.0)
            tally.mean("train/grad_norm", norm, 1.0)
            tally.known({"train/lr": lr})
        trained = sum(tokens for size in sizes for tokens, _ in size)
        tally.known({} if updates else {"train/loss": 0.0})  # every group was filtered: counted, weights unchanged
        self.tokens += trained

    def _prepare(
        self, experience: Experience, update: int, ranks: Sequence[tuple[int, int]], agreement: Agreement
    ) -> list[Prepared]:
        """The micro-batches of an update, with the log-probabilities that no update changes."""
        budget = self.config.token_budget
        lengths = experience.lengths(update)
        size = UpdateSize(
            lengths, sum(tokens for tokens, _ in ranks), sum(responses for _, responses in ranks), len(ranks),
            None if budget is None else budget // self.config.updates, self.stage.max_response_tokens,
        )  # fmt: skip
        weights = self.parts.objective.weights(size) if lengths else []
        batches = experience.micro_batches(update, weights, self.config.micro_batch_tokens, self.device)
        idle = [experience.stand_in(self.device)] * self.stand_ins(len(batches))
        return [self._fixed(batch, agreement) for batch in batches] + [self._fixed(batch, None) for batch in idle]

    @torch.no_grad()
    def _fixed(self, batch: MicroBatch, agreement: Agreement | None) -> Prepared:
        """π_old is the trainer's own value (our resolution); with one update its own pass gives it.

        Without `agreement` the batch is a stand-in.
        """
        reference = old = None
        if self.parts.objective.kl_coef:
            reference = self._score(self._outside[0], batch).logprob
        if self.config.updates > 1:
            scored = self._score(self.model, batch)
            old = scored.logprob
            if agreement is not None:
                agreement.add(scored, batch.behaviour, self.rollout.near_tie)
        return Prepared(batch, reference, old, idle=agreement is None)

    def _differentiate(self, prepared: Sequence[Prepared], agreement: Agreement, tally: Tally) -> None:
        """The gradient of a whole update."""
        config = self.config
        first = self._score(self.model, prepared[0].batch) if len(prepared) == 1 else None
        if first is None:
            own = whole_statistics(self.model, [(part.batch.packed, part.idle) for part in prepared])
        else:
            own = first.router.of_no_token() if prepared[0].idle else first.router.detach()
        every = self.gather(own)
        router = RouterLosses(every, self.model.config.num_experts_per_tok,
                              config.balance_coef, config.z_coef)
        for part in prepared:
            scored = first or self._score(self.model, part.batch)
            terms = self._objective(part, scored)
            loss = terms.loss + router.share(scored.router) * (0.0 if part.idle else 1.0)
            self.differentiate(loss, last=part is prepared[-1])
            if part.idle:
                continue
            tally.mean("train/loss", float(loss.detach()), 0.0)
            report.add_terms(tally, part.batch, terms, scored.entropy)
            if part.old is None:
                agreement.add(scored, part.batch.behaviour, self.rollout.near_tie)
        tally.known(router.metrics())

    def _check(self, agreement: Agreement, tally: Tally) -> None:
        """Engine and trainer hold the same weights, on each rank."""
        found = agreement.metrics()
        require_match(found["mismatch/p999_logprob"], found["mismatch/max_logprob"], self.rollout.tolerance,
                      self.offset + self.step)
        for name in ("mismatch/p999_logprob", "mismatch/max_logprob"):
            tally.maximum(name, found[name])
        for name in ("mismatch/near_ties", "kl/behaviour"):
            tally.mean(name, found[name] * agreement.tokens, agreement.tokens)

    def _score(self, model: BailingMoeForCausalLM, batch: MicroBatch) -> Scored:
        return score_responses(model, batch.packed, self.config.temperature)

    def _objective(self, part: Prepared, scored: Scored) -> ObjectiveTerms:
        batch = part.batch
        old = scored.logprob.detach() if part.old is None else part.old
        return self.parts.objective(ResponseTokens(
            scored.logprob, scored.entropy, old, batch.behaviour, part.reference, batch.advantage, batch.weight,
            batch.packed.document,
        ))  # fmt: skip

    def _log(self, groups: Sequence[Group], experience: Experience, tally: Tally, clock: Clock) -> None:
        for name, seconds in clock.metrics().items():
            tally.maximum(name, seconds)
        report.add_rollouts(tally, groups, experience.zero_variance)
        domains = [group.prompt.domain for group in groups]
        report.add_budget(tally, experience.budgeted, self.config.token_budget,
                          [d for d, group in zip(domains, groups) for _ in group.rollouts])
        add_mixture(tally, domains, self.stage.weights)
        tally.sum("throughput/rollout", sum(len(rollout.token_ids) for rollout in experience.rollouts))
        metrics = Tally.merged(self.gather(tally)).metrics()
        metrics |= report.progress_metrics(self.tokens_before + self.tokens, self.sft_tokens)
        metrics |= report.speed_metrics(metrics.pop("throughput/rollout"), metrics["budget/tokens"], metrics)
        self.log_step(metrics, {
            "reward": metrics["reward/mean"], "tokens/s": metrics["throughput/tokens_per_second"],
            "fill": metrics["budget/fill"],
        })  # fmt: skip
