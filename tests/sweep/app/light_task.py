"""A task of the real command without training: it reports a value of the configuration and gives another back."""

from ringexp.config.schema import Config
from ringexp.errors import DataError
from ringexp.sweep.trial import handle


def run(config: Config) -> float:
    trial = handle(config.trial)
    trial.report(float(config.seed), 1)
    if config.seed == 3:
        raise DataError("seed=3: told to fail")
    return config.seed / 2
