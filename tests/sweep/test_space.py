"""Baselines as points of a searched schedule, held against the schedules written by hand; constraints by hand."""

from collections.abc import Callable, Mapping

import pytest
from omegaconf import DictConfig, OmegaConf

from ringexp.config.validate import typed, validate
from ringexp.errors import ConfigError
from ringexp.mixing.schedule import Stage, resolve_stages
from ringexp.mixing.simplex import coordinates_from_weights
from ringexp.sweep.space import BASELINES, availability, baseline

Composed = Callable[..., DictConfig]
TWO, THREE, TILT = "schedule=searched_two_stage", "schedule=searched_three_stage", "schedule=searched_tilt"
NATURAL = {"math": 2800 / 6400, "code": 1200 / 6400, "science": 2400 / 6400}
Row = tuple[Mapping[str, float], int, int]
"""Weights that are not 0, steps, length limit."""


def rows(cfg: DictConfig) -> list[Row]:
    config = typed(cfg)
    validate(config)
    return [({domain: weight for domain, weight in stage.weights.items() if weight > 0}, stage.steps,
             stage.max_response_tokens)
            for stage in resolve_stages(config.schedule, config.trainer.max_steps)]  # fmt: skip


def at(composed: Composed, name: str, *overrides: str) -> list[Row]:
    """The stages of the command line that the baseline's values make."""
    values = baseline(composed(*overrides), name)
    return rows(composed(*overrides, *(f"{key}={value!r}" for key, value in values.items())))


def near(found: Mapping[str, float], expected: Mapping[str, float]) -> bool:
    return found == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("searched", [TWO, THREE])
@pytest.mark.parametrize("name", ["math_only", "two_stage", "joint", "reverse"])
@pytest.mark.parametrize("steps", [4, 48, 49])
def test_a_baseline_is_the_schedule_of_its_name(composed: Composed, name: str, searched: str, steps: int) -> None:
    """Each written stage, its weights and its length limit; a stage too many takes one step from it."""
    written = rows(composed(f"schedule={name}", f"trainer.max_steps={steps}"))
    found = at(composed, name, searched, f"trainer.max_steps={steps}")
    short = [row for row in found if row[1] == 1]
    if name == "joint":
        found, least = found[-1:], len(found) - 1
    else:
        found, least = found[: len(written)], len(found) - len(written)
    assert len(short) >= least
    for own, expected in zip(found, written, strict=True):
        assert near(own[0], expected[0])
        assert own[2] == expected[2]
    assert sum(steps for _, steps, _ in found) == steps - least
    if least == 0:
        assert [row[1] for row in found] == [row[1] for row in written]


def test_the_paper_is_met_exactly(composed: Composed) -> None:
    """Without a search, and as a baseline."""
    for found, written in ((rows(composed(TWO)), "two_stage"), (at(composed, "two_stage", TWO), "two_stage"),
                           (rows(composed(THREE)), "three_stage")):  # fmt: skip
        for own, expected in zip(found, rows(composed(f"schedule={written}")), strict=True):
            assert near(own[0], expected[0])
            assert own[1:] == expected[1:]


@pytest.mark.parametrize(("searched", "steps"), [(TWO, [24, 24]), (THREE, [24, 8, 16]), (TILT, [24, 24])])
@pytest.mark.parametrize(("name", "weights"), [("natural", NATURAL), ("uniform", dict.fromkeys(NATURAL, 1 / 3))])
def test_even_and_natural_mixtures(
    composed: Composed, name: str, weights: dict[str, float], searched: str, steps: list[int]
) -> None:
    found = at(composed, name, searched)
    assert [row[1] for row in found] == steps
    assert all(near(row[0], weights) for row in found)


def test_values_are_numbers_of_keys_that_the_schedule_has(composed: Composed) -> None:
    for searched in (TWO, THREE):
        cfg = composed(searched)
        keys = {f"schedule.{key}" for key in ("boundary", "later_boundary") if key in cfg.schedule}
        keys |= {f"schedule.search.{key}" for key in cfg.schedule.search if key != "floor"}
        for name in BASELINES:
            values = baseline(cfg, name)
            assert set(values) == keys
            assert all(0 <= value <= 1 for value in values.values())
        assert cfg == composed(searched)


def test_a_floor_moves_the_coordinates_and_not_the_weights(composed: Composed) -> None:
    assert at(composed, "natural", TWO, "schedule.search.floor=0.1")[0][0] == pytest.approx(NATURAL, abs=1e-12)
    values = baseline(composed(TWO, "schedule.search.floor=0.1"), "natural")
    above = [(weight - 0.1) / 0.7 for weight in NATURAL.values()]
    assert [values[f"schedule.search.first_{i}"] for i in (1, 2)] == pytest.approx(coordinates_from_weights(above))


def test_a_tilted_schedule_takes_what_has_every_domain(composed: Composed) -> None:
    assert baseline(composed(TILT, "schedule.search.tilt_code=3"), "joint") == pytest.approx({
        "schedule.boundary": 0, "schedule.search.temperature": 1, "schedule.search.tilt_code": 0,
        "schedule.search.tilt_science": 0,
    })  # fmt: skip


@pytest.mark.parametrize(("overrides", "name", "says"), [
    ([TWO], "best", "there are uniform, natural, math_only"),
    ([TWO, "schedule.search.floor=0.1"], "two_stage", "a weight of 0 lies below the floor of 0.1"),
    ([TILT], "reverse", "a weight of 0 stays 0"),
    ([TWO, "schedule.search.floor=0.5"], "uniform", r"schedule.stages\[first\].floor=0.5: must lie"),
    (["schedule=joint"], "two_stage", "needs two stages"),
    (["schedule=joint"], "uniform", "come is 0.15 away"),
    (["schedule=code_only"], "math_only", "mixes no math"),
    ([TWO, "~data.sizes.code", "schedule.search.second_2=0.5"], "natural", "no size for domain 'code'"),
    ([TWO, "schedule.stages.1.coordinates=[0,0]"], "two_stage", "come is 1 away"),
    ([TWO, "schedule.stages.1.share=3"], "two_stage", "cannot be the baseline two_stage"),
    ([TWO, "schedule.stages.1.domains=[math,code]", "schedule.stages.1.coordinates=[${schedule.search.second_1}]"],
     "two_stage", "come is 0.67 away"),
])  # fmt: skip
def test_what_a_schedule_cannot_be_is_refused(
    composed: Composed, overrides: list[str], name: str, says: str
) -> None:
    with pytest.raises(ConfigError, match=says):
        baseline(composed(*overrides), name)


def test_a_schedule_of_ones_own_is_searched_the_same_way(composed: Composed) -> None:
    """Keys and order of domains of its own; one number for both stages."""
    cfg = composed(TWO)
    OmegaConf.set_struct(cfg, False)
    cfg.schedule.search = {"a": 0.1, "b": 0.2}
    for stage in cfg.schedule.stages:
        stage.update(domains=["science", "math", "code"], floor=0,
                     coordinates=["${schedule.search.a}", "${schedule.search.b}"])  # fmt: skip
    values = baseline(cfg, "uniform")
    assert values == pytest.approx({"schedule.boundary": 0.5, "schedule.search.a": 4 / 9, "schedule.search.b": 0.5})
    with pytest.raises(ConfigError, match="come is 1 away"):
        baseline(cfg, "two_stage")


def test_availability_by_hand() -> None:
    stages = [Stage("a", {"math": 0.75, "code": 0.25}, 10, 0, 8), Stage("b", {"math": 0.0, "code": 1.0}, 5, 10, 8)]
    assert availability(stages, 4, 1, {"math": 30, "code": 60, "science": 9}, 0.5) == {"math": 0.5, "code": 0.0}
    assert availability(stages, 4, 3, {"math": 30, "code": 60}, 2) == {"math": 1.0, "code": -0.5}
    assert availability(stages[1:], 4, 1, {"code": 20}, 1) == {"code": 0.0}


def test_a_domain_without_prompts_is_refused() -> None:
    with pytest.raises(ValueError, match="'code'"):
        availability([Stage("a", {"math": 0.5, "code": 0.5}, 1, 0, 8)], 1, 1, {"math": 3, "code": 0}, 1)
