"""The error of the pooled entropy: by hand, and against the spread of means over many simulated probes."""

import math
import statistics

import pytest
import torch

from ringexp.entropy.measure import pooled, standard_error
from ringexp.entropy.probe import rollout_entropy
from ringexp.models.logprob import TokenValues
from ringexp.records import Prompt
from ringexp.tracking.names import describe


def values(*entropies: float) -> TokenValues:
    return TokenValues(torch.zeros(len(entropies)), torch.tensor(entropies), torch.ones(len(entropies)))


BY_HAND = [values(1.0, 3.0), values(2.0), values(0.0)]
"""Two responses to prompt a: y = 6, x = 3; one to prompt b: y = 0, x = 1."""


def test_two_prompts_by_hand() -> None:
    """R = 6/4; d = 6 − 4.5 and 0 − 1.5; SE² = 2/1 · (1.5² + 1.5²) / 4²."""
    assert pooled(BY_HAND).entropy == 1.5
    assert standard_error(BY_HAND, "aab", "mmm") == pytest.approx(math.sqrt(2 * 4.5) / 4)


def test_two_strata_by_hand() -> None:
    """Beside the two prompts above, one of 2 tokens at 4.5 and one of 2 at 1.5, from another pool.

    R = (6 + 0 + 9 + 3) / 8 = 2.25; d = −0.75, −2.25 | 4.5, −1.5, around their means: ±0.75 | ±3.
    """
    every = [*BY_HAND, values(4.5, 4.5), values(1.5, 1.5)]
    expected = math.sqrt(2 * 2 * 0.75**2 + 2 * 2 * 3.0**2) / 8
    assert standard_error(every, "aabcd", "mmmnn") == pytest.approx(expected)


def test_what_differs_between_domains_alone_is_no_error() -> None:
    """Their numbers of prompts are fixed: another draw would have the same share of each."""
    every = [values(0.1, 0.1)] * 4 + [values(2.0, 2.0)] * 4
    assert standard_error(every, range(8), "mmmmcccc") == pytest.approx(0, abs=1e-7)
    assert standard_error(every, range(8), "mmmmmmmm") > 0.3


def test_one_prompt_tells_no_error() -> None:
    assert math.isnan(standard_error(BY_HAND, "aaa", "mmm"))
    prompts = [Prompt(name, domain, "", "") for name, domain in (("a", "m"), ("a", "m"), ("b", "c"))]
    assert not [name for name in rollout_entropy(BY_HAND, prompts) if "error" in name]


def probe(draw: torch.Generator, prompts: int, samples: int) -> tuple[list[TokenValues], list[int], list[str]]:
    """Two domains; a prompt's level decides its responses' entropy and, more loosely, their length."""
    responses, names, domains = [], [], []
    for prompt in range(2 * prompts):
        level = float(torch.rand((), generator=draw)) + (prompt % 2)
        for _ in range(samples):
            length = 5 + int(20 * level * float(torch.rand((), generator=draw)))
            tokens = level * torch.rand(length, generator=draw)
            responses.append(TokenValues(torch.zeros(length), tokens, torch.ones(length)))
            names.append(prompt)
            domains.append("mc"[prompt % 2])
    return responses, names, domains


def test_it_is_the_spread_of_simulated_probes() -> None:
    """600 probes of 2 × 24 prompts: the errors' root mean square is the means' standard deviation within 8 %.

    (Its own error is 1/√1200 = 2.9 %.) Tokens or responses taken for independent would give less than 0.8 of it.
    """
    draw = torch.Generator().manual_seed(0)
    probes = [probe(draw, prompts=24, samples=4) for _ in range(600)]
    spread = statistics.stdev(pooled(responses).entropy for responses, _, _ in probes)
    errors = [standard_error(*one) for one in probes]
    assert math.sqrt(statistics.fmean(e * e for e in errors)) == pytest.approx(spread, rel=0.08)
    for responses, names, domains in probes[:20]:
        by_response = standard_error(responses, range(len(names)), domains)
        by_token = float(torch.cat([r.entropy for r in responses]).std()) / math.sqrt(pooled(responses).tokens)
        assert max(by_token, by_response) < 0.8 * standard_error(responses, names, domains)


def test_every_domain_and_the_whole_by_name() -> None:
    draw = torch.Generator().manual_seed(1)
    responses, names, domains = probe(draw, prompts=6, samples=2)
    prompts = [Prompt(str(name), domain, "", "") for name, domain in zip(names, domains, strict=True)]
    found = rollout_entropy(responses, prompts)
    assert set(found) == {f"entropy/{kind}{end}" for kind in ("rollout", "rollout_error") for end in ("", "/m", "/c")}
    assert all(describe(name).unit == "nats/token" for name in found)
    mine = [(r, p) for r, p in zip(responses, names, strict=True) if p % 2]
    own = [r for r, _ in mine]
    assert found["entropy/rollout/c"] == pooled(own).entropy
    assert found["entropy/rollout_error/c"] == standard_error(own, [p for _, p in mine], ["c"] * len(own))
    tokens = {d: sum(len(r.entropy) for r, other in zip(responses, domains, strict=True) if other == d) for d in "mc"}
    total = sum(found[f"entropy/rollout/{d}"] * tokens[d] for d in "mc")
    assert found["entropy/rollout"] == pytest.approx(total / sum(tokens.values()), rel=1e-12)
