"""How well samplers search a mixture over time: stick-breaking coordinates against random points and softmax logits.

A synthetic objective stands for the run, so that its optimum is known: four domains, two stages, the boundary and
three stick-breaking coordinates for each stage (7 numbers), pass@1 with observation noise. An instance is drawn by its
seed:

- experience in a domain: what a stage spends on it, and a part (0 to 0.4, half of the pairs none) of what it spends on
  each other domain;
- order, by prerequisites: what a stage gives a domain counts up to 2.5 times when an earlier stage has taught the one
  other domain that it builds on;
- order, by forgetting: a stage keeps exp(−φ · what it spends on others) of the experience before it, φ up to 1.5;
- pass@1 of a domain rises with its experience from its start by an exponential or a logarithmic curve; scales from a
  twentieth of the budget to all of it; the objective is the mean over domains;
- noise: normal, standard deviation 0.01, the standard error of pass@1 over some hundred prompts × 4 samples; equal for
  the n-th trial of every sampler.

Regret: the optimum less the true value of the trial that was *observed* best. The optimum is the best of a noiseless
search: 50,000 random schedules, then 200 generations around the best 50. `even` is the even mixture in both stages:
its regret shows that the optimum lies away from it.

Samplers have Optuna's defaults. `tpe`: its default sampler (multivariate TPE) over the coordinates; `random`: over the
same; `tpe_logits`: TPE over a logit in [−4, 4] for each domain; `tpe_logits_less`: one logit fewer, the last 0; `gp`:
Gaussian process over the coordinates; `cmaes` where that package is installed.

    python benchmarks/mixing_search.py [--seeds 20] [--trials 40] [--noise 0.01] [--order 1] [--samplers tpe random …]

Last line of stdout: one JSON object with the median regrets, and in how many of the instances `tpe` is better.
"""

import argparse
import importlib.util
import json
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np
import optuna
from numpy.typing import NDArray
from optuna.samplers import BaseSampler, CmaEsSampler, GPSampler, RandomSampler, TPESampler
from rich.console import Console
from rich.table import Table

from ringexp.mixing.simplex import weights_from_coordinates

DOMAINS, STAGES = 4, 2
NOISE = 0.01
LOGIT = 4.0
Array = NDArray[np.float64]


@dataclass(frozen=True)
class Instance:
    """One synthetic objective; arrays by domain, `transfer[i, j]` and `builds_on[i, j]` from domain i to j."""

    seed: int
    transfer: Array
    builds_on: Array
    forgetting: Array
    scale: Array
    logarithmic: NDArray[np.bool_]
    start: Array
    rise: Array

    def value(self, shares: Array, weights: Array) -> Array:
        """Mean pass@1 of n schedules: [n, STAGES] shares, [n, STAGES, DOMAINS] weights → [n]."""
        experience = np.zeros((len(shares), DOMAINS))
        for stage in range(STAGES):
            spent = shares[:, stage, None] * weights[:, stage]
            taught = 1 - np.exp(-experience / self.scale)
            experience *= np.exp(-self.forgetting * (spent.sum(axis=1, keepdims=True) - spent))
            experience += (1 + taught @ self.builds_on) * (spent @ self.transfer)
        reached = np.where(self.logarithmic, np.log1p(experience / self.scale) / np.log1p(1 / self.scale),
                           1 - np.exp(-experience / self.scale))  # fmt: skip
        return np.asarray((self.start + self.rise * reached).mean(axis=1))

    def one(self, boundary: float, first: Sequence[float], second: Sequence[float]) -> float:
        """The value of one schedule."""
        return float(self.value(np.array([[boundary, 1 - boundary]]), np.array([[first, second]]))[0])


def instance(seed: int, order: float = 1.0) -> Instance:
    """`order` multiplies the effects of order, prerequisites and forgetting."""
    draw = np.random.default_rng([seed, 0])
    transfer = draw.uniform(0, 0.4, (DOMAINS, DOMAINS)) * (draw.random((DOMAINS, DOMAINS)) < 0.5)
    np.fill_diagonal(transfer, 1)
    builds_on = np.zeros((DOMAINS, DOMAINS))
    for domain in range(DOMAINS):
        builds_on[draw.choice([d for d in range(DOMAINS) if d != domain]), domain] = order * draw.uniform(0, 1.5)
    return Instance(
        seed, transfer, builds_on, forgetting=order * draw.uniform(0, 1.5, DOMAINS),
        scale=np.exp(draw.uniform(np.log(0.05), 0, DOMAINS)), logarithmic=draw.random(DOMAINS) < 0.5,
        start=draw.uniform(0.05, 0.3, DOMAINS), rise=draw.uniform(0.1, 0.6, DOMAINS),
    )  # fmt: skip


def schedules(points: Array) -> tuple[Array, Array]:
    """[n, 7] coordinates → shares and weights, as `mixing.simplex` has them, for many at once."""
    powers = 1 / np.arange(DOMAINS - 1, 0, -1)
    kept = np.cumprod(points[:, 1:].reshape(-1, STAGES, DOMAINS - 1) ** powers, axis=2)
    edges = np.concatenate([np.ones((len(points), STAGES, 1)), kept, np.zeros((len(points), STAGES, 1))], axis=2)
    return np.stack([points[:, 0], 1 - points[:, 0]], axis=1), edges[:, :, :-1] - edges[:, :, 1:]


def optimum(problem: Instance, random: int = 50_000, generations: int = 200) -> float:
    """The best value that a long search without noise finds; ten times as long finds less than 1e-6 more."""
    draw = np.random.default_rng([problem.seed, 1])
    points = np.round(draw.random((random, 1 + STAGES * (DOMAINS - 1))) * 1.4 - 0.2, 6).clip(0, 1)
    values = problem.value(*schedules(points))
    for generation in range(generations):
        best = np.argsort(-values, kind="stable")[:50]
        width = 0.2 * 0.97**generation
        around = np.repeat(points[best], 20, axis=0)
        around = (around + width * draw.standard_normal(around.shape) * (draw.random(around.shape) < 0.5)).clip(0, 1)
        points = np.concatenate([points[best], around])
        values = problem.value(*schedules(points))
    return float(values.max())


Suggest = Callable[[optuna.Trial], tuple[list[float], list[float]]]


def by_coordinates(trial: optuna.Trial) -> tuple[list[float], list[float]]:
    first, second = ([trial.suggest_float(f"{stage}_{i}", 0, 1) for i in range(1, DOMAINS)]
                     for stage in ("first", "second"))  # fmt: skip
    return weights_from_coordinates(first), weights_from_coordinates(second)


def by_logits(free: int) -> Suggest:
    def suggest(trial: optuna.Trial) -> tuple[list[float], list[float]]:
        mixed = []
        for stage in ("first", "second"):
            logits = [trial.suggest_float(f"{stage}_{i}", -LOGIT, LOGIT) for i in range(free)]
            powers = np.exp([*logits, *[0.0] * (DOMAINS - free)])
            mixed.append((powers / powers.sum()).tolist())
        return mixed[0], mixed[1]

    return suggest


SAMPLERS: dict[str, tuple[Callable[[int], BaseSampler], Suggest]] = {
    "tpe": (lambda seed: TPESampler(seed=seed), by_coordinates),
    "random": (lambda seed: RandomSampler(seed=seed), by_coordinates),
    "tpe_logits": (lambda seed: TPESampler(seed=seed), by_logits(DOMAINS)),
    "tpe_logits_less": (lambda seed: TPESampler(seed=seed), by_logits(DOMAINS - 1)),
    "gp": (lambda seed: GPSampler(seed=seed), by_coordinates),
    "cmaes": (lambda seed: CmaEsSampler(seed=seed), by_coordinates),
}


def regret(problem: Instance, best: float, sampler: str, trials: int, deviation: float = NOISE) -> float:
    """What the trial that was observed best lacks of the optimum, after so many trials."""
    make, suggest = SAMPLERS[sampler]
    noise = np.random.default_rng([problem.seed, 2]).normal(0, deviation, trials)
    truth: list[float] = []

    def objective(trial: optuna.Trial) -> float:
        truth.append(problem.one(trial.suggest_float("boundary", 0, 1), *suggest(trial)))
        return truth[-1] + float(noise[trial.number])

    study = optuna.create_study(direction="maximize", sampler=make(problem.seed))
    study.optimize(objective, n_trials=trials)
    return best - truth[study.best_trial.number]


def regrets(
    samplers: Sequence[str], seeds: Sequence[int], trials: int, deviation: float = NOISE, order: float = 1.0
) -> dict[str, list[float]]:
    """Of every sampler on every instance; `even`: that of the even mixture in both stages."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    found: dict[str, list[float]] = {sampler: [] for sampler in (*samplers, "even")}
    even = [1 / DOMAINS] * DOMAINS
    for seed in seeds:
        problem = instance(seed, order)
        best = optimum(problem)
        found["even"].append(best - problem.one(0.5, even, even))
        for sampler in samplers:
            found[sampler].append(regret(problem, best, sampler, trials, deviation))
    return found


def main() -> None:
    """Table on stdout, then one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--trials", type=int, default=40)
    parser.add_argument("--noise", type=float, default=NOISE)
    parser.add_argument("--order", type=float, default=1.0)
    parser.add_argument("--samplers", nargs="+", choices=SAMPLERS, default=[
        sampler for sampler in SAMPLERS if sampler != "cmaes" or importlib.util.find_spec("cmaes")
    ])  # fmt: skip
    args = parser.parse_args()
    warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
    start = time.process_time()
    found = regrets(args.samplers, range(args.first_seed, args.first_seed + args.seeds), args.trials,
                    args.noise, args.order)  # fmt: skip
    table = Table("regret", "lower quartile", "median", "upper quartile", "mean", "tpe better in")
    for name, values in found.items():
        low, middle, high = np.quantile(values, (0.25, 0.5, 0.75))
        better = sum(a < b for a, b in zip(found.get("tpe", []), values))
        table.add_row(name, *(f"{x:.4f}" for x in (low, middle, high, np.mean(values))), f"{better}/{len(values)}")
    Console(width=100).print(table)
    print(json.dumps({
        "seeds": args.seeds, "trials": args.trials, "noise": args.noise, "order": args.order,
        "cpu_seconds": round(time.process_time() - start, 1),
        "median_regret": {name: round(median(values), 5) for name, values in found.items()},
        "tpe_better": {name: sum(a < b for a, b in zip(found.get("tpe", []), values))
                       for name, values in found.items() if name != "tpe"},
    }))  # fmt: skip


if __name__ == "__main__":
    main()
