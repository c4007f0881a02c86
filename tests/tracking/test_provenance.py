"""What makes a command a new run, and what does not."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hydra.core.hydra_config import HydraConfig

from ringexp.config.validate import typed
from ringexp.models.tokenizer import build_tokenizer
from ringexp.tasks.data import load_pools, prepare
from ringexp.tracking import provenance
from ringexp.tracking.provenance import digest, git_state, identity_config, overrides, source_hash, tags

Composed = Callable[..., Any]


@pytest.mark.parametrize("override", [
    "paths.store=/elsewhere", "progress=false", "task=rl", "fresh=true", "run_id=abc", "tracking.system_metrics=false",
    "tracking=server", "trial={storage:'journal:///s.journal',study:s,number:3,id:3}",
])  # fmt: skip
def test_what_does_not_change_the_result_does_not_change_the_identity(composed: Composed, override: str) -> None:
    assert identity_config(typed(composed(override))) == identity_config(typed(composed()))


@pytest.mark.parametrize("override", [
    "seed=1", "algorithm.optimizer.lr=1e-4", "sft.optimizer.lr=1e-4", "algorithm.token_budget=123", "sft.max_steps=9",
    "trainer.max_steps=9", "model.config.hidden_size=64", "selection=last", "evaluation.k=[1,2]", "debug=fast",
    "data.max_prompt_tokens=64", "schedule.stages.0.weights.math=2", "model.tokenizer.vocab_size=300",
])  # fmt: skip
def test_what_changes_the_result_changes_the_identity(composed: Composed, override: str) -> None:
    first, second = (digest(identity_config(typed(composed(*o)))) for o in ([], [override]))
    assert first != second


SMALL = ["data.pools.math.train=40", "data.pools.math.validation=5", "data.pools.math.test=5"]


def identity(config: Any) -> dict[str, str]:
    """The tags of the run that a configuration would make, its data read."""
    pools, dropped = load_pools(config.data)
    tokenizer = build_tokenizer(None, 300, pools.values())
    data = prepare(pools, dropped, tokenizer, config.data)
    return dict(tags(config, data.fingerprint, tokenizer.fingerprint))


@pytest.mark.parametrize("override", [
    "data.pools.math.kinds=[add]", "data.pools.math.levels=[2]", "data.pools.math.seed=1", "data.pools.math.train=41",
])  # fmt: skip
def test_other_problems_change_the_identity_by_their_content(composed: Composed, override: str) -> None:
    first, second = (identity(typed(composed(*SMALL, *o))) for o in ([], [override]))
    assert first["identity"] != second["identity"]
    assert first["data_fingerprint"] != second["data_fingerprint"]
    assert first["config_hash"] == second["config_hash"]  # the data are known by their content, not their description


def test_a_moved_data_file_is_the_same_run(composed: Composed, rows: Path, tmp_path: Path) -> None:
    moved = tmp_path / "elsewhere" / "again.jsonl"
    moved.parent.mkdir()
    moved.write_bytes(rows.read_bytes())
    first, second = (identity(typed(composed("data=gsm8k", f"data.path={path}"))) for path in (rows, moved))
    assert first == second
    moved.write_text(rows.read_text().replace("What is 7", "What was 7"), encoding="utf-8")
    assert identity(typed(composed("data=gsm8k", f"data.path={moved}")))["identity"] != first["identity"]


def test_tags_say_where_a_run_came_from(composed: Composed) -> None:
    found = tags(typed(composed("seed=5")), "f" * 64, "t" * 64)
    assert found["seed"] == "5"
    assert found["data_fingerprint"] == "f" * 64
    assert found["tokenizer_fingerprint"] == "t" * 64
    assert found["source_hash"] == source_hash()
    assert found["command"].split()[0] == "ringexp"
    assert {"git_commit", "git_dirty", "lock_hash", "version.torch", "version.mlflow", "version.python"} <= set(found)
    assert found["hardware.processor"]
    assert all(isinstance(value, str) and len(value) < 5000 for value in found.values())


def test_a_container_tells_its_image_and_commit(
    composed: Composed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Outside a checkout the commit is the one that was built; in one it is the checkout's own."""
    monkeypatch.setenv("RINGEXP_IMAGE_DIGEST", "sha256:" + "a" * 64)
    monkeypatch.setenv("RINGEXP_LOCK_SHA256", "b" * 64)
    monkeypatch.setenv("RINGEXP_GIT_COMMIT", "c" * 40 + "-dirty")
    git_state.cache_clear()
    checkout = git_state()
    monkeypatch.setattr(provenance, "PACKAGE", tmp_path)
    git_state.cache_clear()
    try:
        found = tags(typed(composed()), "f", "t")
        assert (found["image_digest"], found["image_lock"]) == ("sha256:" + "a" * 64, "b" * 64)
        assert (found["git_commit"], found["git_dirty"]) == ("c" * 40, "true")
        assert checkout[0] != "c" * 40
        monkeypatch.delenv("RINGEXP_GIT_COMMIT")
        git_state.cache_clear()
        assert git_state() == ("unknown", False)
    finally:
        git_state.cache_clear()


def test_digest_ignores_the_order_of_keys_and_nothing_else() -> None:
    assert digest({"a": 1, "b": [1, 2]}) == digest({"b": [1, 2], "a": 1})
    assert len({digest(x) for x in ({"a": 1}, {"a": 2}, {"b": 1}, {"a": [1]}, {"a": "1"})}) == 5


def test_overrides_are_the_runs_own_without_place_and_secrets(composed: Composed) -> None:
    assert overrides() == ""
    given = ("seed=1", "algorithm=grpo", "data.max_prompt_tokens=90", "paths.store=/x", "progress=false")
    HydraConfig.instance().set_config(composed(*given, return_hydra_config=True))
    try:
        assert overrides() == "seed=1 algorithm=grpo data.max_prompt_tokens=90"
    finally:
        HydraConfig.instance().cfg = None
