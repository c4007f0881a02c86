"""Hydra's grammar as a search space, and its points as overrides."""

from typing import Any

import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from ringexp.sweep.grammar import parse
from ringexp.sweep.search import identity


@pytest.mark.parametrize(("text", "distribution"), [
    ("interval(0,1)", FloatDistribution(0, 1)),
    ("tag(log,interval(1e-5,1e-1))", FloatDistribution(1e-5, 1e-1, log=True)),
    ("int(interval(1,8))", IntDistribution(1, 8)),
    ("int(tag(log,interval(1,64)))", IntDistribution(1, 64, log=True)),
    ("range(1,9,2)", IntDistribution(1, 9, step=2)),
    ("range(4)", IntDistribution(0, 4)),
    ("range(0.5,2.0,0.5)", FloatDistribution(0.5, 2.0, step=0.5)),
    ("choice(a,'b c',3,0.5,true,[1,2])", CategoricalDistribution(["a", "b c", 3, 0.5, True, "[1,2]"])),
    ("a,b", CategoricalDistribution(["a", "b"])),
])  # fmt: skip
def test_the_grammar_becomes_distributions(text: str, distribution: object) -> None:
    (parameter,) = parse({"key": text}, []).parameters
    assert parameter.distribution == distribution


def test_the_command_line_replaces_the_files_entries_and_fixed_values_pass() -> None:
    given = ["x=interval(0,5)", "y=2", "~w", "+v=a", "g=[1,2]"]
    search = parse({"x": "interval(0,1)", "y": "choice(1,2)", "z": 3}, given)
    assert [(p.key, p.distribution) for p in search.parameters] == [("x", FloatDistribution(0, 5))]
    assert search.fixed == ("z=3", "y=2", "~w", "+v=a", "g=[1,2]")


@pytest.mark.parametrize(("entry", "value", "override"), [
    ("choice('b c',d)", "b c", "x='b c'"), ("choice([1,2],[3])", "[1,2]", "x=[1,2]"),
    ("choice(true,1)", True, "x=True"),
    ("interval(0,1)", 1e-7, "x=1e-07"), ("int(interval(0,3))", 2, "x=2"), ("choice('1',a)", "1", "x='1'"),
    ("choice(ring_tiny,b)", "ring_tiny", "x=ring_tiny"), ("choice(\"it's\",q)", "it's", r"x='it\'s'"),
])  # fmt: skip
def test_a_value_is_written_so_that_it_reads_the_same(entry: str, value: Any, override: str) -> None:
    search = parse({"x": entry}, [])
    assert search.overrides({"x": value}) == [override]
    (again,) = parse({"a": "choice(1,2)"}, [override]).fixed
    assert again == override


CONDITIONAL = {
    "rate": {"space": "choice(1,2)", "when": {"kind": "a"}}, "kind": "choice(a,b,c)",
    "+depth": {"space": "range(1,3)", "when": {"kind": ["b", "c"]}},
}  # fmt: skip


def test_conditional_parameters() -> None:
    search = parse(CONDITIONAL, [])
    assert [p.key for p in search.parameters] == ["kind", "rate", "depth"]
    assert search.overrides({"kind": "a", "rate": 2}) == ["kind=a", "rate=2"]
    assert search.overrides({"kind": "c", "depth": 3}) == ["kind=c", "+depth=3"]
    points = search.points()
    assert points is not None
    assert len({identity(p) for p in points}) == len(points) == 2 + 3 + 3
    assert {frozenset(p) for p in points} == {frozenset({"kind", "rate"}), frozenset({"kind", "depth"})}


def test_every_point_of_a_stepped_space_is_one_that_optuna_takes() -> None:
    search = parse({"x": "range(0.1,0.3,0.1)", "y": "int(interval(1,3))"}, [])
    points = search.points()
    assert points is not None
    assert [p["x"] for p in points if p["y"] == 1] == pytest.approx([0.1, 0.2, 0.3])
    for point in points:
        for parameter in search.parameters:
            d = parameter.distribution
            assert d._contains(d.to_internal_repr(point[parameter.key]))
    assert parse({"x": "interval(0,1)"}, []).points() is None


def test_points_are_told_apart_by_type_and_to_twelve_digits() -> None:
    assert identity({"x": 0.1 + 0.2}) == identity({"x": 0.3})
    assert len({identity({"x": v}) for v in (1, True, "1", 1.0)}) == 4
    assert identity({"x": 0.3}) != identity({"x": 0.300001})


