"""What a policy step reports: pure functions from groups, experience and times to declared metrics."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

from torch import Tensor

from ringexp.evaluation.run import by_domain, outcome_shares
from ringexp.records import Group
from ringexp.rl.budget import BudgetedSet
from ringexp.rl.experience import MicroBatch
from ringexp.rl.objective import ObjectiveTerms


class Totals:
    """Sums of the objective's terms over a step's micro-batches, and of tokens and entropy over each domain's."""

    def __init__(self, tokens: int) -> None:
        self._tokens = tokens
        self._sums = dict.fromkeys(("train/loss", "clip/fraction", "kl/reference", "entropy/rollout"), 0.0)
        self._domain_tokens: Counter[str] = Counter()
        self._domain_entropy: defaultdict[str, float] = defaultdict(float)

    def add(self, batch: MicroBatch, loss: Tensor, terms: ObjectiveTerms, entropy: Tensor) -> None:
        """Add one micro-batch; entropy [R] of its response tokens."""
        document = batch.packed.document
        per_document = entropy.new_zeros(len(batch.domains)).index_add_(0, document, entropy.detach()).tolist()
        tokens = document.bincount(minlength=len(batch.domains)).tolist()
        for domain, count, total in zip(batch.domains, tokens, per_document, strict=True):
            self._domain_tokens[domain] += count
            self._domain_entropy[domain] += total
        for key, value in (("train/loss", loss), ("clip/fraction", terms.clipped),
                           ("kl/reference", terms.reference_kl), ("entropy/rollout", terms.entropy)):
            self._sums[key] += float(value.detach())

    def metrics(self) -> dict[str, float]:
        """The loss as it is; the others per trained token, entropy and share of the tokens for each domain too."""
        found = {key: value if key == "train/loss" else value / self._tokens for key, value in self._sums.items()}
        for domain, tokens in sorted(self._domain_tokens.items()):
            found[f"entropy/rollout/{domain}"] = self._domain_entropy[domain] / tokens
            found[f"mixture/tokens/{domain}"] = tokens / self._tokens
        return found


def rollout_metrics(groups: Sequence[Group], zero_variance: Sequence[bool]) -> dict[str, float]:
    """Reward, outcomes, lengths and zero-variance groups of all responses of the step, and of each domain's."""
    lengths = [len(rollout.token_ids) for group in groups for rollout in group.rollouts]
    found = {**_of_groups(groups, zero_variance, "/mean", ""), "length/max": max(lengths)}
    flags = dict(zip((id(group) for group in groups), zero_variance, strict=True))
    for domain, own in sorted(by_domain(groups).items()):
        found |= _of_groups(own, [flags[id(group)] for group in own], f"/{domain}", f"/{domain}")
    return found


def _of_groups(groups: Sequence[Group], zero_variance: Sequence[bool], mean: str, of: str) -> dict[str, float]:
    """The metrics of some groups; their names end in `mean` where it is the mean that is named, else in `of`."""
    rollouts = [rollout for group in groups for rollout in group.rollouts]
    return {
        f"reward{mean}": sum(reward for group in groups for reward in group.rewards) / len(rollouts),
        f"length{mean}": sum(len(rollout.token_ids) for rollout in rollouts) / len(rollouts),
        f"length/truncated{of}": sum(rollout.truncated for rollout in rollouts) / len(rollouts),
        f"group/zero_variance{of}": sum(zero_variance) / len(zero_variance),
        **{f"outcome/{name}{of}": share for name, share in outcome_shares(groups).items()},
    }


def budget_metrics(budgeted: BudgetedSet, token_budget: int | None) -> dict[str, float]:
    """What the budget took and left: skipped work is counted, never silent."""
    return {
        "budget/tokens": budgeted.tokens,
        "budget/fill": budgeted.fill(token_budget),
        "budget/dropped": budgeted.dropped / (budgeted.tokens + budgeted.dropped),
        "budget/cut": budgeted.cut,
        "budget/responses_dropped": budgeted.responses_dropped,
    }


def progress_metrics(rl_tokens: int, sft_tokens: int) -> dict[str, float]:
    """Response tokens trained so far; token efficiency = RL tokens / SFT tokens (paper)."""
    return {"progress/tokens": sft_tokens + rl_tokens, "progress/token_efficiency": rl_tokens / max(1, sft_tokens)}


def speed_metrics(groups: Sequence[Group], trained: int, times: Mapping[str, float]) -> dict[str, float]:
    """Tokens per second of the whole step, and of generation alone."""
    generated = sum(len(rollout.token_ids) for group in groups for rollout in group.rollouts)
    return {
        "throughput/tokens_per_second": trained / times["time/step"],
        "throughput/rollout_tokens_per_second": generated / times["time/rollout"],
    }
