"""What RL brought (ours): pass@1 after it, its gain over the SFT checkpoint; as one number, what a search maximises."""

from collections.abc import Mapping

from ringexp.config.recipe import OBJECTIVES


def outcome(before: Mapping[str, float], after: Mapping[str, float], objective: str) -> float:
    """`mean_…` or `worst_…` over domains, of `…_gain` (pass@1 after − before) or `…_final` (after).

    Args: the metrics of two evaluations, of which `eval/<domain>/pass_at_1` count.
    Raises ValueError for another objective, or where the two are not of the same domains.
    """
    domains = _domains(after)
    if objective not in OBJECTIVES or not domains or domains != _domains(before):
        raise ValueError(f"no {objective} from {sorted(before)} to {sorted(after)}")
    gained = objective.endswith("_gain")
    values = [after[key] - (before[key] if gained else 0.0) for key in sorted(domains)]
    return min(values) if objective.startswith("worst") else sum(values) / len(values)


def measured(before: Mapping[str, float], after: Mapping[str, float]) -> dict[str, float]:
    """`gain/…` and `final/…` of every domain, and as `mean` of all; arguments and errors as those of `outcome`."""
    found = {}
    for family in ("gain", "final"):
        for key in sorted(_domains(after)):
            found[f"{family}/{key.split('/')[1]}"] = after[key] - (before[key] if family == "gain" else 0.0)
        found[f"{family}/mean"] = outcome(before, after, f"mean_{family}")
    return found


def _domains(metrics: Mapping[str, float]) -> set[str]:
    return {key for key in metrics
            if key.startswith("eval/") and key.endswith("/pass_at_1") and key != "eval/mean/pass_at_1"}  # fmt: skip
