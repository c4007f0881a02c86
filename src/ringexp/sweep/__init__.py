"""Optuna sweeps: the Hydra sweeper `ringexp_optuna`, and the trial as a job sees it."""
