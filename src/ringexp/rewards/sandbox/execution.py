"""Executing a source that compiles with nothing inherited. Part of the program inside the sandbox.

No `from __future__` import may stand here: `exec` would pass it on to the source. And `compile` is not called: its
first call in a process makes the types of syntax trees, which takes a millisecond.
"""

NOT_PYTHON = (SyntaxError, ValueError, OverflowError, RecursionError, MemoryError)
"""What compiling raises for a source that is none."""


class NotPython(Exception):
    """The source cannot be compiled; the message is the name of what compiling raised."""


def execute(source: str, space: dict[str, object]) -> None:
    """Compile the source and execute it in the name space; whatever it raises passes through.

    Raises:
        NotPython: it cannot be compiled; nothing of it has run.
    """
    try:
        exec(source, space)
    except NOT_PYTHON as error:
        if error.__traceback__ is not None and error.__traceback__.tb_next is None:  # no frame of the source is in it
            raise NotPython(type(error).__name__) from None
        raise
