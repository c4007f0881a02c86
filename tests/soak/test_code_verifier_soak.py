"""Ten thousand candidates, one in a hundred hostile: the pool does not stand still, every other verdict is right."""

import threading
import time

import psutil
from mixed_items import items
from sandboxed import needs_sandbox

from ringexp.records import Outcome, Verdict
from ringexp.rewards.code import CodeVerifier

COUNT, BATCH = 10_000, 250
PATIENCE = 600.0
"""Seconds within which a batch has to end, many times what it takes."""


@needs_sandbox
def test_ten_thousand_candidates_one_in_a_hundred_hostile() -> None:
    verifier = CodeVerifier(cpu_seconds=0.5, wall_seconds=6, memory_bytes=192 * 1024**2)
    batch, found = items(COUNT), list[Verdict]()
    files = psutil.Process().num_fds()
    for first in range(0, COUNT, BATCH):
        part = batch[first : first + BATCH]
        thread = threading.Thread(
            target=lambda part=part: found.extend(verifier.score([p for p, _, _ in part], [t for _, t, _ in part])),
            daemon=True,
        )
        start = time.monotonic()
        thread.start()
        thread.join(PATIENCE)
        assert not thread.is_alive(), f"standing still at item {first} after {time.monotonic() - start:.0f} s"
    verifier.close()
    due = {"right": (Outcome.CORRECT,), "wrong": (Outcome.WRONG,),
           "hostile": (Outcome.WRONG, Outcome.TIMEOUT, Outcome.UNPARSABLE)}  # fmt: skip
    assert [(item, v) for item, v in zip(batch, found, strict=True) if v.outcome not in due[item[2]]] == []
    assert sum(kind == "hostile" for _, _, kind in batch) == COUNT // 100
    assert psutil.Process().num_fds() <= files + 2
    assert [p for p in psutil.Process().children(recursive=True) if p.status() != psutil.STATUS_ZOMBIE] == []
