"""Removes from an image's environment what runs do not need: all that only the `dev` extra asks for, and pip.

    python docker/prune.py EXTRA...        # keeps ringexp, these extras of it, and whatever those require
"""

import subprocess
import sys
from collections.abc import Iterable
from importlib.metadata import Distribution, distributions

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

PROJECT = "ringexp"


def needed(installed: dict[str, Distribution], extras: Iterable[str]) -> set[str]:
    """The installed distributions that the project with these extras requires, itself included."""
    waiting = [(PROJECT, frozenset(extras))]
    seen: set[tuple[str, frozenset[str]]] = set()
    while waiting:
        name, wanted = waiting.pop()
        if name not in installed or (name, wanted) in seen:
            continue
        seen.add((name, wanted))
        for line in installed[name].requires or []:
            requirement = Requirement(line)
            marker = requirement.marker
            if marker is None or any(marker.evaluate({"extra": extra}) for extra in ("", *wanted)):
                waiting.append((canonicalize_name(requirement.name), frozenset(requirement.extras)))
    return {name for name, _ in seen}


def main() -> None:
    """Uninstall the rest."""
    installed = {canonicalize_name(found.name): found for found in distributions()}
    rest = sorted(set(installed) - needed(installed, sys.argv[1:]) - {"pip"})
    print(f"prune: {len(installed) - len(rest) - 1} distributions stay, removed: {' '.join(rest)} pip", flush=True)
    pip = [sys.executable, "-m", "pip", "--quiet", "uninstall", "--yes"]
    if rest:
        subprocess.run([*pip, *rest], check=True)
    subprocess.run([*pip, "pip"], check=True)


if __name__ == "__main__":
    main()
