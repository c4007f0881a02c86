"""One step's experience: scored groups turned into the packed tokens that are trained, under the budget."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ringexp.models.packing import Packed, micro_batches, pack, rollout_document
from ringexp.records import Group, Rollout
from ringexp.rl.advantage import zero_variance
from ringexp.rl.budget import BudgetedSet, fill_budget, step_order

Advantage = Callable[[Sequence[Sequence[float]]], list[Tensor]]
Weights = Callable[[Sequence[int], int | None], list[float]]


@dataclass(frozen=True, slots=True)
class MicroBatch:
    """Packed responses with, per response token [R], advantage, normalised weight and the engine's log-probability.

    `domains` names the domain of each packed document.
    """

    packed: Packed
    domains: tuple[str, ...]
    advantage: Tensor
    weight: Tensor
    behaviour: Tensor


@dataclass(frozen=True, slots=True)
class Experience:
    """What one policy step trains on, and the budget's account of what it does not."""

    micro_batches: tuple[MicroBatch, ...]
    budgeted: BudgetedSet
    zero_variance: tuple[bool, ...]


def build_experience(
    groups: Sequence[Group], advantage: Advantage, weights: Weights, *, token_budget: int | None,
    drop_zero_variance: bool, micro_batch_tokens: int, seed: int, place: tuple[int | str, ...],
    device: torch.device | str = "cpu",
) -> Experience:
    """Advantages on complete groups, then the budget's cut, then packing (paper Fig. 3).

    With `drop_zero_variance` (not in the paper) groups of equal rewards do not claim the budget; their tokens are
    counted as dropped.
    """
    rewards = [group.rewards for group in groups]
    flat = zero_variance(rewards)
    advantages = torch.cat(advantage(rewards))
    rollouts = [rollout for group in groups for rollout in group.rollouts]
    order = step_order([len(group.rollouts) for group in groups], seed, *place)
    if drop_zero_variance:
        silent = [flag for group, flag in zip(groups, flat, strict=True) for _ in group.rollouts]
        order = [index for index in order if not silent[index]]
    budgeted = fill_budget([len(r.token_ids) for r in rollouts], order, token_budget)
    if not budgeted.taken:
        return Experience((), budgeted, tuple(flat))
    per_response = weights([tokens for _, tokens in budgeted.taken], token_budget)
    documents = [rollout_document(rollouts[index], tokens) for index, tokens in budgeted.taken]
    parts = []
    for split in micro_batches([d.length for d in documents], micro_batch_tokens):
        packed = pack([documents[i] for i in split], device)
        taken = [budgeted.taken[i] for i in split]
        parts.append(MicroBatch(
            packed=packed,
            domains=tuple(rollouts[index].request.prompt.domain for index, _ in taken),
            advantage=torch.stack([advantages[index] for index, _ in taken]).to(device)[packed.document],
            weight=torch.tensor([per_response[i] for i in split], device=device)[packed.document],
            behaviour=_behaviour([(rollouts[index], tokens) for index, tokens in taken], device),
        ))  # fmt: skip
    return Experience(tuple(parts), budgeted, tuple(flat))


def _behaviour(taken: Sequence[tuple[Rollout, int]], device: torch.device | str) -> Tensor:
    return torch.tensor([x for rollout, tokens in taken for x in rollout.logprobs[:tokens]], device=device)
