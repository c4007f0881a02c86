"""What is drawn already, on disk, until the dataset is whole: one file for each chunk of prompts, written at once.

    <output>.work/settings.json       what decides every chunk; work that something else decided is never gone on with
    <output>.work/chunk-000003.jsonl  a line for each prompt of the chunk, in order
"""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ringexp.errors import ConfigError, StorageError

SETTINGS = "settings.json"


@dataclass(frozen=True, slots=True)
class Answered:
    """What came of one prompt: its id, the fate of every response (rejection.Sifted), how many were correct.

    `traces` are the texts that were kept, `tokens` their lengths; without fates the prompt was too long to be asked.
    """

    id: str
    fates: tuple[str, ...] = ()
    correct: int = 0
    traces: tuple[str, ...] = ()
    tokens: tuple[int, ...] = ()


class Work:
    """The folder of a dataset in the making. Opening it makes it, or goes on with what is there.

    Raises ConfigError where other settings made what is there; the message names what differs.
    """

    def __init__(self, folder: Path, settings: Mapping[str, Any]) -> None:
        self.folder = folder
        if (folder / SETTINGS).is_file():
            found = json.loads((folder / SETTINGS).read_text("utf-8"))
            if changed := differing(settings, found):
                raise ConfigError(f"{folder}: was begun with others ({changed}): give those again, name another "
                                  "output, or begin anew with fresh=true")  # fmt: skip
        folder.mkdir(parents=True, exist_ok=True)
        _write(folder / SETTINGS, json.dumps(settings, indent=1, sort_keys=True) + "\n")

    def chunk(self, number: int) -> list[Answered] | None:
        """A chunk that was stored, None where it was not. Raises StorageError where it is damaged."""
        path = self._path(number)
        if not path.is_file():
            return None
        try:
            rows = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
            return [Answered(row["id"], tuple(row["fates"]), row["correct"], tuple(row["traces"]), tuple(row["tokens"]))
                    for row in rows]  # fmt: skip
        except (ValueError, KeyError, TypeError) as error:
            raise StorageError(f"{path}: cannot be read ({error}): delete the file, it is drawn again") from error

    def store(self, number: int, answers: Sequence[Answered]) -> None:
        """Store a chunk, whole or not at all."""
        _write(self._path(number), "".join(json.dumps(asdict(answer)) + "\n" for answer in answers))

    def _path(self, number: int) -> Path:
        return self.folder / f"chunk-{number:06d}.jsonl"


def differing(settings: Mapping[str, Any], found: Mapping[str, Any]) -> str:
    """The keys whose values differ between two JSON-like trees, three of them at most; empty where none does."""
    ours, theirs = flat(json.loads(json.dumps(settings))), flat(found)
    changed = sorted(key for key in {*ours, *theirs} if ours.get(key) != theirs.get(key))
    return ", ".join(changed[:3]) + (", …" if len(changed) > 3 else "")


def flat(tree: Any, key: str = "") -> dict[str, Any]:
    """A JSON-like tree's leaves by their dotted keys; an empty list or mapping is a leaf."""
    children = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    found = {k: v for name, child in children for k, v in flat(child, f"{key}.{name}".removeprefix(".")).items()}
    return found or {key: tree}


def _write(path: Path, text: str) -> None:
    """A file that is whole or not there, also after the power went."""
    temporary = path.with_name(f".{path.name}")
    with temporary.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    temporary.rename(path)
