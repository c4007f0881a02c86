"""Where Hydra finds our sweeper: it builds plugins of the namespace `hydra_plugins` alone."""

from ringexp.sweep import sweeper


class OptunaSweeper(sweeper.OptunaSweeper):
    """The `_target_` of `hydra/sweeper: ringexp_optuna`."""
