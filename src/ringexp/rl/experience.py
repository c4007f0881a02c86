"""One step's experience: scored groups turned into the packed tokens that its optimizer updates train on."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ringexp.models.packing import Packed, micro_batches, pack, rollout_document
from ringexp.records import Group, Rollout
from ringexp.rl.advantage import zero_variance
from ringexp.rl.budget import BudgetedSet, fill_budget, step_order

Advantage = Callable[[Sequence[Sequence[float]]], list[Tensor]]


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
    """A step's responses with their advantages, and which of their tokens are trained in which update."""

    rollouts: tuple[Rollout, ...]
    advantages: Tensor
    budgeted: BudgetedSet
    zero_variance: tuple[bool, ...]

    def lengths(self, update: int) -> tuple[int, ...]:
        """Trained tokens of each response of an update."""
        return tuple(tokens for _, tokens in self.budgeted.updates[update])

    def micro_batches(
        self, update: int, weights: Sequence[float], tokens: int, device: torch.device | str = "cpu"
    ) -> list[MicroBatch]:
        """An update's responses in micro-batches of at most `tokens` read tokens, given one weight a response."""
        taken = self.budgeted.updates[update]
        documents = [rollout_document(self.rollouts[index], count) for index, count in taken]
        return [
            self._micro_batch([taken[i] for i in split], [weights[i] for i in split],
                              pack([documents[i] for i in split], device))
            for split in micro_batches([d.length for d in documents], tokens)
        ]  # fmt: skip

    def _micro_batch(self, taken: Sequence[tuple[int, int]], weights: Sequence[float], packed: Packed) -> MicroBatch:
        device = packed.document.device
        behaviour = [x for index, count in taken for x in self.rollouts[index].logprobs[:count]]
        return MicroBatch(
            packed=packed,
            domains=tuple(self.rollouts[index].request.prompt.domain for index, _ in taken),
            advantage=torch.stack([self.advantages[index] for index, _ in taken]).to(device)[packed.document],
            weight=torch.tensor(list(weights), device=device)[packed.document],
            behaviour=torch.tensor(behaviour, device=device),
        )

    def stand_in(self, device: torch.device | str = "cpu") -> MicroBatch:
        """One token of weight 0, for a rank that has nothing to train in an update while others have."""
        packed = pack([rollout_document(self.rollouts[0], 1)], device)
        return self._micro_batch([(0, 1)], [0.0], packed)


def build_experience(
    groups: Sequence[Group], advantage: Advantage, *, token_budget: int | None, updates: int = 1,
    drop_zero_variance: bool = False, most_groups: int | None = None, seed: int, place: tuple[int | str, ...],
) -> Experience:
    """Advantages on complete groups, then the budget's cut (paper Fig. 3).

    With `drop_zero_variance` (not in the paper) groups of equal rewards do not claim the budget, and with `most_groups`
    no more than the first so many of the others do (dynamic sampling); the tokens left out are counted as dropped.
    """
    rewards = [group.rewards for group in groups]
    flat = zero_variance(rewards)
    claiming = [g for g, silent in enumerate(flat) if not (drop_zero_variance and silent)][:most_groups]
    member = {response for g in claiming for response in _members(groups, g)}
    rollouts = [rollout for group in groups for rollout in group.rollouts]
    order = [i for i in step_order([len(group.rollouts) for group in groups], seed, *place) if i in member]
    budgeted = fill_budget([len(r.token_ids) for r in rollouts], order, token_budget, updates)
    return Experience(tuple(rollouts), torch.cat(advantage(rewards)), budgeted, tuple(flat))


def _members(groups: Sequence[Group], index: int) -> range:
    """The numbers of a group's responses, counted over all groups."""
    start = sum(len(group.rollouts) for group in groups[:index])
    return range(start, start + len(groups[index].rollouts))

