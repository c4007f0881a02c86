"""Counter-based seeds: every random draw is a pure function of the run's seed and of where it is made.

Nothing here keeps state, so a resumed run needs no generator restored, and a draw does not depend on how many
draws came before it.
"""

import hashlib
from random import Random

Part = int | str


def derive(seed: int, *parts: Part) -> int:
    """A 63-bit seed for the place named by `parts`, e.g. `derive(seed, "rollout", stage, step, prompt, sample)`.

    Different places get independent seeds (BLAKE2b of the joined parts).
    """
    text = "\x1f".join([str(int(seed)), *(f"{type(p).__name__[0]}{p}" for p in parts)])
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big") >> 1


def generator(seed: int, *parts: Part) -> Random:
    """A fresh `random.Random` for the place named by `parts`."""
    return Random(derive(seed, *parts))
