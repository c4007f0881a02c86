"""The recipe on two ranks, for real and small: two trainers, two vLLM processes."""

from pathlib import Path

import pytest
from pipelines import Store, ringexp


@pytest.mark.parametrize("trainer", ["ddp", "fsdp"])
def test_two_ranks_run_the_recipe(tmp_path: Path, trainer: str) -> None:
    """Under ddp the command itself checks that the ranks end every stage with equal weights."""
    own = ("seed=3", "schedule=math_only")
    done = ringexp(f"paths.store={tmp_path / 'two'}", *own, f"trainer={trainer}", "trainer.max_steps=2")
    assert done.returncode == 0, done.stderr[-3000:]
    store = Store(tmp_path / "two")
    assert {run.info.status for run in store.runs} == {"FINISHED"}
    assert ringexp("task=sft", f"paths.store={tmp_path / 'alone'}", *own).returncode == 0
    one = Store(tmp_path / "alone")
    alone, ranked = (run.history(run.stage("sft"), "train/loss") for run in (one, store))
    assert [step for step, _ in ranked] == [step for step, _ in alone] == list(range(1, 21))
    assert [loss for _, loss in ranked[:5]] == pytest.approx([loss for _, loss in alone[:5]], rel=1e-4)
    tokens = store.history(store.stage("rl-math"), "budget/tokens")
    assert [step for step, _ in tokens] == [21, 22]
    assert all(300 < count <= 400 for _, count in tokens)  # 200 a rank, where its responses are long enough
