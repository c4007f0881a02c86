"""The recipe on two ranks, for real and small: two trainers, two vLLM processes."""

from pathlib import Path

from pipelines import Store, ringexp


def test_two_ranks_run_the_recipe(tmp_path: Path) -> None:
    """The command itself checks that the ranks end every stage with equal weights."""
    done = ringexp(f"paths.store={tmp_path}", "seed=3", "trainer=ddp", "schedule=math_only", "trainer.max_steps=2")
    assert done.returncode == 0, done.stderr[-3000:]
    store = Store(tmp_path)
    assert {run.info.status for run in store.runs} == {"FINISHED"}
    losses = store.history(store.stage("sft"), "train/loss")
    assert [step for step, _ in losses] == list(range(1, 21))
    assert losses[-1][1] < losses[0][1]
    tokens = store.history(store.stage("rl-math"), "budget/tokens")
    assert [step for step, _ in tokens] == [21, 22]
    assert all(300 < count <= 400 for _, count in tokens)  # 200 a rank, where its responses are long enough
