"""What a search maximises: how much RL gained over the SFT checkpoint it started from, as one number (ours)."""

from collections.abc import Mapping

from ringexp.config.schema import OBJECTIVES


def gain(before: Mapping[str, float], after: Mapping[str, float], objective: str) -> float:
    """The gain in pass@1 between two evaluations' metrics (`eval/<domain>/pass_at_1`): mean or least over domains.

    Raises ValueError for another objective, or where the two are not of the same domains.
    """
    gains = {key: after[key] - before[key] for key in _of_domains(after) if key in before}
    if objective not in OBJECTIVES or not gains or set(gains) != _of_domains(before) | _of_domains(after):
        raise ValueError(f"no {objective} from {sorted(before)} to {sorted(after)}")
    return min(gains.values()) if objective == "worst_gain" else sum(gains.values()) / len(gains)


def _of_domains(metrics: Mapping[str, float]) -> set[str]:
    return {key for key in metrics
            if key.startswith("eval/") and key.endswith("/pass_at_1") and key != "eval/mean/pass_at_1"}  # fmt: skip
