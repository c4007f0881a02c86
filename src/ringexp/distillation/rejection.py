"""Rejection sampling: which of a prompt's judged responses become its traces, and why the others do not. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

from ringexp.config.distillation import DUPLICATE, KEPT, SURPLUS
from ringexp.distillation.filters import Filter
from ringexp.distillation.keep import Keep
from ringexp.records import Group, Outcome


@dataclass(frozen=True, slots=True)
class Rejection:
    """What a response has to pass (filters by name, in order), and which of those that did are kept: `most`."""

    filters: Mapping[str, Filter]
    keep: Keep
    most: int


@dataclass(frozen=True, slots=True)
class Sifted:
    """The kept responses as places in the group, the one chosen first in front, and every response's fate.

    A fate is the verifier's outcome where that is not `correct`, else the name of the first filter that it did not
    pass, `duplicate` (the same tokens as an earlier one that passed), `surplus` (passed, others were kept), `kept`.
    """

    kept: tuple[int, ...]
    fates: tuple[str, ...]


def sift(group: Group, rejection: Rejection) -> Sifted:
    """Decide about all responses to a prompt."""
    fates: list[str] = []
    passed: dict[tuple[int, ...], int] = {}
    for place, (rollout, verdict) in enumerate(zip(group.rollouts, group.verdicts, strict=True)):
        failed = (name for name, passes in rejection.filters.items() if not passes(rollout))
        fate = str(verdict.outcome) if verdict.outcome is not Outcome.CORRECT else next(failed, SURPLUS)
        if fate == SURPLUS and passed.setdefault(rollout.token_ids, place) != place:
            fate = DUPLICATE
        fates.append(fate)
    kept = [list(passed.values())[i] for i in rejection.keep(list(passed), rejection.most)]
    for place in kept:
        fates[place] = KEPT
    return Sifted(tuple(kept), tuple(fates))
