"""Points of the weight simplex from raw coordinates and back: what an optimizer searches, what a schedule mixes.

Stick-breaking: of K weights, stick i takes a share of what the sticks before it left. The remainder after stick i
(counted from 1) is u_i^(1/(K−i)) of it, so that independent uniform coordinates give a flat Dirichlet, and the closed
interval reaches every vertex: the paper's own first stage (math alone) is one. This parametrisation is ours; the
paper states its weights.
"""

from collections.abc import Sequence


def weights_from_coordinates(coordinates: Sequence[float]) -> list[float]:
    """K−1 coordinates in [0, 1] → K non-negative weights that sum to 1 (to rounding).

    u_1 = 0 gives the first vertex, (1, …, 1) the last. Without coordinates, one domain has all the weight.
    Raises ValueError on a coordinate outside [0, 1].
    """
    outside = [u for u in coordinates if not 0 <= u <= 1]
    if outside:
        raise ValueError(f"a mixture coordinate lies in [0, 1], not {outside[0]}")
    weights, left = [], 1.0
    for i, u in enumerate(coordinates, start=1):
        kept = left * u ** (1 / (len(coordinates) + 1 - i))
        weights.append(left - kept)
        left = kept
    return [*weights, left]


def coordinates_from_weights(weights: Sequence[float]) -> list[float]:
    """The inverse: K weights, normalised here, → K−1 coordinates; where nothing is left to divide, 0.

    Raises ValueError for weights that are negative or sum to 0.
    """
    if not weights or min(weights) < 0 or not sum(weights) > 0:
        raise ValueError(f"weights must be non-negative with a positive sum, not {list(weights)}")
    coordinates = []
    for i in range(1, len(weights)):
        left, kept = sum(weights[i - 1 :]), sum(weights[i:])
        coordinates.append((kept / left) ** (len(weights) - i) if left > 0 else 0.0)
    return coordinates
