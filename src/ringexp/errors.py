"""The errors a user can mend. The command line prints each as one line and exits with status 2."""


class RingexpError(Exception):
    """Base of the errors whose message says what is wrong and how to mend it."""


class RingexpWarning(UserWarning):
    """What a run goes on in spite of; the command line prints each as one line."""


class ConfigError(RingexpError):
    """An impossible or unknown configuration value; the message names the key."""


class DataError(RingexpError):
    """A data file or row that cannot be read; the message names file, line and field."""


class EngineMismatchError(RingexpError):
    """The rollout engine and the trainer disagree on log-probabilities: the weights they hold differ."""


class StorageError(RingexpError):
    """The disk is full, or what is on it is damaged; the message says what is still intact."""


class RecordError(RingexpError):
    """MLflow does not hold what a task asks of it (a run, a checkpoint, a finished stage)."""


class SweepError(RingexpError):
    """A sweep that cannot go on; the message says what its trials failed of."""
