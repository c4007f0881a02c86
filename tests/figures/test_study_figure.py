"""The pictures of a sweep hold what the trials hold."""

from typing import Any

from ringexp.figures.study import StudyTrial, history, importances, parallel_coordinates, study_page, ternary


def trial(number: int, value: float | None, state: str = "complete", **params: Any) -> StudyTrial:
    weights = {"math": number / 4, "code": 1 - number / 4}
    stages = [{"name": "first", "steps": 3, "weights": weights | {"science": 0.0}},
              {"name": "second", "steps": 2, "weights": weights}]  # fmt: skip
    return StudyTrial(number, state, value, params, stages)


TRIALS = [trial(0, 0.1, x=0.5, kind="a"), trial(1, None, "pruned", x=0.2, kind="b"), trial(2, 0.3, x=0.7, kind="b"),
          trial(3, 0.2, x=0.9, kind="a"), trial(4, None, "failed", x=0.1, kind="a")]  # fmt: skip


def test_history_has_the_complete_trials_and_the_best_so_far() -> None:
    values, best = history(TRIALS, maximise=True).data
    assert (list(values.x), list(values.y), list(best.y)) == ([0, 2, 3], [0.1, 0.3, 0.2], [0.1, 0.3, 0.3])
    assert list(history(TRIALS, maximise=False).data[1].y) == [0.1, 0.1, 0.1]


def test_parallel_coordinates_name_choices() -> None:
    x, kind, value = parallel_coordinates(TRIALS).data[0].dimensions
    assert (list(x.values), list(kind.values), list(kind.ticktext)) == ([0.5, 0.7, 0.9], [0, 1, 0], ["a", "b"])
    assert list(value.values) == [0.1, 0.3, 0.2]


def test_a_triangle_for_three_domains_only() -> None:
    figure = ternary(TRIALS, 0)
    assert figure is not None
    assert (list(figure.data[0].a), list(figure.data[0].b)) == ([0.0, 0.5, 0.75], [1.0, 0.5, 0.25])
    assert ternary(TRIALS, 1) is None
    assert ternary(TRIALS, 2) is None


def test_importances_are_ordered() -> None:
    assert list(importances({"a": 0.7, "b": 0.1, "c": 0.2}).data[0].y) == ["b", "c", "a"]


def test_the_page_says_what_there_is() -> None:
    page = study_page("a <study>", TRIALS, {"x": 0.6, "kind": 0.4}, maximise=True)
    assert "a &lt;study&gt;" in page and "3 complete, 1 pruned, 1 failed" in page
    assert [title in page for title in ("History", "Importance", "Parameters", "Mixtures of stage first",
                                        "Mixtures of stage second")] == [True, True, True, True, False]  # fmt: skip
    assert 'src="http' not in page
    assert "0 complete" in study_page("empty", [], {}, maximise=True)
