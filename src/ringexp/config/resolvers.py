"""OmegaConf resolvers that conf/ may use."""

import math

from omegaconf import OmegaConf


def scaled(value: int, numerator: int, denominator: int) -> int:
    """`${scaled:96,4,3}`: value · numerator / denominator, rounded down. For limits that follow one another.

    A denominator of 0 leaves the value: it is a key of its own, which validation then names.
    """
    return int(value) * int(numerator) // (int(denominator) or int(numerator) or 1)


def at_least(least: int, value: int) -> int:
    """`${at_least:1,0}` = 1."""
    return max(int(least), int(value))


def total(*values: float) -> float:
    """`${sum:1,2}`. For the share of a stage that follows those of others."""
    return sum(float(value) for value in values)


def fraction(value: float, *others: float) -> float:
    """`${fraction:1,3}` = 0.25: a value's part of the sum of all."""
    return float(value) / total(value, *others)


def rest(share: float) -> float:
    """`${rest:0.3}` = 0.7. For the share of a stage that has what another left."""
    return 1 - float(share)


def product(*values: float) -> float:
    """`${product:0.5,0.5}`. For a share of a share."""
    return math.prod(float(value) for value in values)


def register() -> None:
    """Make the resolvers known to OmegaConf; may be called again."""
    OmegaConf.register_new_resolver("sum", total, replace=True)
    OmegaConf.register_new_resolver("at_least", at_least, replace=True)
    OmegaConf.register_new_resolver("fraction", fraction, replace=True)
    OmegaConf.register_new_resolver("rest", rest, replace=True)
    OmegaConf.register_new_resolver("product", product, replace=True)
    OmegaConf.register_new_resolver("scaled", scaled, replace=True)
