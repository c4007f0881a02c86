"""Optuna sweeps: the Hydra sweeper, the trial as a job sees it, schedules as a search space."""
