"""Lines of progress on standard error; results go to standard output."""

import sys


def say(text: str) -> None:
    """A line of progress on standard error."""
    print(f"ringexp: {text}", file=sys.stderr, flush=True)


def duration(seconds: float) -> str:
    """`2 h 5 min`, `3 min 20 s`, `12 s`."""
    whole = round(seconds)
    hours, minutes, rest = whole // 3600, whole % 3600 // 60, whole % 60
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s" if minutes else f"{rest} s"
