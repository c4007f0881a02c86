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
    """The set Ψ: `taken` lists (response, tokens) pairs, tokens ≥ 1 counted from the response's start.

    tokens = Σ tokens taken; dropped = response tokens of the step outside Ψ (cut and whole responses);
    cut = of those, the ones beyond the cut inside the last response; responses_dropped = responses left out whole.
    """

    taken: tuple[tuple[int, int], ...]
    tokens: int
    dropped: int
    cut: int
    responses_dropped: int

    def fill(self, budget: int | None) -> float:
        """|Ψ| / Φ: 1 in a filled step (1 without a budget)."""
        return 1.0 if budget is None else self.tokens / budget


def step_order(group_sizes: Sequence[int], seed: int, *place: seeds.Part) -> list[int]:
    """The order in which responses claim the budget: groups in a seeded permutation, members of a group together.

    The paper is silent on the order; this is our resolution. Responses are numbered group by group. A function of
    the seed and the place alone, not of lengths or rewards.
    """
    starts = [sum(group_sizes[:g]) for g in range(len(group_sizes))]
    groups = list(range(len(group_sizes)))
    seeds.generator(seed, "budget-order", *place).shuffle(groups)
    return [starts[g] + member for g in groups for member in range(group_sizes[g])]


def fill_budget(lengths: Sequence[int], order: Sequence[int], budget: int | None) -> BudgetedSet:
    """Take responses in `order` until `budget` tokens are reached; cut the last one to fit (paper Eq. 3).

    Args: lengths of the responses in tokens (each ≥ 1); order, a permutation of (or selection from) their indices;
    budget Φ in tokens, or None for no cap.
    Raises ValueError on a budget below 1.
    """
    if budget is not None and budget < 1:
        raise ValueError(f"the token budget must be at least 1, not {budget}")
    taken: list[tuple[int, int]] = []
    room = sum(lengths) if budget is None else budget
    cut = 0
    for response in order:
        if room == 0:
            break
        tokens = min(lengths[response], room)
        cut += lengths[response] - tokens
        taken.append((response, tokens))
        room -= tokens
    total = sum(tokens for _, tokens in taken)
    return BudgetedSet(tuple(taken), total, sum(lengths) - total, cut, len(lengths) - len(taken))
