"""Points of the weight simplex from raw coordinates and back: what an optimizer searches, what a schedule mixes.

Stick-breaking: of K weights, stick i takes a share of what the sticks before it left. The remainder after stick i
(counted from 1) is u_i^(1/(K−i)) of it, so that independent uniform coordinates give a flat Dirichlet, and the closed
interval reaches every vertex: the paper's own first stage (math alone) is one. A floor shrinks the simplex towards its
centre. This parametrisation is ours, and so are temperature and tilt; the paper states its weights.
"""

import math
from collections.abc import Sequence

ROUNDING = 1e-12
"""How far below the floor a weight may lie and still count as lying on it."""


def weights_from_coordinates(coordinates: Sequence[float], floor: float = 0.0) -> list[float]:
    """K−1 coordinates in [0, 1] → K weights of at least `floor` that sum to 1 (to rounding).

    u_1 = 0 gives the first vertex, (1, …, 1) the last. Without coordinates, one domain has all the weight.
    Raises ValueError on a coordinate outside [0, 1] and on a floor outside [0, 1/K].
    """
    outside = [u for u in coordinates if not 0 <= u <= 1]
    if outside:
        raise ValueError(f"a mixture coordinate lies in [0, 1], not {outside[0]}")
    weights, left = [], 1.0
    for i, u in enumerate(coordinates, start=1):
        kept = left * u ** (1 / (len(coordinates) + 1 - i))
        weights.append(left - kept)
        left = kept
    return floored([*weights, left], floor)


def coordinates_from_weights(weights: Sequence[float], floor: float = 0.0) -> list[float]:
    """The inverse: K weights, normalised here, → K−1 coordinates; where nothing is left to divide, 0.

    Raises ValueError for weights that are negative, not finite or sum to 0, for one below the floor, and for a floor
    outside [0, 1/K].
    """
    if not weights or min(weights) < 0 or not 0 < sum(weights) < math.inf:
        raise ValueError(f"weights must be non-negative with a positive sum, not {list(weights)}")
    above = unfloored([weight / sum(weights) for weight in weights], floor)
    coordinates = []
    for i in range(1, len(above)):
        left, kept = sum(above[i - 1 :]), sum(above[i:])
        coordinates.append((kept / left) ** (len(above) - i) if left > 0 else 0.0)
    return coordinates


def floored(weights: Sequence[float], floor: float) -> list[float]:
    """K weights that sum to 1 → floor + (1 − K·floor)·w. Raises ValueError for a floor outside [0, 1/K]."""
    _check(floor, len(weights))
    return [floor + (1 - len(weights) * floor) * weight for weight in weights] if floor else list(weights)


def unfloored(weights: Sequence[float], floor: float) -> list[float]:
    """What each of K weights has above the floor, not normalised: of all at the floor, zeros.

    Raises ValueError for a weight below the floor and for a floor outside [0, 1/K].
    """
    _check(floor, len(weights))
    below = [weight for weight in weights if weight < floor - ROUNDING]
    if below:
        raise ValueError(f"a weight of {below[0]:g} lies below the floor of {floor:g}")
    return [max(0.0, weight - floor) for weight in weights]


def _check(floor: float, domains: int) -> None:
    if not 0 <= floor <= 1 / domains:
        raise ValueError(f"the floor of {domains} domains lies in [0, 1/{domains}], not {floor}")


def tempered(prior: Sequence[float], temperature: float) -> list[float]:
    """Weights ∝ prior^(1/temperature), which sum to 1: natural at 1, even at infinity, the largest alone near 0.

    What has no prior has no weight at any temperature. Raises ValueError for a prior that is negative, not finite or
    sums to 0, and for a temperature that is not positive.
    """
    if not prior or min(prior) < 0 or not 0 < sum(prior) < math.inf:
        raise ValueError(f"a prior must be non-negative with a positive sum, not {list(prior)}")
    if not temperature > 0:
        raise ValueError(f"a temperature is greater than 0, not {temperature}")
    largest = max(prior)
    return _shares([(share / largest) ** (1 / temperature) if share > 0 else 0.0 for share in prior])


def temperature_between(prior: Sequence[float], weights: Sequence[float]) -> float:
    """The inverse of `tempered`: least squares on logarithms; 1 where every temperature gives the same.

    It does not ask whether the weights are a tempered prior. Raises ValueError where a weight is 0 and the prior is
    not or the other way round, and where the weights rank against the prior.
    """
    pairs = _logarithms(prior, weights)
    centre = [sum(values) / len(pairs) for values in zip(*pairs)]
    spread = sum((p - centre[0]) ** 2 for p, _ in pairs)
    slope = sum((p - centre[0]) * (w - centre[1]) for p, w in pairs) / spread if spread > ROUNDING else 1.0
    if slope < -ROUNDING:
        raise ValueError(f"no temperature leads from {list(prior)} to {list(weights)}, which rank the other way round")
    return 1 / slope if slope > ROUNDING else math.inf


def _logarithms(before: Sequence[float], after: Sequence[float]) -> list[tuple[float, float]]:
    """Of the pairs that are not both 0."""
    pairs = list(zip(before, after, strict=True))
    if any((b > 0) != (a > 0) for b, a in pairs) or max(before, default=0.0) <= 0:
        raise ValueError(f"nothing leads from {list(before)} to {list(after)}: a weight of 0 stays 0")
    return [(math.log(b), math.log(a)) for b, a in pairs if b > 0]


def tilted(weights: Sequence[float], tilt: Sequence[float]) -> list[float]:
    """Weights ∝ w·exp(tilt), which sum to 1. Equal tilts change nothing; a weight of 0 stays 0.

    Raises ValueError for a tilt that is not finite and for weights without a positive one.
    """
    if not all(map(math.isfinite, tilt)):
        raise ValueError(f"a tilt is finite, not {list(tilt)}")
    if not any(weight > 0 for weight in weights):
        raise ValueError(f"weights must have a positive sum, not {list(weights)}")
    highest = max(t for weight, t in zip(weights, tilt, strict=True) if weight > 0)
    return _shares([w * math.exp(t - highest) if w > 0 else 0.0 for w, t in zip(weights, tilt, strict=True)])


def _shares(weights: Sequence[float]) -> list[float]:
    total = sum(weights)
    return [weight / total for weight in weights]


def tilt_between(before: Sequence[float], after: Sequence[float]) -> list[float]:
    """The inverse of `tilted`: the tilt, 0 on average, that leads from weights to weights; 0 where both are 0.

    Raises ValueError where one of a pair is 0 and the other is not: no finite tilt leads there.
    """
    logs = [after - before for before, after in _logarithms(before, after)]
    return [math.log(a / b) - sum(logs) / len(logs) if b > 0 else 0.0 for b, a in zip(before, after, strict=True)]
