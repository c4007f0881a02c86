"""The recipe on two ranks, for real and small: two trainers, two vLLM processes."""

from pathlib import Path

import pytest
from pipelines import Store, ringexp

OWN = ("seed=3", "schedule=math_only")


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """SFT on one rank."""
    folder = tmp_path_factory.mktemp("alone")
    assert ringexp("task=sft", f"paths.store={folder}", *OWN).returncode == 0
    return Store(folder)


@pytest.mark.parametrize("trainer", ["ddp", pytest.param("fsdp", marks=pytest.mark.soak)])
def test_two_ranks_run_the_recipe(alone: Store, tmp_path: Path, trainer: str) -> None:
    """Under ddp the command itself checks that the ranks end every stage with equal weights."""
    done = ringexp(f"paths.store={tmp_path}", *OWN, f"trainer={trainer}", "trainer.max_steps=2")
    assert done.returncode == 0, done.stderr[-3000:]
    store = Store(tmp_path)
    assert {run.info.status for run in store.runs} == {"FINISHED"}
    one, ranked = (run.history(run.stage("sft"), "train/loss") for run in (alone, store))
    assert [step for step, _ in ranked] == [step for step, _ in one] == list(range(1, 21))
    assert [loss for _, loss in ranked[:5]] == pytest.approx([loss for _, loss in one[:5]], rel=1e-4)
    tokens = store.history(store.stage("rl-math"), "budget/tokens")
    assert [step for step, _ in tokens] == [21, 22]
    assert all(300 < count <= 400 for _, count in tokens)  # 200 a rank, where its responses are long enough
