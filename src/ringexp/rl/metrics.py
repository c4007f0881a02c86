"""What a policy step reports: pure functions from groups, experience and times to declared metrics."""

from collections import Counter
from collections.abc import Mapping, Sequence

from torch import Tensor

from ringexp.evaluation.run import outcome_shares
from ringexp.records import Group
from ringexp.rl.budget import BudgetedSet
from ringexp.rl.objective import ObjectiveTerms


class Totals:
    """Sums of the objective's terms over a step's micro-batches."""

    def __init__(self, tokens: int) -> None:
        self._tokens = tokens
        self._sums = dict.fromkeys(("train/loss", "clip/fraction", "kl/reference", "entropy/rollout"), 0.0)

    def add(self, loss: Tensor, terms: ObjectiveTerms) -> None:
        """Add one micro-batch."""
        for key, value in (("train/loss", loss), ("clip/fraction", terms.clipped),
                           ("kl/reference", terms.reference_kl), ("entropy/rollout", terms.entropy)):
            self._sums[key] += float(value.detach())

    def metrics(self) -> dict[str, float]:
        """The loss as it is; the others per trained token."""
        return {key: value if key == "train/loss" else value / self._tokens for key, value in self._sums.items()}


def rollout_metrics(groups: Sequence[Group], zero_variance: Sequence[bool]) -> dict[str, float]:
    """Reward, outcomes, lengths and zero-variance groups of all responses of the step."""
    rollouts = [rollout for group in groups for rollout in group.rollouts]
    rewards: dict[str, list[float]] = {}
    for group in groups:
        rewards.setdefault(group.prompt.domain, []).extend(group.rewards)
    every = [reward for own in rewards.values() for reward in own]
    lengths = [len(rollout.token_ids) for rollout in rollouts]
    return {
        "reward/mean": sum(every) / len(every),
        **{f"reward/{domain}": sum(own) / len(own) for domain, own in rewards.items()},
        **{f"outcome/{name}": share for name, share in outcome_shares(groups).items()},
        "length/mean": sum(lengths) / len(lengths),
        "length/max": max(lengths),
        "length/truncated": sum(rollout.truncated for rollout in rollouts) / len(rollouts),
        "group/zero_variance": sum(zero_variance) / len(zero_variance),
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


def mixture_metrics(groups: Sequence[Group], weights: Mapping[str, float]) -> dict[str, float]:
    """The schedule's weights beside the shares that were drawn."""
    counts = Counter(group.prompt.domain for group in groups)
    target = {f"mixture/target/{domain}": weight for domain, weight in weights.items()}
    return target | {f"mixture/realised/{domain}": counts[domain] / len(groups) for domain in weights}


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
