"""The token budget Φ of C3PO (paper Eq. 3 and Fig. 3): which response tokens of a step are trained.

Responses are taken whole until the budget is reached; the last one is cut so that exactly Φ tokens remain. The cut
comes after the advantages were computed on complete groups and before the backward pass, so it never changes an
advantage. Φ counts response tokens, the end-of-sequence token included, prompts never (our resolution), and is per
data-parallel rank.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from ringexp import seeds


@dataclass(frozen=True, slots=True)
class BudgetedSet:
    """The set Ψ of a step, in the parts that its optimizer updates train.

    updates: of each, (response, tokens) pairs, tokens ≥ 1 counted from the response's start; tokens = Σ tokens taken;
    dropped = response tokens of the step outside Ψ (cut and whole responses); cut = of those, the ones beyond a cut
    inside a response that is trained; responses_dropped = responses left out whole.
    """

    updates: tuple[tuple[tuple[int, int], ...], ...]
    tokens: int
    dropped: int
    cut: int
    responses_dropped: int

    @property
    def taken(self) -> tuple[tuple[int, int], ...]:
        """All (response, tokens) pairs of Ψ."""
        return tuple(pair for update in self.updates for pair in update)


def step_order(group_sizes: Sequence[int], seed: int, *place: seeds.Part) -> list[int]:
    """The order in which responses claim the budget: groups in a seeded permutation, members of a group together.

    The paper is silent on the order; this is our resolution. Responses are numbered group by group. A function of
    the seed and the place alone, not of lengths or rewards.
    """
    starts = [sum(group_sizes[:g]) for g in range(len(group_sizes))]
    groups = list(range(len(group_sizes)))
    seeds.generator(seed, "budget-order", *place).shuffle(groups)
    return [starts[g] + member for g in groups for member in range(group_sizes[g])]


def fill_budget(
    lengths: Sequence[int], order: Sequence[int], budget: int | None, updates: int = 1
) -> BudgetedSet:
    """Take responses in `order` until `budget` tokens are reached; cut the last one to fit (paper Eq. 3).

    With several optimizer updates each gets exactly budget / updates tokens by the same rule, from where the one before
    ended; the rest of a cut response is dropped (our resolution: the paper has one figure for both). Without a budget
    the responses are divided evenly.

    Args: lengths of the responses in tokens (each ≥ 1); order, a permutation of (or selection from) their indices;
    budget Φ in tokens, or None for no cap.
    Raises ValueError on a budget that is not a positive multiple of `updates`.
    """
    if updates < 1 or (budget is not None and (budget < 1 or budget % updates)):
        raise ValueError(f"the token budget must be a positive multiple of the {updates} updates, not {budget}")
    left = list(reversed(order))
    parts = []
    for update in range(updates):
        if budget is None:
            count = len(order) * (update + 1) // updates - len(order) * update // updates
            parts.append(tuple((response, lengths[response]) for response in (left.pop() for _ in range(count))))
        else:
            parts.append(_fill(lengths, left, budget // updates))
    taken = [pair for part in parts for pair in part]
    total = sum(tokens for _, tokens in taken)
    cut = sum(lengths[response] - tokens for response, tokens in taken)
    return BudgetedSet(tuple(parts), total, sum(lengths) - total, cut, len(lengths) - len(taken))


def _fill(lengths: Sequence[int], left: list[int], room: int) -> tuple[tuple[int, int], ...]:
    """Take responses from the end of `left` until `room` tokens are reached."""
    taken = []
    while room and left:
        response = left.pop()
        tokens = min(lengths[response], room)
        taken.append((response, tokens))
        room -= tokens
    return tuple(taken)
