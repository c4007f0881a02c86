"""task=rl: the RL stages, one after the other, from the selected checkpoint."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from hydra.utils import instantiate
from mlflow.entities import Run
from torch.utils.data import DataLoader, Subset

from ringexp.config.schema import Config
from ringexp.mixing import schedule
from ringexp.mixing.sampler import PromptRounds
from ringexp.records import Prompt
from ringexp.rl.held_out import HeldOut, Told
from ringexp.rl.module import C3POModule
from ringexp.rl.parts import build_parts
from ringexp.rl.samples import SampleTables
from ringexp.stopping import StepsDone
from ringexp.tasks.opening import join_workspace, open_workspace
from ringexp.tasks.reuse import turn
from ringexp.tasks.select import Selected, selected
from ringexp.tasks.workspace import Pipeline, Stage, Workspace
from ringexp.terminal import say
from ringexp.tracking import provenance
from ringexp.tracking.run import TAG
from ringexp.training.callbacks import Attendant
from ringexp.training.checkpoint import latest, load_state, load_weights
from ringexp.training.fit import fit
from ringexp.training.rank_process import RankEnvironment


def run(config: Config) -> None:
    """Run the stages alone."""
    with open_workspace(config) as workspace:
        reinforcement_learning(workspace)


def stages(workspace: Workspace) -> list[schedule.Stage]:
    """The schedule's stages with their steps."""
    return schedule.resolve_stages(workspace.config.schedule, workspace.config.trainer.max_steps)


def stage_name(stage: schedule.Stage) -> str:
    """The stage's name in MLflow and on disk."""
    return f"rl-{stage.name}"


def stage_key(workspace: Workspace, chosen: Selected, stage: schedule.Stage) -> str:
    """Hash of what decides an RL stage: configuration, its part of the schedule, the checkpoint, the stages before."""
    before = _before(workspace, stage)
    start = stage_key(workspace, chosen, before[-1]) if before else ""
    return workspace.key("rl", chosen.key, start, provenance.digest(asdict(stage)))


def _before(workspace: Workspace, stage: schedule.Stage) -> list[schedule.Stage]:
    return [s for s in stages(workspace) if s.first_step < stage.first_step]


def weights_after(workspace: Workspace, chosen: Selected, stage: schedule.Stage) -> Path:
    """The stage's last weights. Raises RecordError where it is not finished."""
    finished = workspace.require(stage_name(stage), stage_key(workspace, chosen, stage), "rl")
    return workspace.root / str(finished.data.tags[TAG + "weights"])


def reinforcement_learning(workspace: Workspace) -> None:
    """Every stage that is not finished; each starts from the weights of the one before."""
    for stage in stages(workspace):
        rl_stage(workspace, stage)


def nobody(metrics: Mapping[str, float], rl_step: int) -> None:
    """Is told and does nothing."""


def rl_stage(workspace: Workspace, stage: schedule.Stage, told: Told = nobody) -> None:
    """One stage, unless it is finished or can be taken from another run.

    `told` hears of each evaluation during the stage (`evaluation.during`) and of the run's RL steps until then, of
    those from before a kill too; what it raises ends the stage.
    """
    chosen = selected(workspace)
    before = _before(workspace, stage)
    start = weights_after(workspace, chosen, before[-1]) if before else chosen.path
    tokens = sum(_tokens(workspace.require(stage_name(s), stage_key(workspace, chosen, s), "rl")) for s in before)
    key = stage_key(workspace, chosen, stage)
    with turn(workspace, stage_name(stage), key, mirrored=True) as opened:
        if opened is not None:
            _tell_again(workspace, opened.record.run_id, chosen.sft_steps, told)
            _train(workspace, opened, stage, Begin(chosen, start, latest(opened.folder), tokens), told)
    if opened is None:
        run = workspace.require(stage_name(stage), key, "rl")
        _tell_again(workspace, run.info.run_id, chosen.sft_steps, told)


def _tell_again(workspace: Workspace, run_id: str, sft_steps: int, told: Told) -> None:
    """The evaluations that MLflow holds of the stage."""
    client = workspace.store.client
    found: dict[int, dict[str, float]] = {}
    for key in client.get_run(run_id).data.metrics:
        if key.startswith("eval/"):
            for point in client.get_metric_history(run_id, key):
                found.setdefault(point.step, {})[key] = point.value
    for step in sorted(found):
        told(found[step], step - sft_steps)


def _tokens(run: Run) -> int:
    return int(run.data.tags[TAG + "rl_tokens"])


@dataclass(frozen=True)
class Begin:
    """Where a stage begins: the selected checkpoint, the first weights, what it continues from, the tokens before."""

    chosen: Selected
    weights: Path
    checkpoint: Path | None
    tokens_before: int


def _train(workspace: Workspace, opened: Stage, stage: schedule.Stage, begin: Begin, told: Told) -> None:
    config = workspace.config
    with workspace.other_ranks(_other_rank, stage, begin) as environment:
        module, loader = _steps(workspace, stage, begin)
        if begin.checkpoint is not None:
            say(f"{stage_name(stage)}: continuing from step {module.step}")
        every = config.trainer.checkpoint_every
        saver = instantiate(config.trainer.checkpointing)(
            folder=opened.folder, every=every, steps=stage.steps, tokenizer=workspace.tokenizer
        )
        tables = SampleTables(opened.record, every, stage.steps, config.trainer.table_rows)
        title = stage_name(stage) if config.progress else None
        callbacks = [*_held_out(workspace, stage, begin, told), tables, saver]  # what is saved is known
        fit(module, loader, config.trainer, opened.logger, callbacks, title, environment)
    if module.step < stage.steps:
        raise StepsDone
    final = latest(opened.folder)
    assert final is not None
    opened.record.set_tags({
        TAG + "weights": workspace.place(final), TAG + "rl_tokens": str(module.tokens),
    })  # fmt: skip


def _held_out(workspace: Workspace, stage: schedule.Stage, begin: Begin, told: Told) -> list[HeldOut]:
    """Evaluation while the stage trains, where it is asked for."""
    during, pools = workspace.config.evaluation.during, workspace.data.pools
    if during.every is None:
        return []
    prompts = [p for domain in sorted(pools) for p in pools[domain].validation[: during.prompts]]

    def heard(metrics: Mapping[str, float], step: int) -> None:
        told(metrics, step - begin.chosen.sft_steps)

    return [HeldOut(prompts, during.samples, workspace.config.seed, during.every, stage.first_step, heard)]


def _other_rank(environment: RankEnvironment, pipeline: Pipeline, stage: schedule.Stage, begin: Begin) -> None:
    """The stage on another rank: the same steps, nothing logged or saved."""
    workspace = join_workspace(pipeline, environment.rank)
    module, loader = _steps(workspace, stage, begin)
    trainer = workspace.config.trainer
    fit(module, loader, trainer, None, [Attendant(trainer.checkpoint_every, stage.steps)], None, environment)


def _steps(
    workspace: Workspace, stage: schedule.Stage, begin: Begin
) -> tuple[C3POModule, DataLoader[tuple[tuple[Prompt, ...], ...]]]:
    """The module with its weights, and the steps that are left."""
    config = workspace.config
    module = _module(workspace, stage, begin)
    load_weights(begin.checkpoint or begin.weights, module.model)
    if begin.checkpoint is not None:
        module.resume(load_state(begin.checkpoint))
    pools = {domain: pool.questions for domain, pool in workspace.data.pools.items()}
    stop = workspace.last_step(begin.chosen.sft_steps + stage.first_step, stage.steps)
    rounds = PromptRounds(pools, stage.weights, config.algorithm, stage.steps, config.seed, stage.name)
    return module, DataLoader(Subset(rounds, range(module.step, stop)), batch_size=None)


def _module(workspace: Workspace, stage: schedule.Stage, begin: Begin) -> C3POModule:
    config, chosen = workspace.config, begin.chosen
    reference = workspace.model()
    load_weights(chosen.path, reference)
    module: C3POModule = instantiate(config.algorithm.module)(
        model=workspace.model(), reference=reference, evaluator=workspace.evaluator,
        parts=build_parts(config.algorithm), config=config.algorithm, rollout=config.rollout,
        optimizer=instantiate(config.algorithm.optimizer), stage=stage, seed=config.seed,
        offset=chosen.sft_steps + stage.first_step, sft_tokens=chosen.sft_tokens, tokens_before=begin.tokens_before,
    )  # fmt: skip
    return module
