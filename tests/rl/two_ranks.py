"""One step on given responses, alone or as one of several ranks; functions of a module, since they are pickled."""

import random
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import tiny_policy
import torch
from hydra.utils import instantiate
from torch.utils.data import DataLoader

from ringexp.config.schema import Config
from ringexp.records import Group, Outcome, Prompt, Request, Rollout, Verdict
from ringexp.rl.module import C3POModule
from ringexp.sft.module import SFTModule
from ringexp.training.module import Clock
from ringexp.training.rank_process import RankEnvironment

LENGTHS = [(3, 9, 5, 11), (7, 7, 2, 12), (12, 4, 6, 6), (8, 8, 1, 11)]
"""Of the responses of four groups; those of the first two groups hold as many tokens as those of the others."""
BUDGET = 112
SETTINGS = ("rollout.tolerance=1e9", "algorithm.balance_coef=0.1", "algorithm.z_coef=0.01",
            "algorithm.max_grad_norm=1e9")  # fmt: skip


def groups(silent: int) -> list[Group]:
    """Four groups; all responses of the first `silent` are wrong."""
    draw, found = random.Random(0), []
    for number, lengths in enumerate(LENGTHS):
        prompt = Prompt(f"p{number}", ("math", "code")[number % 2], "?", "1",
                        token_ids=tuple(draw.randrange(4, 260) for _ in range(2 + number)))  # fmt: skip
        rollouts = tuple(
            Rollout(Request(prompt, sample, 0), tuple(draw.randrange(4, 260) for _ in range(length)),
                    tuple(draw.uniform(-6, -4) for _ in range(length)), (0,) * length, "", length == 12)
            for sample, length in enumerate(lengths)
        )  # fmt: skip
        right = [number >= silent and (number + sample) % 3 > 0 for sample in range(4)]
        verdicts = tuple(Verdict(Outcome.CORRECT if r else Outcome.WRONG) for r in right)
        found.append(Group(prompt, rollouts, verdicts))
    return found


class Given(C3POModule):
    """Takes its part of the given groups instead of drawing some."""

    silent = 0

    def collect(self, rounds: Sequence[Sequence[Prompt]], clock: Clock) -> list[Group]:
        share = len(LENGTHS) // self.trainer.world_size
        clock.book(rollout=1.0, reward=0.0)
        return groups(self.silent)[self.trainer.global_rank * share :][:share]


def module(
    environment: RankEnvironment | None, folder: str, overrides: Sequence[str]
) -> tuple[Given, Config, dict[str, Any]]:
    """A policy that is given its responses, its configuration, and how its Trainer learns of the other ranks."""
    ranks = 1 if environment is None else environment.world_size()
    config = tiny_policy.configuration(*SETTINGS, f"algorithm.token_budget={BUDGET // ranks}", *overrides)
    own = Path(folder) / f"rank-{0 if environment is None else environment.rank}-of-{ranks}"
    own.mkdir(exist_ok=True)
    options: dict[str, Any] = {}
    if environment is not None:
        strategy = instantiate(config.trainer.lightning["strategy"])
        options = {"devices": ranks, "plugins": [environment], "strategy": strategy}
    return tiny_policy.policy(own, config, kind=Given), config, options


def weights(policy: Given) -> dict[str, torch.Tensor]:
    return {name: p.detach().clone() for name, p in policy.whole_model().named_parameters()}


def step(
    environment: RankEnvironment | None, folder: str, overrides: Sequence[str], silent: int = 0
) -> tuple[dict[str, float], dict[str, torch.Tensor]]:
    """What the step logged, and the weights after it: one of gradient descent with learning rate 1."""
    policy, config, options = module(environment, folder, overrides)
    policy.silent = silent
    policy._factory = partial(torch.optim.SGD, lr=1.0)
    (metrics,) = tiny_policy.train(policy, config, 1, **options)
    assert policy.sharded == ("trainer=fsdp" in overrides)
    return metrics, weights(policy)


def continued(
    environment: RankEnvironment, folder: str, overrides: Sequence[str], before: Sequence[str]
) -> list[dict[str, torch.Tensor]]:
    """The weights after two steps of AdamW: made in one go, and apart, the first with the overrides `before`."""
    straight, config, options = module(environment, folder, overrides)
    tiny_policy.train(straight, config, 2, **options)
    first, config, options = module(environment, folder, before)
    tiny_policy.train(first, config, 1, **options)
    state, reached = first.trainer_state(), weights(first)
    second, config, options = module(environment, folder, overrides)
    with torch.no_grad():
        for name, parameter in second.model.named_parameters():
            parameter.copy_(reached[name])
    second.resume(state)
    tiny_policy.train(second, config, 1, **options)
    return [weights(straight), weights(second)]


def sft_step(environment: RankEnvironment | None, overrides: Sequence[str]) -> tuple[float, dict[str, torch.Tensor]]:
    """Loss and weights after a step of gradient descent on traces of which the first half are long."""
    config = tiny_policy.configuration(*overrides)
    tokens = tiny_policy.tokenizer()
    draw = random.Random(1)
    traces = [tuple(draw.randrange(4, 260) for _ in range(length)) for length in (20, 18, 19, 5, 4, 6)]
    batch = [Prompt(f"p{n}", "math", "?", "1", token_ids=(5, 6, 7), trace_ids=trace) for n, trace in enumerate(traces)]
    options: dict[str, Any] = {}
    if environment is not None:
        strategy = instantiate(config.trainer.lightning["strategy"])
        options = {"devices": environment.world_size(), "plugins": [environment], "strategy": strategy}
    module = SFTModule(tiny_policy.model(tokens), config.sft, partial(torch.optim.SGD, lr=1.0), 1, {"math": 1.0})
    (metrics,) = tiny_policy.run(module, DataLoader([batch], batch_size=None), **options)
    return metrics["train/loss"], {name: p.detach().clone() for name, p in module.whole_model().named_parameters()}
