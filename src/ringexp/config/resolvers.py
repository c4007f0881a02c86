"""OmegaConf resolvers that conf/ may use."""

import json
import math
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from ringexp.errors import DataError


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


def _curated_rows(path: str) -> dict[str, dict[str, int]]:
    """The rows per domain and split that the card of a dataset counts. Raises DataError where there is none."""
    card = Path(path) / "card.json"
    if not card.is_file():
        raise DataError(f"data.path={path}: no dataset there; name a folder that task=curate wrote, with its card.json")
    try:
        rows: dict[str, dict[str, int]] = json.loads(card.read_text("utf-8"))["rows"]
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"{card}: not a card of ringexp ({error}): write the dataset again") from error
    return rows


def curated_pools(path: str) -> dict[str, dict[str, Any]]:
    """`${curated_pools:<folder>}`: a pool for each domain of a versioned dataset, for `data.pools`."""
    return {domain: {"_target_": "ringexp.curation.dataset.load_curated", "path": path, "domain": domain}
            for domain in _curated_rows(path)}  # fmt: skip


def curated_sizes(path: str) -> dict[str, float]:
    """`${curated_sizes:<folder>}`: the training rows of each of its domains, for `data.sizes`.

    A built-in domain that it does not have counts as one row: a schedule that names it is refused for want of prompts.
    """
    own = {domain: float(splits.get("train", 0)) for domain, splits in _curated_rows(path).items()}
    return {"math": 1.0, "code": 1.0, "science": 1.0} | own


def register() -> None:
    """Make the resolvers known to OmegaConf; may be called again."""
    OmegaConf.register_new_resolver("sum", total, replace=True)
    OmegaConf.register_new_resolver("at_least", at_least, replace=True)
    OmegaConf.register_new_resolver("fraction", fraction, replace=True)
    OmegaConf.register_new_resolver("rest", rest, replace=True)
    OmegaConf.register_new_resolver("product", product, replace=True)
    OmegaConf.register_new_resolver("scaled", scaled, replace=True)
    OmegaConf.register_new_resolver("curated_pools", curated_pools, replace=True)
    OmegaConf.register_new_resolver("curated_sizes", curated_sizes, replace=True)
