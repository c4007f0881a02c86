"""Supervised fine-tuning as a Lightning module: packed traces, loss on response tokens only."""

from collections.abc import Callable, Mapping, Sequence

from torch.optim import Optimizer

from ringexp.config.recipe import SFTConfig
from ringexp.models.bailing_moe import BailingMoeForCausalLM
from ringexp.models.logprob import Scored, score_responses
from ringexp.models.packing import Packed, micro_batches, pack, trace_document
from ringexp.records import Prompt
from ringexp.training.module import Clock, RouterLosses, StepModule, whole_statistics
from ringexp.training.optim import cosine
from ringexp.training.tally import Tally, add_mixture


class SFTModule(StepModule):
    """Mean cross-entropy over the batch's response tokens, plus the routers' balance and z losses.

    The loss does not depend on how a batch is split into micro-batches, nor on the order of its documents.
    `weights` are the domains' shares that the batches are drawn by, for the record.
    """

    def __init__(
        self, model: BailingMoeForCausalLM, config: SFTConfig, optimizer: Callable[..., Optimizer], steps: int,
        weights: Mapping[str, float],
    ) -> None:
        super().__init__(model, optimizer, cosine(steps, config.warmup_fraction), config.max_grad_norm, offset=0)
        self.config, self.weights = config, weights

    def training_step(self, batch: Sequence[Prompt], batch_idx: int) -> None:
        """One optimizer step on a batch of traced prompts, of which each rank takes its part."""
        clock, tally = Clock(), Tally()
        share = len(batch) // self.trainer.world_size
        own = batch[self.trainer.global_rank * share :][:share]
        documents = [trace_document(prompt) for prompt in own]
        splits = micro_batches([d.length for d in documents], self.config.micro_batch_tokens)
        packs = [(pack([documents[i] for i in split], self.device), False) for split in splits]
        idle = [(pack(documents[:1], self.device), True)] * self.stand_ins(len(packs))
        tokens = self._train(packs + idle, tally)
        self.tokens += tokens
        self.step += 1
        clock.lap("train")
        add_mixture(tally, [prompt.domain for prompt in own], self.weights)
        for name, seconds in clock.metrics().items():
            tally.maximum(name, seconds)
        metrics = Tally.merged(self.gather(tally)).metrics()
        speed = tokens / metrics["time/step"]
        metrics |= {"progress/tokens": self.tokens, "throughput/tokens_per_second": speed}
        self.log_step(metrics, {"loss": metrics["train/loss"], "tokens/s": speed})

    def _train(self, packs: Sequence[tuple[Packed, bool]], tally: Tally) -> int:
        """The gradient of the whole batch, and the optimizer's step; the response tokens of all ranks.

        With each pack: whether it is a stand-in, which trains nothing.
        """
        every = self.gather(sum(len(packed.targets) for packed, idle in packs if not idle))
        first = score_responses(self.model, packs[0][0]) if len(packs) == 1 else None
        own = first.router if first else whole_statistics(self.model, packs)
        router = RouterLosses(self.gather(own.detach()), self.model.config.num_experts_per_tok,
                              self.config.balance_coef, self.config.z_coef)
        loss = 0.0
        for number, (packed, idle) in enumerate(packs, 1):
            part: Scored = first or score_responses(self.model, packed)
            term = -part.logprob.sum() * len(every) / sum(every) + router.share(part.router)
            term = term * 0.0 if idle else term
            self.differentiate(term, last=number == len(packs))
            loss += float(term.detach())
        norm, lr = self.optimize()
        tally.mean("train/loss", loss, 1.0)
        tally.known(router.metrics() | {"train/grad_norm": norm, "train/lr": lr})
        return sum(every)
