"""Which runs count as differing by seed alone, and what groups are called."""

from groups import differing, group, without_seed
from store import StoredRun

CONFIG = """task:
  name: pipeline
sft:
  lr: {lr}
  betas:
  - 0.9
paths:
  store: {store}
seed: {seed}
fresh: false
"""


def run(name: str, seed: int, code: str = "c0de", **params: str) -> StoredRun:
    tags = {"ringexp.seed": str(seed), "ringexp.source_hash": code}
    return StoredRun(name, name, "FINISHED", 0, 1, "", {"seed": str(seed), **params}, {}, tags)


def config(seed: int, lr: float = 0.1, store: str = "runs") -> str:
    return without_seed(CONFIG.format(seed=seed, lr=lr, store=store))


def test_seed_and_where_a_run_writes_are_left_out() -> None:
    assert config(1) == config(2, store="elsewhere") == "sft:\n  lr: 0.1\n  betas:\n  - 0.9\n"
    assert config(1) != config(1, lr=0.2)


def test_runs_of_one_configuration_are_one_group_whatever_their_order() -> None:
    runs = [run("a1", 1, algorithm="c3po"), run("b1", 1, algorithm="grpo"), run("a2", 2, algorithm="c3po")]
    found = group(runs, {"a1": config(1), "a2": config(2)})
    assert [(g.label, [r.name for r in g.runs]) for g in found] == [("c3po", ["a1", "a2"]), ("grpo", ["b1"])]


def test_a_difference_that_is_no_parameter_splits_and_is_named() -> None:
    runs = [run("a1", 1), run("a2", 2), run("a3", 3)]
    found = group(runs, {"a1": config(1), "a2": config(2, lr=0.2), "a3": config(3)})
    assert [(g.label, len(g.runs)) for g in found] == [("sft.lr=0.1", 2), ("sft.lr=0.2", 1)]


def test_other_code_is_another_group() -> None:
    found = group([run("a1", 1, code="11111111"), run("a2", 2, code="22222222")], {"a1": config(1), "a2": config(2)})
    assert [g.label for g in found] == ["code 1111111", "code 2222222"]


def test_a_repeated_seed_counts_once() -> None:
    newest, older, other = run("new", 1), run("old", 1), run("other", 2)
    [found] = group([newest, older, other], {r.run_id: config(1) for r in (newest, older, other)})
    assert found.runs == (newest, other)
    assert found.repeats == (older,)


def test_labels_are_no_longer_than_needed() -> None:
    runs = [run("a", 1, schedule="joint", stages="long text", rl_lr="1"),
            run("b", 1, schedule="two", stages="other", rl_lr="1"),
            run("c", 1, schedule="two", stages="other", rl_lr="2")]  # fmt: skip
    assert differing(runs) == ["schedule", "rl_lr", "stages"]
    assert [g.label for g in group(runs, {})] == ["joint · rl_lr 1", "two · rl_lr 1", "two · rl_lr 2"]
