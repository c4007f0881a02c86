"""What is drawn already, on disk, until the dataset is whole: one file for each chunk of prompts, written at once.

    <output>.work/settings.json       what decides every chunk; work that something else decided is never gone on with
    <output>.work/chunk-000003.jsonl  a line for each prompt of the chunk, in order
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ringexp.curation.work import SETTINGS, require_same, write_text
from ringexp.errors import StorageError


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
            require_same(str(folder), json.loads((folder / SETTINGS).read_text("utf-8")), settings)
        folder.mkdir(parents=True, exist_ok=True)
        write_text(folder / SETTINGS, json.dumps(settings, indent=1, sort_keys=True))

    def chunk(self, number: int) -> list[Answered] | None:
        """A chunk that was stored, None where it was not. Raises StorageError where it is damaged."""
        path = self._path(number)
        if not path.is_file():
            return None
        try:
            rows = [json.loads(line) for line in path.read_text("utf-8").split("\n") if line]
            return [Answered(row["id"], tuple(row["fates"]), row["correct"], tuple(row["traces"]), tuple(row["tokens"]))
                    for row in rows]  # fmt: skip
        except (ValueError, KeyError, TypeError) as error:
            raise StorageError(f"{path}: cannot be read ({error}): delete the file, it is drawn again") from error

    def store(self, number: int, answers: Sequence[Answered]) -> None:
        """Store a chunk, whole or not at all."""
        write_text(self._path(number), "\n".join(json.dumps(asdict(answer)) for answer in answers))

    def _path(self, number: int) -> Path:
        return self.folder / f"chunk-{number:06d}.jsonl"
