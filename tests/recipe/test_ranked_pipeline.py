"""The recipe on two ranks, for real and small: two trainers, two vLLM processes."""

from pathlib import Path

import pytest
from pipelines import Store, finished

OWN = ("seed=3", "schedule=math_only", "sft.max_steps=10", "sft.checkpoint_every=10")


@pytest.mark.parametrize("trainer", ["ddp", pytest.param("fsdp", marks=pytest.mark.soak)])
def test_two_ranks_run_the_recipe(tmp_path: Path, trainer: str) -> None:
    """Then SFT on one rank. Under ddp the command itself checks that the ranks end every stage with equal weights."""
    finished((f"paths.store={tmp_path}", *OWN, f"trainer={trainer}", "trainer.max_steps=2"),
             (f"paths.store={tmp_path}/alone", "task=sft", *OWN))  # fmt: skip
    alone, store = Store(tmp_path / "alone"), Store(tmp_path)
    assert {run.info.status for run in store.runs} == {"FINISHED"}
    one, ranked = (run.history(run.stage("sft"), "train/loss") for run in (alone, store))
    assert [step for step, _ in ranked] == [step for step, _ in one] == list(range(1, 11))
    assert [loss for _, loss in ranked[:5]] == pytest.approx([loss for _, loss in one[:5]], rel=1e-4)
    tokens = store.history(store.stage("rl-math"), "budget/tokens")
    assert [step for step, _ in tokens] == [11, 12]
    assert all(300 < count <= 400 for _, count in tokens)  # 200 a rank, where its responses are long enough
