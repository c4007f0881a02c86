"""Searching mixtures by their coordinates finds better ones than drawing them: benchmarks/mixing_search.py, smaller.

What is held here is what came out for hundreds of instances (docs/experiments.md): a clear lead on random points, none
to speak of on softmax logits.
"""

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from types import ModuleType

import numpy as np
import pytest

from ringexp.mixing.simplex import weights_from_coordinates

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "mixing_search.py"
SEEDS, TRIALS = range(30), 40


@pytest.fixture(scope="module")
def search() -> Iterator[ModuleType]:
    spec = importlib.util.spec_from_file_location(SCRIPT.stem, SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[SCRIPT.stem] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules[SCRIPT.stem]


def test_without_noise_tpe_over_coordinates_beats_random_points(search: ModuleType) -> None:
    found = search.regrets(("tpe", "random", "tpe_logits"), SEEDS, TRIALS, 0.0)
    assert min(map(min, found.values())) > -1e-6
    assert sum(a < b for a, b in zip(found["tpe"], found["random"])) >= 0.8 * len(SEEDS)
    assert median(found["tpe"]) < 0.6 * median(found["random"])
    assert median(found["tpe"]) < 1.1 * median(found["tpe_logits"])
    assert median(found["tpe"]) < 0.3 * median(found["even"])


def test_with_noise_it_still_does(search: ModuleType) -> None:
    found = search.regrets(("tpe", "random"), SEEDS, TRIALS)
    assert median(found["tpe"]) < 0.9 * median(found["random"])


def test_the_objective_searches_the_coordinates_that_schedules_have(search: ModuleType) -> None:
    points = np.random.default_rng(0).random((20, 7)).round(1)
    shares, weights = search.schedules(points)
    for point, share, (first, second) in zip(points, shares, weights, strict=True):
        assert first == pytest.approx(weights_from_coordinates(point[1:4]), abs=1e-12)
        assert second == pytest.approx(weights_from_coordinates(point[4:]), abs=1e-12)
        assert share == pytest.approx([point[0], 1 - point[0]])


def test_order_counts_in_the_objective(search: ModuleType) -> None:
    """The same tokens the other way round are worth something else, unless effects of order are switched off."""
    first, second = [0.7, 0.3, 0.0, 0.0], [0.0, 0.0, 0.3, 0.7]
    apart: dict[float, list[float]] = {1.0: [], 0.0: []}
    for order, differences in apart.items():
        for seed in range(10):
            problem = search.instance(seed, order)
            differences.append(abs(problem.one(0.5, first, second) - problem.one(0.5, second, first)))
    assert median(apart[1.0]) > search.NOISE / 2
    assert max(apart[0.0]) < 1e-12
