"""The boxed answer of a response. Only what stands in its last complete `\\boxed{...}` is ever judged."""

import re

_TOKEN = re.compile(r"(?P<box>\\boxed\s*\{)|\\.|(?P<open>\{)|(?P<close>\})", re.DOTALL)


def last_boxed(text: str) -> str | None:
    """The content of the last `\\boxed{...}` whose braces balance, or None; of nested boxes the inner one.

    Escaped braces (`\\{`) do not count as braces. One pass, linear in the length of the text.
    """
    found: tuple[int, int] | None = None
    opened: list[int] = []
    for token in _TOKEN.finditer(text):
        if token["box"]:
            opened.append(token.end())
        elif token["open"]:
            opened.append(-1)
        elif token["close"] and opened:
            start = opened.pop()
            if start >= 0 and (found is None or start > found[0]):
                found = (start, token.start())
    return None if found is None else text[slice(*found)]
