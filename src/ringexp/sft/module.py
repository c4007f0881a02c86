"""Supervised fine-tuning as a Lightning module: packed traces, loss on response tokens only."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch.optim import Optimizer

from ringexp.config.schema import SFTConfig
from ringexp.mixing.schedule import mixture_metrics
from ringexp.models.bailing_moe import BailingMoeForCausalLM
from ringexp.models.logprob import Scored, score_responses
from ringexp.models.packing import micro_batches, pack, trace_document
from ringexp.records import Prompt
from ringexp.training.module import Clock, RouterLosses, StepModule, whole_statistics
from ringexp.training.optim import cosine


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
        """One optimizer step on a batch of traced prompts."""
        clock = Clock()
        documents = [trace_document(prompt) for prompt in batch]
        splits = micro_batches([d.length for d in documents], self.config.micro_batch_tokens)
        packs = [pack([documents[i] for i in split], self.device) for split in splits]
        tokens = sum(len(packed.targets) for packed in packs)
        scored = [score_responses(self.model, packs[0])] if len(packs) == 1 else None
        whole = whole_statistics(self.model, packs, scored)
        router = RouterLosses(whole, self.model.config.num_experts_per_tok, self.config.balance_coef,
                              self.config.z_coef)
        loss = 0.0
        for packed in packs:
            part: Scored = scored[0] if scored else score_responses(self.model, packed)
            term = -part.logprob.sum() / tokens + router.share(part.router)
            self.manual_backward(term)
            loss += float(term.detach())
        norm, lr = self.optimize()
        self.tokens += tokens
        clock.lap("train")
        mixture = mixture_metrics([prompt.domain for prompt in batch], self.weights)
        self._log(loss, norm, lr, tokens, router, clock, mixture)

    def _log(
        self, loss: float, norm: float, lr: float, tokens: int, router: RouterLosses, clock: Clock,
        mixture: dict[str, float],
    ) -> None:
        times: dict[str, Any] = clock.metrics()
        speed = tokens / times["time/step"]
        metrics = {"train/loss": loss, "train/grad_norm": norm, "train/lr": lr, "progress/tokens": self.tokens,
                   "throughput/tokens_per_second": speed}
        self.log_step(metrics | router.metrics() | times | mixture, {"loss": loss, "tokens/s": speed})

