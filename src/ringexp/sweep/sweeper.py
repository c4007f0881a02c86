"""The Hydra sweeper `ringexp_optuna`. Light: Optuna is imported when a sweep begins, not when the command is."""

from collections.abc import Sequence
from typing import Any

from hydra._internal.core_plugins.basic_launcher import BasicLauncher
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf

from ringexp.errors import ConfigError
from ringexp.sweep.settings import settings

BASIC = "hydra._internal.core_plugins.basic_launcher.BasicLauncher"
JOBLIB = "hydra_plugins.hydra_joblib_launcher.joblib_launcher.JoblibLauncher"


class OptunaSweeper(Sweeper):  # type: ignore[misc]
    """Runs the trials that a study still misses, together with whoever else does."""

    def __init__(self, **given: Any) -> None:
        self._given = given

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Keep what jobs are launched with. Raises ConfigError for a launcher that is neither basic nor joblib."""
        self._target = config.hydra.launcher.get("_target_")
        if self._target not in (BASIC, JOBLIB):
            raise ConfigError("hydra/launcher: ringexp_optuna knows basic and joblib; on more machines give the same "
                              "command there: each joins the study")  # fmt: skip
        self._config, self._context, self._task = config, hydra_context, task_function

    def sweep(self, arguments: Sequence[str]) -> None:
        """Sweep over `hydra.sweeper.params` and what the command line adds to them."""
        from ringexp.sweep import command, launching

        plain = {key: OmegaConf.to_container(value, resolve=True) if OmegaConf.is_config(value) else value
                 for key, value in self._given.items()}  # fmt: skip
        given, crew = settings(plain), None
        if self._target == JOBLIB:
            given, crew = launching.crew(given, arguments, self._context, self._task, self._config)
        launcher = BasicLauncher()
        launcher.setup(hydra_context=self._context, task_function=self._task, config=self._config)
        command.sweep(given, arguments, launcher, self._context.config_loader, self._config, crew)
