"""Ten thousand maths items of which one in a hundred is hostile, by 1, 2 and 5 processes; the kernel's own limit."""

import random
import time

import pytest

from ringexp.records import Outcome, Prompt, Verdict
from ringexp.rewards.math import MathVerifier
from ringexp.rewards.math_process import MathLimits, MathProcess

ITEMS, HOSTILE_ITEMS = 10_000, 100
GIB = 1024**3


def easy(n: int, seed: int) -> list[tuple[str, str, bool]]:
    """Gold, answer and whether it is right; no two alike, most of them for Math-Verify."""
    draw = random.Random(seed)
    items = []
    for i in range(n):
        k, m, wrong = i + 2, draw.randrange(2, 99), draw.random() < 0.5
        gold, answer = draw.choice([
            (f"{k}", f"{k + wrong}"),
            (f"{k} \\text{{ cm}}", f"{k + wrong} cm"),
            (f"\\${k}", f"{k + wrong} \\text{{ dollars}}"),
            (f"{k}\\pi", f"\\pi \\cdot {k + wrong}"),
            (f"x = {k}", f"{k + wrong}.0"),
            (f"{k}/{m}", f"{2 * k + wrong}/{2 * m}"),
        ])  # fmt: skip
        items.append((gold, answer, not wrong))
    return items


def hostile(i: int) -> str:
    """Answers that hang, fill the memory or the stack, each its own."""
    return (
        f"{99_999_999 + i}!", f"9^{{9^{{9^{{{9 + i}}}}}}}", f"10^{{{10**9 + i}}}-10^{{{10**9 + i}}}+3",
        "[" * 12 + f"{i}" + "]" * 12, f"\\frac{{{i}}}{{0}}", "x^" * 400 + f"{i}", f"{i}" + "!" * 300,
        f"\\sum_{{n=1}}^{{{10**12 + i}}} n!", "-" * 900 + f"{i}", f"\\binom{{{10**15 + i}}}{{{10**14}}}",
    )[i % 10]  # fmt: skip


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_no_deadlock_and_every_other_item_right(workers: int) -> None:
    items = easy(ITEMS, seed=4)
    places = random.Random(5).sample(range(ITEMS), HOSTILE_ITEMS)
    for i, place in enumerate(places):
        items[place] = ("3", hostile(1_000 + i), False)
    verifier = MathVerifier(workers=workers, cpu_seconds=1.0)
    started = time.monotonic()
    verdicts = verifier.score(
        [Prompt("p", "math", "q", gold) for gold, _, _ in items], [f"\\boxed{{{answer}}}" for _, answer, _ in items]
    )
    print(f"{workers} workers: {ITEMS} items, {time.monotonic() - started:.0f} s")
    verifier.close()
    assert [items[place] for place in places if verdicts[place].reward] == []
    timeouts = sum(verdicts[place].outcome is Outcome.TIMEOUT for place in places)
    assert timeouts >= HOSTILE_ITEMS // 5
    found = [i for i in range(ITEMS) if i not in set(places)]
    assert [bool(verdicts[i].reward) for i in found] == [items[i][2] for i in found]
    assert {verdicts[i].outcome for i in found} == {Outcome.CORRECT, Outcome.WRONG}


def test_the_kernels_limit_counts_as_a_time_out() -> None:
    """A parent that does not look: the kernel ends the process, some seconds of CPU time late."""
    process = MathProcess(MathLimits(0.2, 120.0, 2 * GIB))
    while not process.free:
        list(process.hear())
    process.give([(0, ("3", "99999999!"))])
    while process.alive:
        time.sleep(0.1)
    assert process.cause() == Verdict(Outcome.TIMEOUT, "more than 0.2 s of CPU time")
    process.stop()
