"""task=evaluate: pass@1 on held-out prompts, of the selected SFT checkpoint and after every RL stage."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ringexp import seeds
from ringexp.config.schema import Config
from ringexp.evaluation.agreement import agreement_on
from ringexp.mixing import schedule
from ringexp.records import Prompt, Sampling
from ringexp.rollout.engine import require_match
from ringexp.tasks.opening import open_workspace
from ringexp.tasks.reuse import turn
from ringexp.tasks.rl import stage_key, stage_name, stages, weights_after
from ringexp.tasks.select import selected
from ringexp.tasks.workspace import Stage, Workspace
from ringexp.terminal import say
from ringexp.tracking.run import TAG
from ringexp.tracking.tables import sample_table
from ringexp.training.checkpoint import load_weights

CHECKED_GROUPS = 64
"""Groups on which engine and trainer are compared, spread over all domains."""


def run(config: Config) -> None:
    """Evaluate whatever of the pipeline is finished: the selected checkpoint, and RL's stages as far as they are."""
    with open_workspace(config) as workspace:
        chosen = selected(workspace)
        evaluate_sft(workspace)
        for stage in stages(workspace):
            if workspace.finished(stage_name(stage), stage_key(workspace, chosen, stage)) is None:
                say(f"evaluate: {stage_name(stage)} is not finished: neither it nor what follows is evaluated")
                break
            evaluate_stage(workspace, stage)


def evaluate_sft(workspace: Workspace) -> Mapping[str, float]:
    """The selected SFT checkpoint; its pass@1 becomes `final/sft/…`."""
    chosen = selected(workspace)
    metrics = _evaluate(workspace, "evaluate-sft", Policy(chosen.key, chosen.path, chosen.step))
    _log_final(workspace, "sft", metrics, chosen.step)
    return metrics


def evaluate_stage(workspace: Workspace, stage: schedule.Stage) -> Mapping[str, float]:
    """The policy after an RL stage; the last stage's pass@1 becomes `final/rl/…`."""
    chosen = selected(workspace)
    step = chosen.sft_steps + stage.first_step + stage.steps
    policy = Policy(stage_key(workspace, chosen, stage), weights_after(workspace, chosen, stage), step)
    metrics = _evaluate(workspace, f"evaluate-{stage_name(stage)}", policy)
    if stage == stages(workspace)[-1]:
        _log_final(workspace, "rl", metrics, step)
    return metrics


def _log_final(workspace: Workspace, checkpoint: str, metrics: Mapping[str, float], step: int) -> None:
    """`final/…` on the pipeline's run: test prompts only, whatever else is evaluated stays with its stage."""
    if workspace.config.evaluation.split == "test":
        workspace.record.log(final_metrics(checkpoint, metrics), step)


def final_metrics(checkpoint: str, metrics: Mapping[str, float]) -> dict[str, float]:
    """`final/<checkpoint>/<domain>/pass_at_1` and its mean from an evaluation's metrics."""
    parts = {key.split("/")[1]: value for key, value in metrics.items() if key.endswith("/pass_at_1")}
    return {f"final/{checkpoint}/{domain}/pass_at_1": value for domain, value in parts.items()}


@dataclass(frozen=True)
class Policy:
    """What is evaluated: its weights, the key that names what they were decided by, its place on the step axis."""

    key: str
    weights: Path
    step: int


def _evaluate(workspace: Workspace, name: str, policy: Policy) -> Mapping[str, float]:
    """The stage, or the metrics of the one that is finished or could be taken from another run."""
    with turn(workspace, name, _key(workspace, policy.key)) as stage:
        if stage is not None:
            return _measure(workspace, stage, policy.weights, policy.step)
    return recorded(workspace, name, policy.key)


def recorded(workspace: Workspace, name: str, policy_key: str) -> Mapping[str, float]:
    """The metrics of an evaluation that is finished. Raises RecordError where it is not."""
    return dict(workspace.require(name, _key(workspace, policy_key), "evaluate").data.metrics)


def _key(workspace: Workspace, policy_key: str) -> str:
    return workspace.key("evaluate", policy_key)


def _measure(workspace: Workspace, stage: Stage, weights: Path, step: int) -> Mapping[str, float]:
    settings, evaluator = workspace.config.evaluation, workspace.evaluator
    model = workspace.model()
    load_weights(weights, model)
    evaluator.sync(model, step)
    prompts = held_out(workspace)
    sampling = Sampling(settings.temperature, settings.max_response_tokens)
    seed = seeds.derive(workspace.config.seed, "evaluate", settings.split)
    result = evaluator.evaluate(prompts, settings.samples, sampling, seed, list(settings.k))
    checked = result.groups[:: -(-len(result.groups) // CHECKED_GROUPS)]
    drawn = [rollout for group in checked for rollout in group.rollouts]
    agreement = agreement_on(model, drawn, settings.temperature, workspace.config.rollout.near_tie)
    require_match(agreement["mismatch/p999_logprob"], agreement["mismatch/max_logprob"],
                  workspace.config.rollout.tolerance, step)
    metrics = result.metrics | {key: value for key, value in agreement.items() if key.startswith("mismatch/")}
    stage.record.log(metrics, step)
    table, evaluated = sample_table(result.groups, settings.table_rows), stage.record.tags[TAG + "stage"]
    stage.record.log_table(table, "samples.json")
    workspace.record.log_table(table, f"samples/{evaluated.removeprefix('evaluate-')}.json")  # the UI compares parents
    return metrics


def held_out(workspace: Workspace) -> list[Prompt]:
    """The first `evaluation.prompts` of every domain's split, domains in order of their names."""
    settings = workspace.config.evaluation
    pools = workspace.data.pools
    return [p for domain in sorted(pools) for p in getattr(pools[domain], settings.split)[: settings.prompts]]
