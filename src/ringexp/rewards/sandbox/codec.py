"""How values cross between the checker and the candidate: plain data as tagged JSON, nothing that runs.

Part of the program inside the sandbox: standard library only. Every candidate waits for its imports, so JSON is taken
from the C module that `json` itself is built on: `json` would load `re` and `enum` as well.
"""

from __future__ import annotations

import posix as os
from _json import encode_basestring_ascii, make_encoder, make_scanner

TYPE_CHECKING = False  # as `typing` has it; importing that takes longer than all the rest
if TYPE_CHECKING:
    from typing import Any

_HEADER = 10  # decimal digits of a frame's length
_JSON_INTEGER = 2**63  # larger ones cross in base 16, which takes linear time


class NotPlain(Exception):
    """The value, or something in it, is no plain data; the message is the name of its type."""


class BadFrame(Exception):
    """What was received is no frame, is too long or is no value."""


class Ended(Exception):
    """The other side has closed its pipe."""


class _Reading:
    """What the scanner asks for: `json.loads` with its defaults."""

    strict = True
    object_hook = object_pairs_hook = None
    parse_float, parse_int = float, int
    parse_constant = {"NaN": float("nan"), "Infinity": float("inf"), "-Infinity": -float("inf")}.__getitem__


_scan = make_scanner(_Reading)  # type: ignore[arg-type]


def dumps(message: Any) -> str:
    """JSON text of plain data, as `json.dumps` writes it.

    Raises:
        TypeError: something else than JSON has.
    """
    chunks = make_encoder({}, _refuse, encode_basestring_ascii, None, ": ", ", ", False, False, True)(message, 0)
    return "".join(chunks)


def _refuse(value: Any) -> Any:
    raise TypeError(f"no JSON for {type(value).__name__}")


def loads(text: bytes) -> Any:
    """The value of a JSON text in UTF-8 that has no space around it.

    Raises:
        ValueError: it is none; RecursionError where it is nested too deeply.
    """
    decoded = text.decode()
    try:
        value, end = _scan(decoded, 0)
    except StopIteration:
        raise ValueError("not JSON") from None
    if end != len(decoded):
        raise ValueError("more than JSON")
    return value


def encode(value: Any) -> Any:
    """The JSON form of plain data; subclasses of its types cross as the type itself (`Counter` as `dict`).

    Raises:
        NotPlain: any other type.
    """
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, int):
        number = int.__index__(value)
        return number if -_JSON_INTEGER < number < _JSON_INTEGER else {"int": hex(number)}
    if isinstance(value, float):
        real = float.__float__(value)
        return real if real - real == 0 else {"float": repr(real)}
    if isinstance(value, list):
        return [encode(v) for v in list.__iter__(value)]
    return _encode_tagged(value)


def _encode_tagged(value: Any) -> Any:
    if isinstance(value, tuple):
        return {"tuple": [encode(v) for v in tuple.__iter__(value)]}
    if isinstance(value, dict):
        return {"dict": [[encode(k), encode(v)] for k, v in dict.items(value)]}
    if isinstance(value, set | frozenset):
        return {"frozenset" if isinstance(value, frozenset) else "set": [encode(v) for v in value]}
    if isinstance(value, bytes):
        return {"bytes": bytes.hex(value)}
    if isinstance(value, complex):
        return {"complex": [encode(value.real), encode(value.imag)]}
    raise NotPlain(type(value).__name__)


def decode(node: Any) -> Any:
    """The value of a JSON form.

    Raises:
        ValueError, TypeError: not something that `encode` gives.
    """
    if isinstance(node, list):
        return [decode(n) for n in node]
    if not isinstance(node, dict):
        return node
    ((tag, content),) = node.items()
    if tag == "int":
        return int(content, 16)
    if tag == "float":
        return float(content)
    if tag == "bytes":
        return bytes.fromhex(content)
    if tag == "complex":
        real, imag = decode(content)
        return complex(real, imag)
    if tag == "dict":
        return {decode(k): decode(v) for k, v in content}
    return {"tuple": tuple, "set": set, "frozenset": frozenset}[tag](decode(n) for n in content)


def frame(message: Any) -> bytes:
    """A message (made of forms that `encode` gave) as it is sent: the length, then its JSON text."""
    body = dumps(message).encode()
    return str(len(body)).rjust(_HEADER).encode() + body


def send(fd: int, framed: bytes) -> None:
    """Write a frame.

    Raises:
        Ended: the reader is gone.
    """
    rest = memoryview(framed)
    try:
        while rest:
            rest = rest[os.write(fd, rest) :]
    except BrokenPipeError as error:
        raise Ended from error


def receive(fd: int, most: int) -> Any:
    """Read a frame of at most `most` bytes and give its message, still encoded.

    Raises:
        BadFrame: no frame, too long, or not JSON.
        Ended: the writer is gone.
    """
    header = read(fd, _HEADER)
    try:
        length = int(header)
    except ValueError as error:
        raise BadFrame("no frame") from error
    if not 0 <= length <= most:
        raise BadFrame("too long")
    try:
        return loads(read(fd, length))
    except (ValueError, RecursionError) as error:
        raise BadFrame("not JSON") from error


def read(fd: int, length: int) -> bytes:
    """Exactly `length` bytes, read as they come.

    Raises:
        Ended: the writer is gone before that.
    """
    parts = []
    while length:
        part = os.read(fd, min(length, 1 << 20))
        if not part:
            raise Ended
        parts.append(part)
        length -= len(part)
    return b"".join(parts)
