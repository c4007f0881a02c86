"""OmegaConf resolvers that conf/ may use."""

from omegaconf import OmegaConf


def scaled(value: int, numerator: int, denominator: int) -> int:
    """`${scaled:96,4,3}`: value · numerator / denominator, rounded down. For limits that follow one another.

    A denominator of 0 leaves the value: it is a key of its own, which validation then names.
    """
    return int(value) * int(numerator) // (int(denominator) or int(numerator) or 1)


def total(*values: float) -> float:
    """`${sum:1,2}`. For the share of a stage that follows those of others."""
    return sum(float(value) for value in values)


def register() -> None:
    """Make the resolvers known to OmegaConf; may be called again."""
    OmegaConf.register_new_resolver("sum", total, replace=True)
    OmegaConf.register_new_resolver("scaled", scaled, replace=True)
