"""The prepared page of the MLflow UI and the descriptions: written once, of declared metrics, theirs who edit them."""

import json
import re
from pathlib import Path

import pytest

from ringexp.config.schema import TrackingConfig
from ringexp.tracking import views
from ringexp.tracking.names import describe
from ringexp.tracking.notes import About, StageRow, describe_run
from ringexp.tracking.run import Store

DOMAINS = ["code", "math", "science"]
TAG = views.TAG_PREFIX + views.VIEW


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(TrackingConfig("sqlite", f"sqlite:///{tmp_path}/mlflow.db", f"{tmp_path}/artifacts", "tests", False,
                                f"{tmp_path}/outbox"))


def tags(store: Store) -> dict[str, str]:
    return dict(store.client.get_experiment(store.experiment_id).tags)


def test_the_stored_view_shows_declared_metrics_that_a_pipeline_has(store: Store) -> None:
    views.introduce(store.client, store.experiment_id, DOMAINS)
    state = views.decode(tags(store)[TAG])
    shown = [card["metricKey"] for card in state["compareRunCharts"] if "metricKey" in card]
    assert "final/rl/science/pass_at_1" in shown and "entropy/rollout" in shown
    for metric in shown:
        assert describe(metric).headline or metric.startswith(("final/", "best/")), metric
    for column in state["selectedColumns"]:
        if column.startswith("metrics."):
            describe(column.removeprefix("metrics.").strip("`"))


def test_every_card_has_its_section_and_a_name_of_its_own(store: Store) -> None:
    state = views.view_state(DOMAINS)
    sections = [section["uuid"] for section in state["compareRunSections"]]
    assert {card["metricSectionId"] for card in state["compareRunCharts"]} == set(sections)
    cards = [card["uuid"] for card in state["compareRunCharts"]]
    assert len(cards) == len(set(cards)) and len(sections) == len(set(sections))


def test_the_tag_is_what_the_ui_reads(store: Store) -> None:
    """As MLflow 3.17 saves a view: name, times in milliseconds, the state deflated; within the store's limit."""
    views.introduce(store.client, store.experiment_id, DOMAINS)
    tag = tags(store)[TAG]
    saved = json.loads(tag)
    assert saved["name"] == "Pipelines compared" and saved["state"].startswith("deflate;")
    assert saved["createdAt"] == store.client.get_experiment(store.experiment_id).creation_time
    assert len(tag) < 5000
    assert views.decode(tag) == views.view_state(reversed(DOMAINS))
    with pytest.raises(ValueError, match="deflated"):
        views.decode(json.dumps(saved | {"state": "{}"}))


def test_the_views_filter_finds_pipelines_only(store: Store) -> None:
    pipeline = store.create("p", {"ringexp.kind": "pipeline"})
    store.create("s", {"ringexp.kind": "stage"}, pipeline.run_id)
    found = store.client.search_runs([store.experiment_id], views.view_state(DOMAINS)["searchFilter"])
    assert [run.info.run_id for run in found] == [pipeline.run_id]


def test_what_somebody_changed_stays_and_what_is_gone_comes_again(store: Store) -> None:
    views.introduce(store.client, store.experiment_id, DOMAINS)
    first = tags(store)
    store.client.set_experiment_tag(store.experiment_id, "mlflow.note.content", "ours")
    store.client.delete_experiment_tag(store.experiment_id, TAG)
    views.introduce(store.client, store.experiment_id, DOMAINS)
    assert tags(store) == first | {"mlflow.note.content": "ours"}


def test_links() -> None:
    address = views.link("http://127.0.0.1:5000/", "3")
    assert address.startswith("http://127.0.0.1:5000/#/experiments/3/runs?viewStateShareKey=ringexp-pipelines&")
    assert re.search(r"compareRunsMode=CHART\b", address)


def about(**changes: object) -> About:
    stages = [StageRow("math", 24, {"math": 1.0, "code": 0.0}, 72)]
    known: dict[str, object] = {
        "experiment": "ring_tiny", "seed": 1, "algorithm": "c3po", "selection": "entropy_band", "stages": stages,
        "overrides": "seed=1", "commit": "0123456789abcdef", "dirty": True,
    }  # fmt: skip
    return About(**(known | changes))  # type: ignore[arg-type]


def test_a_description_tells_what_how_and_how_again() -> None:
    text = describe_run(about(), "abc")
    assert "- RL stage math: 24 steps, math 1.000, at most 72 tokens" in text
    assert "`ringexp seed=1`, at commit `0123456789ab` with the change in `git.diff`" in text
    assert "ringexp task=reproduce run_id=abc" in text
    assert "Selected" not in text


def test_results_come_before_the_schedule() -> None:
    summary = {
        "selected": {"step": 700, "of": 900, "reason": "nearest | inside", "fallback": True},
        "evaluations": [{"after": "sft", "pass_at_1": {"math": 0.31949, "mean": 0.3}},
                        {"after": "rl-math", "pass_at_1": {"math": 0.5, "mean": 0.45}}],
    }  # fmt: skip
    text = describe_run(about(reproduces="old", commit="unknown"), "abc", summary)
    assert "SFT step 700 of 900 *(fallback)*: nearest | inside." in text
    assert "| pass@1 after | math | mean |\n| --- | --- | --- |\n| sft | 0.319 | 0.300 |" in text
    assert text.index("| rl-math |") < text.index("RL stage math")
    assert "It repeats run `old`" in text and "commit" not in text
