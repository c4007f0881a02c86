"""Metric names: each declared one is found again, others are refused, and the page lists exactly these."""

import re
from pathlib import Path

import pytest

from ringexp.tracking.names import METRICS, Metric, describe, markdown

PAGE = Path(__file__).parents[2] / "docs" / "metrics.md"


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
@pytest.mark.parametrize("filling", ["math", "code_2", "4", "gpqa-diamond", "a.b"])
def test_every_declared_name_is_found(metric: Metric, filling: str) -> None:
    assert describe(re.sub(r"<\w+>", filling, metric.name)) is metric


@pytest.mark.parametrize("name", [
    "", "train", "train/loss/extra", "Train/loss", "xtrain/loss", "loss", "entropy/rollout/", "entropy/rollout/a/b",
    "reward/", "eval/math/pass_at_", "eval/pass_at_1", "final/rl/pass_at_1", "train/grad norm",
])  # fmt: skip
def test_an_undeclared_name_raises(name: str) -> None:
    with pytest.raises(KeyError, match="not declared"):
        describe(name)


def test_the_selected_checkpoints_quantities_keep_their_slashes() -> None:
    assert describe("select/entropy/rollout").name == "select/<quantity>"


def test_names_are_unique_and_explained() -> None:
    assert len({metric.name for metric in METRICS}) == len(METRICS)
    assert all(metric.meaning for metric in METRICS)


def test_headline_metrics_have_fixed_names() -> None:
    assert [m.name for m in METRICS if m.headline and "<" in m.name] == []


def test_the_page_holds_exactly_the_table() -> None:
    heading, table = PAGE.read_text(encoding="utf-8").split("\n\n", 1)
    assert heading == "# Metrics"
    assert table == markdown(), "python -c 'from ringexp.tracking.names import markdown; ...' writes docs/metrics.md"
