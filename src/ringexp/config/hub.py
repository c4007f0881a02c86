"""What can name a dataset of the Hugging Face Hub, told from a local file by its look alone."""

import re
from pathlib import Path

FILE_SUFFIXES = (".jsonl", ".json", ".csv", ".parquet")
"""The files that rows are read from."""


def is_hub_name(name: str) -> bool:
    """Whether `name` can be a dataset of the Hub: `owner/name`, and not how a file ends."""
    return re.fullmatch(r"[\w-][\w.-]*/[\w.-]+", name) is not None and Path(name).suffix not in FILE_SUFFIXES
