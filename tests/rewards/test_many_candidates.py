"""Many candidates of all kinds in one batch, hostile ones among them: every verdict is the one that is due."""

from mixed_items import items
from sandboxed import needs_sandbox

from ringexp.records import Outcome
from ringexp.rewards.code import CodeVerifier


@needs_sandbox
def test_a_hostile_candidate_changes_no_other_verdict() -> None:
    batch = items(200, hostile_every=20)
    verifier = CodeVerifier(cpu_seconds=0.3, wall_seconds=4, memory_bytes=192 * 1024**2)
    verdicts = verifier.score([prompt for prompt, _, _ in batch], [text for _, text, _ in batch])
    verifier.close()
    due = {"right": (Outcome.CORRECT,), "wrong": (Outcome.WRONG,),
           "hostile": (Outcome.WRONG, Outcome.TIMEOUT, Outcome.UNPARSABLE)}  # fmt: skip
    assert [(item, v) for item, v in zip(batch, verdicts) if v.outcome not in due[item[2]]] == []
    assert sum(kind == "hostile" for _, _, kind in batch) == 10


def test_items_differ() -> None:
    batch = items(300)
    assert len({(prompt.answer, text) for prompt, text, _ in batch}) == 300
    assert items(300) == batch
    assert {kind for _, _, kind in batch} == {"right", "wrong", "hostile"}
