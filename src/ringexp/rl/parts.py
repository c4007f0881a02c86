"""An algorithm's parts, built from its configuration."""

from dataclasses import dataclass

from hydra.utils import instantiate

from ringexp.config.recipe import AlgorithmConfig
from ringexp.errors import ConfigError
from ringexp.rl.experience import Advantage
from ringexp.rl.objective import PolicyObjective, UpdateSize


@dataclass(frozen=True)
class Parts:
    """The algorithm's interchangeable parts."""

    advantage: Advantage
    objective: PolicyObjective


def build_parts(config: AlgorithmConfig) -> Parts:
    """The parts that `config` chooses. Raises ConfigError where one cannot be built or they do not fit together."""
    try:
        objective = instantiate(config.objective)(
            ratio=instantiate(config.ratio), weights=instantiate(config.normaliser),
            correction=instantiate(config.correction),
        )  # fmt: skip
        objective.weights(UpdateSize((1,), 1, 1, 1, config.token_budget, 1))
    except (ValueError, TypeError) as error:
        raise ConfigError(f"algorithm: {error}") from error
    return Parts(instantiate(config.advantage), objective)
