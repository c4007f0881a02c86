"""The search expressions of docs/mlflow.md, each put to a real store: they find what they are for, and not the rest."""

import re
from pathlib import Path

import pytest

from ringexp.config.schema import TrackingConfig
from ringexp.tracking.run import Store

DOCUMENT = Path(__file__).parents[2] / "docs" / "mlflow.md"


def expressions(kind: str) -> list[str]:
    """The lines of the document's block that follows the marker of this kind, without their remarks."""
    block = re.search(rf"<!-- {kind} -->\n+```\n(.*?)```", DOCUMENT.read_text(encoding="utf-8"), re.DOTALL)
    assert block is not None, kind
    return [line.split("  #")[0].strip() for line in block[1].splitlines() if line.strip()]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """Two pipelines, the better one with stages and checkpoints; a reproduction that failed."""
    folder = tmp_path_factory.mktemp("store")
    store = Store(TrackingConfig("sqlite", f"sqlite:///{folder}/mlflow.db", f"{folder}/artifacts", "tests", False,
                                 f"{folder}/outbox"))
    for name, score in (("wanted", 0.6), ("other", 0.2)):
        pipeline = store.create(name, {"ringexp.kind": "pipeline"})
        wanted = name == "wanted"
        pipeline.log_parameters({"algorithm": "c3po" if wanted else "grpo", "schedule": "two_stage",
                                 "overrides": "algorithm.token_budget=8000" if wanted else "algorithm=grpo"})
        pipeline.log({"final/rl/mean/pass_at_1": score}, 9)
        stage = store.create(name, {"ringexp.kind": "stage", "ringexp.stage": "select",
                                    "ringexp.fallback": str(wanted).lower()}, pipeline.run_id)
        if wanted:
            stage.log_checkpoint(1, "a", {"entropy/rollout": 0.14})
            stage.log_checkpoint(2, "b", {"entropy/rollout": 0.9})
        stage.finish("FINISHED")
        pipeline.finish("FINISHED")
    store.create("wanted", {"ringexp.kind": "reproduction", "ringexp.verdict": "different"}).finish("FAILED")
    return store


@pytest.mark.parametrize("expression", expressions("runs"))
def test_searches_for_runs(store: Store, expression: str) -> None:
    parents = [run.info.run_id for run in store.find({"ringexp.kind": "pipeline"}) if run.info.run_name == "wanted"]
    found = store.client.search_runs([store.experiment_id], expression.replace("<run id>", parents[0]))
    names = {run.info.run_name for run in found}
    assert names == ({"wanted", "other"} if expression.endswith("= 'pipeline'") else {"wanted"}), expression


def test_the_best_first(store: Store) -> None:
    best_first = ["metrics.`final/rl/mean/pass_at_1` DESC"]
    found = store.client.search_runs([store.experiment_id], expressions("runs")[0], order_by=best_first, max_results=1)
    assert [run.info.run_name for run in found] == ["wanted"]


@pytest.mark.parametrize("expression", expressions("models"))
def test_searches_for_checkpoints(store: Store, expression: str) -> None:
    found = store.client.search_logged_models([store.experiment_id], filter_string=expression)
    assert [model.name for model in found] == ["sft-1"]
