"""The Hydra sweeper `ringexp_optuna`. Light: Optuna is imported when a sweep begins, not when the command is."""

from collections.abc import Sequence
from typing import Any

from hydra.core.plugins import Plugins
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf

from ringexp.errors import ConfigError
from ringexp.sweep.settings import settings

LAUNCHER = "hydra._internal.core_plugins.basic_launcher.BasicLauncher"


class OptunaSweeper(Sweeper):  # type: ignore[misc]
    """Runs the trials that a study still misses, together with whoever else does."""

    def __init__(self, **given: Any) -> None:
        self._given = given

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Keep what jobs are launched with. Raises ConfigError for a launcher that is not Hydra's own."""
        if config.hydra.launcher.get("_target_") != LAUNCHER:
            raise ConfigError("hydra/launcher: ringexp_optuna runs its jobs in its own processes; leave hydra/launcher "
                              "at basic and give hydra.sweeper.n_jobs, or the same command on more machines")
        self._config, self._loader = config, hydra_context.config_loader
        self._launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config)  # fmt: skip

    def sweep(self, arguments: Sequence[str]) -> None:
        """Sweep over `hydra.sweeper.params` and what the command line adds to them."""
        from ringexp.sweep import command

        plain = {key: OmegaConf.to_container(value, resolve=True) if OmegaConf.is_config(value) else value
                 for key, value in self._given.items()}  # fmt: skip
        command.sweep(settings(plain), arguments, self._launcher, self._loader, self._config)

