"""What a policy step reports: pure functions from groups, experience and times to a tally of declared metrics."""

from collections import Counter
from collections.abc import Mapping, Sequence

from torch import Tensor

from ringexp.evaluation.run import by_domain
from ringexp.records import Group, Outcome
from ringexp.rl.budget import BudgetedSet
from ringexp.rl.experience import MicroBatch
from ringexp.rl.objective import ObjectiveTerms
from ringexp.training.tally import Tally


def add_terms(tally: Tally, batch: MicroBatch, terms: ObjectiveTerms, entropy: Tensor) -> None:
    """One micro-batch of an update: means per trained token; entropy [R], of each domain too."""
    document = batch.packed.document
    trained = len(document)
    per_document = entropy.new_zeros(len(batch.domains)).index_add_(0, document, entropy.detach()).tolist()
    tokens = document.bincount(minlength=len(batch.domains)).tolist()
    for domain, count, total in zip(batch.domains, tokens, per_document, strict=True):
        tally.mean(f"entropy/rollout/{domain}", total, count)
    tally.mean("entropy/rollout", float(terms.entropy), trained)
    tally.mean("clip/fraction", float(terms.clipped), trained)
    tally.mean("correction/factor", float(terms.corrected), trained)
    tally.mean("correction/rejected", float(terms.rejected), trained)
    if terms.reference_kl is not None:
        tally.mean("kl/reference", float(terms.reference_kl), trained)


def add_rollouts(tally: Tally, groups: Sequence[Group], zero_variance: Sequence[bool]) -> None:
    """Reward, outcomes, lengths and zero-variance groups of all responses of the step, and of each domain's."""
    _add_groups(tally, groups, zero_variance, "/mean", "")
    tally.maximum("length/max", max(len(rollout.token_ids) for group in groups for rollout in group.rollouts))
    flags = dict(zip((id(group) for group in groups), zero_variance, strict=True))
    for domain, own in sorted(by_domain(groups).items()):
        _add_groups(tally, own, [flags[id(group)] for group in own], f"/{domain}", f"/{domain}")


def _add_groups(
    tally: Tally, groups: Sequence[Group], zero_variance: Sequence[bool], mean: str, of: str
) -> None:
    """The metrics of some groups; their names end in `mean` where it is the mean that is named, else in `of`."""
    rollouts = [rollout for group in groups for rollout in group.rollouts]
    tally.mean(f"reward{mean}", sum(reward for group in groups for reward in group.rewards), len(rollouts))
    tally.mean(f"length{mean}", sum(len(rollout.token_ids) for rollout in rollouts), len(rollouts))
    tally.mean(f"length/truncated{of}", sum(rollout.truncated for rollout in rollouts), len(rollouts))
    tally.mean(f"group/zero_variance{of}", sum(zero_variance), len(zero_variance))
    outcomes = Counter(verdict.outcome for group in groups for verdict in group.verdicts)
    for outcome in Outcome:
        tally.mean(f"outcome/{outcome}{of}", outcomes[outcome], len(rollouts))


def add_budget(tally: Tally, budgeted: BudgetedSet, token_budget: int | None, domains: Sequence[str]) -> None:
    """What the budget took and left: skipped work is counted, never silent. `domains`: of each response of the step."""
    tally.sum("budget/tokens", budgeted.tokens)
    tally.mean("budget/fill", budgeted.tokens, token_budget or budgeted.tokens)
    tally.mean("budget/dropped", budgeted.dropped, budgeted.tokens + budgeted.dropped)
    tally.sum("budget/cut", budgeted.cut)
    tally.sum("budget/responses_dropped", budgeted.responses_dropped)
    for domain in sorted(set(domains)):
        own = sum(tokens for response, tokens in budgeted.taken if domains[response] == domain)
        tally.mean(f"mixture/tokens/{domain}", own, budgeted.tokens)


def progress_metrics(rl_tokens: int, sft_tokens: int) -> dict[str, float]:
    """Response tokens trained so far; token efficiency = RL tokens / SFT tokens (paper)."""
    return {"progress/tokens": sft_tokens + rl_tokens, "progress/token_efficiency": rl_tokens / max(1, sft_tokens)}


def speed_metrics(generated: float, trained: float, times: Mapping[str, float]) -> dict[str, float]:
    """Tokens per second of the whole step, and of generation alone."""
    return {
        "throughput/tokens_per_second": trained / times["time/step"],
        "throughput/rollout_tokens_per_second": generated / times["time/rollout"],
    }
