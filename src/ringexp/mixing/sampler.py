"""Which prompts a step gets: a counter-based mixture sampler, exact to resume because it holds no state.

The domains of a step are a pure function of (seed, place, step), by systematic sampling: a step of n prompts holds
n·w of a domain of weight w, rounded up or down at random so that the mean is exact. Within a domain the prompts come
in seeded permutations, each prompt once per epoch.
"""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import accumulate

from torch.utils.data import Dataset

from ringexp import seeds
from ringexp.config.recipe import AlgorithmConfig
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
        self._draws = self._plan()

    def _plan(self) -> list[tuple[str, int]]:
        """The domain of every draw, and how many draws of that domain came before it."""
        before = dict.fromkeys(self.weights, 0)
        draws = []
        for step in range(self._steps):
            for domain in self._domains(step):
                draws.append((domain, before[domain]))
                before[domain] += 1
        return draws

    def _domains(self, step: int) -> list[str]:
        """The domains of a step's prompts in order: n evenly spaced points with one random start, then shuffled."""
        domains = list(self.weights)
        if len(domains) == 1:
            return domains * self._per_step
        random = seeds.generator(self._seed, "mixture", self._place, step)
        edges = list(accumulate(self.weights.values()))[:-1]
        start = random.random()
        chosen = [domains[bisect_right(edges, (start + i) / self._per_step)] for i in range(self._per_step)]
        random.shuffle(chosen)
        return chosen

    def __len__(self) -> int:
        return self._steps

    def __getitem__(self, step: int) -> tuple[Prompt, ...]:
        if not 0 <= step < self._steps:
            raise IndexError(step)
        return tuple(self._prompt(*draw) for draw in self._draws[step * self._per_step : (step + 1) * self._per_step])

    def _prompt(self, domain: str, rank: int) -> Prompt:
        pool = self._pools[domain]
        return pool[_permutation(len(pool), self._seed, self._place, domain, rank // len(pool))[rank % len(pool)]]


class PromptRounds(Dataset[tuple[tuple[Prompt, ...], ...]]):
    """Item `step` holds the rounds of prompts that an RL step may draw, each of `prompts_per_step` and so mixed.

    Every step has its `rounds` whether it draws them or not, so what a step gets does not depend on the ones before.
    """

    def __init__(
        self, pools: Mapping[str, Sequence[Prompt]], weights: Mapping[str, float], config: AlgorithmConfig, steps: int,
        seed: int, place: str,
    ) -> None:
        self._rounds, self._steps = config.rounds, steps
        self._prompts = MixtureSampler(pools, weights, config.prompts_per_step, steps * config.rounds, seed, place)

    def __len__(self) -> int:
        return self._steps

    def __getitem__(self, step: int) -> tuple[tuple[Prompt, ...], ...]:
        if not 0 <= step < self._steps:
            raise IndexError(step)
        return tuple(self._prompts[step * self._rounds + number] for number in range(self._rounds))


@lru_cache(maxsize=64)
def _permutation(size: int, seed: int, place: str, domain: str, epoch: int) -> list[int]:
    order = list(range(size))
    seeds.generator(seed, "epoch", place, domain, epoch).shuffle(order)
    return order
