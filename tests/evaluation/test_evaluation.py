"""Evaluation: each domain by itself, and the mean over domains, not over responses."""

import pytest

from ringexp.evaluation.run import evaluation_metrics
from ringexp.records import Group, Outcome, Prompt, Request, Rollout, Verdict
from ringexp.tracking.names import describe
from ringexp.tracking.tables import sample_table


def group(name: str, domain: str, rewards: list[int]) -> Group:
    prompt = Prompt(name, domain, "What?", "1")
    rollouts = tuple(Rollout(Request(prompt, i, 0), (7,), (0.0,), (0,), "t", False) for i in range(len(rewards)))
    return Group(prompt, rollouts, tuple(Verdict(Outcome.CORRECT if r else Outcome.TIMEOUT) for r in rewards))


GROUPS = [group("a", "math", [1, 1]), group("b", "math", [1, 0]), group("c", "math", [0, 0]),
          group("d", "code", [0, 1])]  # fmt: skip


def test_the_mean_is_over_domains() -> None:
    found = evaluation_metrics(GROUPS, [1, 2])
    expected = {
        "eval/math/pass_at_1": 0.5, "eval/math/pass_at_2": 2 / 3, "eval/code/pass_at_1": 0.5, "eval/code/pass_at_2": 1,
        "eval/mean/pass_at_1": 0.5, "eval/outcome/correct": 0.5, "eval/outcome/timeout": 0.5,
        "eval/math/outcome/timeout": 0.5, "eval/code/outcome/wrong": 0.0, "eval/code/length": 1.0,
    }  # fmt: skip
    assert {name: found[name] for name in expected} == pytest.approx(expected)
    lopsided = evaluation_metrics([*GROUPS, group("e", "code", [1, 1]), group("f", "code", [1, 1])], [1])
    assert lopsided["eval/mean/pass_at_1"] == pytest.approx((0.5 + 5 / 6) / 2)
    assert all(describe(name) for name in found)


def test_the_table_shows_every_domain() -> None:
    table = sample_table(GROUPS, 2)
    assert list(table)[:2] == ["prompt", "response"]  # what the UI compares unless told otherwise
    assert table["prompt_id"] == ["a", "b", "d"]
    assert table["domain"] == ["math", "math", "code"]
    assert table["outcome"] == ["correct", "correct", "timeout"]
    assert len({len(column) for column in table.values()}) == 1
