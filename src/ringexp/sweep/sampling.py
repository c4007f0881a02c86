"""Draw a trial's point: none that a finished or running trial has, the same whatever was killed in between."""

import random
from collections.abc import Callable, Sequence
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.samplers import BaseSampler, QMCSampler
from optuna.trial import FrozenTrial

from ringexp.errors import RingexpError
from ringexp.sweep.search import Identity, Point, Search, free_points, identity

ATTEMPTS = 20
"""Draws by the sampler before a point that is still free is taken at random."""

Build = Callable[[int], BaseSampler]


class Chosen(BaseSampler):
    """Gives the point it was made with, so that Optuna writes it down."""

    def __init__(self, point: Point) -> None:
        self._point = point

    def infer_relative_search_space(self, study: optuna.Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """Nothing is relative."""
        return {}

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Nothing is relative."""
        return {}

    def sample_independent(
        self, study: optuna.Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """The point's value."""
        return self._point[param_name]


def draw(study: optuna.Study, trial: FrozenTrial, search: Search, build: Build, given: Point, taken: set[Identity],
         points: Sequence[Point] | None, seed: int) -> dict[str, Any]:  # fmt: skip
    """A point that agrees with what is given and is not taken.

    `build(attempt)` makes the sampler; `points` are all points of the space, None where they are too many.
    """
    if (whole := completed(search, given)) is not None:
        return whole
    for attempt in range(ATTEMPTS):
        point = _sampled(study, trial, search, build(attempt), given)
        if identity(point) not in taken:
            return point
    if points is None:
        raise RingexpError("the sampler draws points again that were run already; another sampler or seed may not")
    return dict(random.Random(seed).choice(free_points(points, taken, given)))


def completed(search: Search, given: Point) -> dict[str, Any] | None:
    """The given point without what is not in force there; None where it leaves something to draw."""
    point: dict[str, Any] = {}
    for parameter in search.active(point):
        if parameter.key not in given:
            return None
        point[parameter.key] = given[parameter.key]
    return point


def walk(points: Sequence[Point], taken: set[Identity], given: Point, seed: int) -> dict[str, Any]:
    """The grid's next point: in the order that the seed shuffles them to, the first that is free."""
    order = list(points)
    random.Random(seed).shuffle(order)
    return dict(free_points(order, taken, given)[0])


def _sampled(study: optuna.Study, trial: FrozenTrial, search: Search, sampler: BaseSampler, given: Point
             ) -> dict[str, Any]:  # fmt: skip
    """One draw, parameter by parameter: what is given, what the sampler chose together, what it chooses alone."""
    point: dict[str, Any] = {}
    study.sampler = sampler
    sampler.before_trial(study, trial)
    space = sampler.infer_relative_search_space(study, trial)
    if isinstance(sampler, QMCSampler):  # which else takes the space of the study's first trial
        space = {p.key: p.distribution for p in search.parameters if not p.when and not p.distribution.single()}
    together = sampler.sample_relative(study, trial, space)
    for parameter in search.active(point):
        key = parameter.key
        if key in given:
            point[key] = given[key]
        elif parameter.distribution.single():
            point[key] = parameter.first()
        elif key in together:
            point[key] = together[key]
        else:
            point[key] = sampler.sample_independent(study, trial, key, parameter.distribution)
    return point


def write(study: optuna.Study, trial_id: int, search: Search, point: Point) -> optuna.Trial:
    """Write the point down as the trial's parameters."""
    study.sampler = Chosen(point)
    trial = optuna.Trial(study, trial_id)
    for parameter in search.active(point):
        _suggest(trial, parameter.key, parameter.distribution)
    return trial


def _suggest(trial: optuna.Trial, key: str, distribution: BaseDistribution) -> None:
    if isinstance(distribution, CategoricalDistribution):
        trial.suggest_categorical(key, distribution.choices)
    elif isinstance(distribution, IntDistribution):
        trial.suggest_int(key, distribution.low, distribution.high, step=distribution.step, log=distribution.log)
    elif isinstance(distribution, FloatDistribution):
        trial.suggest_float(key, distribution.low, distribution.high, step=distribution.step, log=distribution.log)

