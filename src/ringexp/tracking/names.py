"""Every metric: its name, unit and meaning. A name that is not here cannot be logged.

`<domain>` stands for a domain's name. The same names mean the same thing in every stage, and few
names keep the UI fast. docs/metrics.md is made from this list.
"""

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric, or a family of them with `<…>` parts in the name."""

    name: str
    unit: str
    meaning: str
    headline: bool = False
    """Mirrored on the pipeline run, so that pipelines compare in the UI by their parents."""


METRICS: tuple[Metric, ...] = (
    Metric("train/loss", "", "the step's loss, all terms", headline=True),
    Metric("train/lr", "", "learning rate"),
    Metric("train/grad_norm", "", "gradient norm before clipping", headline=True),
    Metric("val/loss", "nats/token", "cross-entropy of validation traces, pooled over response tokens", headline=True),
    Metric("entropy/rollout", "nats/token", "mean token entropy on own samples at the sampling temperature", True),
    Metric("entropy/rollout/<domain>", "nats/token", "the same, responses of one domain"),
    Metric("entropy/rollout_error", "nats/token", "standard error of a checkpoint's entropy/rollout, over prompts"),
    Metric("entropy/rollout_error/<domain>", "nats/token", "the same, responses of one domain"),
    Metric("entropy/teacher_forced", "nats/token", "mean token entropy on validation traces", headline=True),
    Metric("reward/mean", "", "mean reward of the step's responses", headline=True),
    Metric("reward/<domain>", "", "mean reward, responses of one domain"),
    Metric("outcome/<outcome>", "share", "responses a verifier judged correct, wrong, unparsable, timeout or error"),
    Metric("outcome/<outcome>/<domain>", "share", "the same, responses of one domain"),
    Metric("length/mean", "tokens", "mean response length, end-of-sequence token included", headline=True),
    Metric("length/<domain>", "tokens", "the same, responses of one domain"),
    Metric("length/max", "tokens", "longest response"),
    Metric("length/truncated", "share", "responses ended by the length limit"),
    Metric("length/truncated/<domain>", "share", "the same, responses of one domain"),
    Metric("budget/tokens", "tokens", "response tokens trained in the step, |Ψ|", headline=True),
    Metric("budget/fill", "share", "|Ψ| / Φ"),
    Metric("budget/dropped", "share", "response tokens of the step that were not trained"),
    Metric("budget/cut", "tokens", "tokens beyond the cut in the one response that was cut"),
    Metric("budget/responses_dropped", "responses", "responses left out whole"),
    Metric("kl/reference", "nats/token", "k3 estimate of KL(π_θ ‖ π_ref), where the loss has that term", headline=True),
    Metric("kl/behaviour", "nats/token", "mean of log π_engine − log π_trainer on sampled tokens"),
    Metric("mismatch/p999_logprob", "nats", "99.9th percentile of |log π_trainer − log π_engine|, near-ties left out"),
    Metric("mismatch/max_logprob", "nats", "largest |log π_trainer − log π_engine|, near-ties included"),
    Metric("mismatch/near_ties", "share", "tokens left out of the percentile: a router was undecided before them"),
    Metric("clip/fraction", "share", "tokens whose ratio was clipped"),
    Metric("correction/factor", "", "mean factor that corrects the surrogate for the engine's probabilities; 1: none"),
    Metric("correction/rejected", "share", "tokens whose surrogate the correction leaves out (factor 0)"),
    Metric("moe/balance", "", "balance loss; 1 when balanced"),
    Metric("moe/z", "", "router z-loss"),
    Metric("moe/max_violation", "", "largest load of an expert over the mean, minus 1, worst layer"),
    Metric("moe/dead_experts", "experts", "experts of all layers that no token of the update was sent to"),
    Metric("moe/router_entropy", "nats", "entropy of a router's distribution over experts, mean over all"),
    Metric("moe/router_entropy_min", "nats", "the same, of the layer where it is lowest"),
    Metric("mixture/target/<domain>", "share", "the schedule's weight of a domain"),
    Metric("mixture/realised/<domain>", "share", "share of a domain among the step's prompts"),
    Metric("mixture/tokens/<domain>", "share", "share of a domain among the step's trained tokens"),
    Metric("group/zero_variance", "share", "groups whose rewards are all equal"),
    Metric("group/zero_variance/<domain>", "share", "the same, groups of one domain"),
    Metric("progress/tokens", "tokens", "response tokens trained so far, all stages"),
    Metric("progress/token_efficiency", "", "RL training tokens so far / SFT training tokens (all of SFT)"),
    Metric("time/<part>", "s", "seconds of a part of the step: rollout, reward (after it), train, sync, probe, step"),
    Metric("throughput/tokens_per_second", "tokens/s", "response tokens trained per second of the whole step"),
    Metric("throughput/rollout_tokens_per_second", "tokens/s", "response tokens generated per second of generation"),
    Metric("eval/mean/pass_at_1", "share", "mean over domains of pass@1", headline=True),
    Metric("eval/<domain>/pass_at_<k>", "share", "pass@k: k = 1 the mean over samples, else the unbiased estimate"),
    Metric("eval/<domain>/standard_error", "share", "standard error of pass@1 over prompts"),
    Metric("eval/<domain>/length", "tokens", "mean response length"),
    Metric("eval/outcome/<outcome>", "share", "verdicts over all evaluated responses"),
    Metric("eval/<domain>/outcome/<outcome>", "share", "verdicts over the responses of one domain"),
    Metric("best/pass_at_1", "share", "the highest of all policies evaluated on test prompts, mean over domains"),
    Metric("final/<checkpoint>/<domain>/pass_at_1", "share", "pass@1 on test prompts: checkpoint sft or rl"),
    Metric("final/<checkpoint>/mean/pass_at_1", "share", "its mean over domains"),
    Metric("select/<quantity>", "", "of the selected checkpoint: its step and its quantities"),
    Metric("sweep/value", "", "what a trial of a sweep returned; the step is the trial's number"),
    Metric("sweep/best", "", "the best value until then"),
    Metric("curation/rows", "rows", "training rows after a step of curation; the step is its number, 0 reading"),
    Metric("curation/dropped", "rows", "training rows that the step dropped"),
    Metric("curation/<name>/dropped", "rows", "the same by the step's name"),
    Metric("distill/accepted", "share", "teacher's responses, correct and past all filters; the step counts prompts"),
    Metric("distill/pass_at_1/<domain>", "share", "correct among the teacher's responses to training prompts"),
    Metric("distill/accepted/<domain>", "share", "the same that passed all filters too"),
    Metric("distill/traced/<domain>", "share", "training prompts that have a trace now"),
    Metric("distill/traces/<domain>", "rows", "traces of training prompts"),
    Metric("distill/length/<domain>", "tokens", "their mean length, in tokens of the teacher"),
    Metric("data/<count>", "rows", "rows left out while the data was prepared"),
    Metric("system/<quantity>", "", "of the machine, every five seconds of a stage; the step is the sample's number"),
)

NOT_REPEATED = ("time/", "throughput/", "system/")
"""What begins so is measured with a clock or of the machine: it differs between two runs of the same."""

_PATTERNS = [
    (re.compile(re.sub(r"<\w+>", "[A-Za-z0-9_.-]+(?:/[A-Za-z0-9_.-]+)*" if m.name.startswith("select") else
                       "[A-Za-z0-9_.-]+", m.name) + "$"), m)
    for m in sorted(METRICS, key=lambda metric: metric.name.count("<"))
]  # fmt: skip


def describe(name: str) -> Metric:
    """The metric that a logged name belongs to. Raises KeyError for a name that nobody declared."""
    for pattern, metric in _PATTERNS:
        if pattern.match(name):
            return metric
    raise KeyError(f"metric {name!r} is not declared in ringexp.tracking.names")


def markdown() -> str:
    """The table of docs/metrics.md."""
    meanings = [m.meaning.replace("|", "\\|") for m in METRICS]
    rows = [f"| `{m.name}` | {m.unit} | {text} | {'yes' if m.headline else ''} |" for m, text in zip(METRICS, meanings)]
    return "\n".join(["| metric | unit | meaning | on the pipeline run |", "|---|---|---|---|", *rows, ""])
