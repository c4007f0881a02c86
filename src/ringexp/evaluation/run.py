"""Draws responses to held-out prompts, has them judged, and makes metrics and sample tables of it."""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from ringexp import seeds
from ringexp.evaluation.judging import Collected, Judging, collect, grouped
from ringexp.evaluation.pass_at_k import mean_pass_at_k, standard_error
from ringexp.models.bailing_moe import BailingMoeForCausalLM, released_weights
from ringexp.records import Group, Outcome, Prompt, Request, Rollout, Sampling
from ringexp.rewards.registry import Verifier
from ringexp.rollout.engine import RolloutEngine


@dataclass(frozen=True)
class Evaluation:
    """Metrics by name, and the judged groups behind them."""

    metrics: dict[str, float]
    groups: tuple[Group, ...]


@dataclass(frozen=True)
class Underway:
    """Responses that were drawn together: `others`, not to be judged, and those that still may be."""

    others: tuple[Rollout, ...]
    _judged: tuple[Rollout, ...]
    _judging: Judging
    _samples: int

    def evaluation(self, k: Sequence[int]) -> Evaluation:
        """Wait for the last verdict; to be called once. Raises what the verifier has raised."""
        groups = tuple(grouped(self._judged, self._judging.verdicts(), self._samples))
        return Evaluation(evaluation_metrics(groups, k), groups)


@dataclass(frozen=True)
class Evaluator:
    """An engine and the verifiers."""

    engine: RolloutEngine
    verifier: Verifier

    def sync(self, model: BailingMoeForCausalLM, version: int) -> None:
        """Give the engine the model's weights."""
        self.engine.sync(released_weights(model), version)

    @contextmanager
    def drawing(
        self, judged: Sequence[Request], others: Sequence[Request], sampling: Sampling, samples: int
    ) -> Iterator[Underway]:
        """Draw all responses in one batch of the engine; while the body runs, those to `judged` are still being judged.

        `judged` holds `samples` requests in a row to a prompt. A request's seed alone decides its response, so what is
        drawn with it changes nothing. Raises what `judging.collect` raises.
        """
        with Judging(self.verifier) as judging:
            def finished(index: int, rollout: Rollout) -> None:
                if index < len(judged):
                    judging.add(index, rollout)

            rollouts = self.engine.generate([*judged, *others], sampling, finished)
            own, rest = rollouts[: len(judged)], rollouts[len(judged) :]
            yield Underway(tuple(rest), tuple(own), judging, samples)

    def collect(self, requests: Sequence[Request], sampling: Sampling, samples: int) -> Collected:
        """Draw and judge at once, `samples` requests in a row to a prompt (see `judging.collect`)."""
        return collect(self.engine, self.verifier, requests, sampling, samples)

    def evaluate(
        self, prompts: Sequence[Prompt], samples: int, sampling: Sampling, seed: int, k: Sequence[int]
    ) -> Evaluation:
        """Draw and judge `samples` responses to each prompt."""
        groups = self.collect(requests(prompts, samples, seed), sampling, samples).groups
        return Evaluation(evaluation_metrics(groups, k), groups)


def requests(prompts: Sequence[Prompt], samples: int, seed: int) -> list[Request]:
    """`samples` requests to each prompt, in order; each is seeded by its prompt and sample alone."""
    return [
        Request(prompt, sample, seeds.derive(seed, prompt.id, sample))
        for prompt in prompts
        for sample in range(samples)
    ]


def outcome_shares(groups: Sequence[Group]) -> dict[str, float]:
    """Share of every outcome among all responses; each outcome is named, also those that did not happen."""
    counts = Counter(verdict.outcome for group in groups for verdict in group.verdicts)
    return {str(outcome): counts[outcome] / counts.total() for outcome in Outcome}


def by_domain(groups: Sequence[Group]) -> dict[str, list[Group]]:
    """The groups of each domain, in order."""
    found: dict[str, list[Group]] = {}
    for group in groups:
        found.setdefault(group.prompt.domain, []).append(group)
    return found


def evaluation_metrics(groups: Sequence[Group], k: Sequence[int]) -> dict[str, float]:
    """`eval/…` metrics: per domain pass@k, standard error, length, outcomes; over all domains mean and outcomes."""
    metrics: dict[str, float] = {}
    domains = sorted(by_domain(groups).items())
    for domain, own in domains:
        rewards = [group.rewards for group in own]
        for n in sorted({1, *k}):
            metrics[f"eval/{domain}/pass_at_{n}"] = mean_pass_at_k(rewards, n)
        metrics[f"eval/{domain}/standard_error"] = standard_error(rewards)
        lengths = [len(rollout.token_ids) for group in own for rollout in group.rollouts]
        metrics[f"eval/{domain}/length"] = sum(lengths) / len(lengths)
        metrics |= {f"eval/{domain}/outcome/{name}": share for name, share in outcome_shares(own).items()}
    metrics["eval/mean/pass_at_1"] = sum(metrics[f"eval/{d}/pass_at_1"] for d, _ in domains) / len(domains)
    return metrics | {f"eval/outcome/{name}": share for name, share in outcome_shares(groups).items()}
