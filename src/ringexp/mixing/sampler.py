"""Which prompts a step gets: a counter-based mixture sampler, exact to resume because it holds no state.

The domain of every draw is a pure function of (seed, place, position); within a domain the prompts come in seeded
permutations, each prompt once per epoch.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache

from torch.utils.data import Dataset

from ringexp import seeds
from ringexp.mixing.schedule import normalised
from ringexp.records import Prompt


class MixtureSampler(Dataset[tuple[Prompt, ...]]):
    """A sized, map-style dataset of steps: item `step` is that step's `per_step` prompts.

    Raises ValueError where a domain with weight has no prompts.
    """

    def __init__(
        self, pools: Mapping[str, Sequence[Prompt]], weights: Mapping[str, float], per_step: int, steps: int,
        seed: int, place: str,
    ) -> None:
        self.weights = {d: w for d, w in sorted(normalised(weights).items()) if w > 0}
        empty = [domain for domain in self.weights if not pools.get(domain)]
        if empty:
            raise ValueError(f"no prompts for domain {empty[0]!r}")
        self._pools, self._per_step, self._steps = pools, per_step, steps
        self._seed, self._place = seed, place
        self._draws = self._plan(per_step * steps)

    def _plan(self, total: int) -> list[tuple[str, int]]:
        """The domain of every draw, and how many draws of that domain came before it."""
        domains, weights = list(self.weights), list(self.weights.values())
        before = dict.fromkeys(domains, 0)
        draws = []
        for position in range(total):
            random = seeds.generator(self._seed, "mixture", self._place, position)
            domain = random.choices(domains, weights)[0] if len(domains) > 1 else domains[0]
            draws.append((domain, before[domain]))
            before[domain] += 1
        return draws

    def __len__(self) -> int:
        return self._steps

    def __getitem__(self, step: int) -> tuple[Prompt, ...]:
        if not 0 <= step < self._steps:
            raise IndexError(step)
        return tuple(self._prompt(*draw) for draw in self._draws[step * self._per_step : (step + 1) * self._per_step])

    def _prompt(self, domain: str, rank: int) -> Prompt:
        pool = self._pools[domain]
        return pool[_permutation(len(pool), self._seed, self._place, domain, rank // len(pool))[rank % len(pool)]]


@lru_cache(maxsize=64)
def _permutation(size: int, seed: int, place: str, domain: str, epoch: int) -> list[int]:
    order = list(range(size))
    seeds.generator(seed, "epoch", place, domain, epoch).shuffle(order)
    return order
