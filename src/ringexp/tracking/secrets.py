"""Keeps secrets out of what is recorded: configuration, commands, differences, messages.

A secret is the password of a URI, the value of a configuration key or environment variable whose name says so
(`SECRET_NAME`), wherever it stands. Names stay, values become `***`.
"""

import os
import re
from collections.abc import Mapping
from typing import Any

HIDDEN = "***"

SECRET_NAME = re.compile(
    r"(^|[_.-])(token|password|passwd|passphrase|secret|credentials?|api[_-]?key|access[_-]?key|private[_-]?key|auth)s?([_.-]|$)",
    re.IGNORECASE,
)
_PUBLIC_NAME = re.compile(r"^(eos|bos|pad|unk|sep|mask|cls)_token(_id)?s?$|^token_(budget|ids?)$|tokens_per_")
_COUNT = re.compile(r"tokens$", re.IGNORECASE)
_SHORTEST = 6
"""Characters a value from the environment must have to be looked for in texts: shorter ones stand everywhere."""

_IN_URI = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*://)(?P<user>[^\s/@:'\"]*):(?P<password>[^\s/'\"]*)@")
_IN_QUERY = re.compile(
    r"(?P<name>[?&;][\w.-]*(?:token|password|secret|key|signature|sig)[\w.-]*=)[^&\s'\"]+", re.IGNORECASE)
_ASSIGNED = re.compile(r"(?P<name>[\w.-]+)(?P<sep>\s*[=:]\s*)(?P<quote>['\"]?)(?P<value>[^\s'\",}]+)(?P=quote)")


def is_secret(name: str) -> bool:
    """Whether a key or variable of this name holds a secret. A number of `…tokens` is a count: see `_is_count`."""
    last = name.rsplit(".", 1)[-1]
    return bool(SECRET_NAME.search(last)) and not _PUBLIC_NAME.search(last)


def without_credentials(uri: str) -> str:
    """A URI without user and password."""
    return _IN_URI.sub(lambda m: m["scheme"], uri)


def scrub(text: str) -> str:
    """The text without passwords in URIs, values assigned to secret names, and the values of secret variables."""
    for value in _values_of_the_environment():
        text = text.replace(value, HIDDEN)
    text = _IN_URI.sub(lambda m: f"{m['scheme']}{m['user']}:{HIDDEN}@", text)
    text = _IN_QUERY.sub(lambda m: m["name"] + HIDDEN, text)
    return _ASSIGNED.sub(_hide_assigned, text)


def scrub_tree(tree: Any, name: str = "") -> Any:
    """A configuration as plain data, scrubbed: keys of secret names hidden whole, every text scrubbed."""
    if isinstance(tree, Mapping):
        return {key: scrub_tree(value, str(key)) for key, value in tree.items()}
    if isinstance(tree, list | tuple):
        return [scrub_tree(value, name) for value in tree]
    if isinstance(tree, str):
        return HIDDEN if is_secret(name) and tree else scrub(tree)
    return tree


def _is_count(name: str, value: str) -> bool:
    return bool(_COUNT.search(name)) and re.fullmatch(r"[\d._e+-]+[:;.)\]]*", value) is not None


def _hide_assigned(match: re.Match[str]) -> str:
    name, value = match["name"], match["value"]
    if not is_secret(name) or value in (HIDDEN, "null", "None") or _is_count(name, value):
        return match[0]
    return f"{match['name']}{match['sep']}{match['quote']}{HIDDEN}{match['quote']}"


def _values_of_the_environment() -> list[str]:
    """Longest first, so that one which holds another is replaced whole.

    A variable may go while they are listed: a thread of MLflow's telemetry unsets one.
    """
    named = (os.environ.get(name, "") for name in list(os.environ) if is_secret(name))
    found = {value for value in named if len(value) >= _SHORTEST}
    return sorted(found, key=len, reverse=True)
