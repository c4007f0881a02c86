"""What becomes of each response to a prompt."""

from functools import partial

from ringexp.distillation.filters import Filter, complete, length
from ringexp.distillation.keep import diverse, shortest
from ringexp.distillation.rejection import Rejection, sift
from ringexp.records import Group, Outcome, Prompt, Request, Rollout, Verdict

PROMPT = Prompt("p", "math", "?", "1")
FILTERS: dict[str, Filter] = {"truncated": complete, "length": partial(length, least=2, most=4)}
DRAWN = [
    ((1, 2, 3, 9), Outcome.CORRECT, False),      # passes, the second shortest
    ((1, 2), Outcome.WRONG, False),
    ((4, 9), Outcome.CORRECT, False),            # passes, the shortest
    ((1, 2, 3, 9), Outcome.CORRECT, False),      # the first again
    ((1, 2, 3, 4, 5), Outcome.CORRECT, True),    # cut and too long: the first filter names it
    ((1, 2, 3, 4, 9), Outcome.CORRECT, False),
    ((1,), Outcome.TIMEOUT, True),
    ((5, 6, 7, 9), Outcome.CORRECT, False),      # passes
    ((9,), Outcome.UNPARSABLE, False),
]  # fmt: skip


def group() -> Group:
    rollouts = tuple(Rollout(Request(PROMPT, i, i), tokens, (), (), str(i), cut)
                     for i, (tokens, _, cut) in enumerate(DRAWN))  # fmt: skip
    return Group(PROMPT, rollouts, tuple(Verdict(outcome) for _, outcome, _ in DRAWN))


def test_every_response_has_its_fate() -> None:
    sifted = sift(group(), Rejection(FILTERS, shortest, 2))
    assert sifted.kept == (2, 0)
    assert sifted.fates == ("kept", "wrong", "kept", "duplicate", "truncated", "length", "timeout", "surplus",
                            "unparsable")  # fmt: skip


def test_the_most_diverse_are_kept_instead() -> None:
    assert sift(group(), Rejection(FILTERS, partial(diverse, n=1), 2)).kept == (2, 0)  # 9 is shared by all three
    assert sift(group(), Rejection(FILTERS, partial(diverse, n=3), 3)).kept == (2, 0, 7)


def test_without_filters_what_is_correct_passes() -> None:
    sifted = sift(group(), Rejection({}, shortest, 9))
    assert sifted.kept == (2, 0, 7, 4, 5)
    assert [i for i, fate in enumerate(sifted.fates) if fate == "duplicate"] == [3]


def test_where_nothing_is_correct_nothing_is_kept() -> None:
    wrong = Group(PROMPT, group().rollouts, (Verdict(Outcome.ERROR),) * len(DRAWN))
    assert sift(wrong, Rejection(FILTERS, shortest, 2)).kept == ()
    assert set(sift(wrong, Rejection(FILTERS, shortest, 2)).fates) == {"error"}
