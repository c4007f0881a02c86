"""Python's collector while a run starts: imports and data are a million objects that stay, and looking through them
again and again would be a quarter of the time until the first step."""

import gc

_USUAL = gc.get_threshold()
_SELDOM = (100_000, 50, 1000)


def seldom() -> None:
    """Collect seldom from now on."""
    gc.set_threshold(*_SELDOM)


def keep() -> None:
    """Never look again at what there is by now."""
    gc.freeze()


def usual() -> None:
    """Collect as Python does, but for what there is by now: training leaves cycles that hold tensors."""
    gc.freeze()
    gc.set_threshold(*_USUAL)
