"""task=sft: fine-tune on teacher traces; save, measure and register a checkpoint every few steps."""

from pathlib import Path

from hydra.utils import instantiate

from ringexp.config.schema import Config
from ringexp.entropy.probe import CheckpointProbe, ProbeSet
from ringexp.records import Sampling
from ringexp.selection.catalog import Catalog
from ringexp.sft.data import SFTData
from ringexp.sft.module import SFTModule
from ringexp.stopping import StepsDone
from ringexp.tasks.data import untraced
from ringexp.tasks.opening import join_workspace, open_workspace
from ringexp.tasks.reuse import turn
from ringexp.tasks.workspace import Pipeline, Stage, Workspace
from ringexp.terminal import say
from ringexp.tracking.run import TAG
from ringexp.training.callbacks import Attendant
from ringexp.training.checkpoint import latest, load_state, load_weights
from ringexp.training.fit import fit
from ringexp.training.rank_process import RankEnvironment


def run(config: Config) -> None:
    """Run the stage alone."""
    with open_workspace(config) as workspace:
        supervised_fine_tuning(workspace)


def supervised_fine_tuning(workspace: Workspace) -> None:
    """The stage, unless it is finished or can be taken from another run."""
    with turn(workspace, "sft", workspace.key("sft"), mirrored=True) as stage:
        if stage is not None:
            _train(workspace, stage)


def _train(workspace: Workspace, stage: Stage) -> None:
    config = workspace.config
    checkpoint = latest(stage.folder)
    with workspace.other_ranks(_other_rank, checkpoint) as environment:
        module, data = _steps(workspace, checkpoint)
        for domain in untraced(workspace.data.pools):
            say(f"warning: sft: no training prompt of domain {domain} has a trace, so the mix is without it")
        if checkpoint is not None:
            say(f"sft: continuing from step {module.step}")
        probe: CheckpointProbe = instantiate(config.sft.checkpointing)(
            folder=stage.folder, every=config.sft.checkpoint_every, steps=data.steps, probe=_probe_set(workspace),
            evaluator=workspace.evaluator, catalog=Catalog(workspace.store, stage.record.run_id, workspace.root),
            record=stage.record, pipeline=workspace.record, tokenizer=workspace.tokenizer, rollout=config.rollout,
        )  # fmt: skip
        probe.catch_up(module.model, checkpoint)
        title = "sft" if config.progress else None
        fit(module, data.train_dataloader(), config.trainer, stage.logger, [probe], title, environment)
    if module.step < data.steps:
        raise StepsDone
    stage.record.set_tags({TAG + "sft_tokens": str(module.tokens), TAG + "steps": str(data.steps)})


def _other_rank(environment: RankEnvironment, pipeline: Pipeline, checkpoint: Path | None) -> None:
    """The stage on another rank: the same steps, nothing measured, logged or saved."""
    workspace = join_workspace(pipeline, environment.rank)
    module, data = _steps(workspace, checkpoint)
    attendant = Attendant(workspace.config.sft.checkpoint_every, data.steps)
    fit(module, data.train_dataloader(), workspace.config.trainer, None, [attendant], None, environment)


def _steps(workspace: Workspace, checkpoint: Path | None) -> tuple[SFTModule, SFTData]:
    """The module with its weights, and the data from the step on that comes next."""
    config = workspace.config
    data = SFTData({domain: pool.train for domain, pool in workspace.data.pools.items()}, config.sft, config.seed)
    module: SFTModule = instantiate(config.sft.module)(
        model=workspace.model(), config=config.sft, optimizer=instantiate(config.sft.optimizer), steps=data.steps,
        weights=data.sampler.weights,
    )  # fmt: skip
    if checkpoint is not None:
        load_weights(checkpoint, module.model)
        module.resume(load_state(checkpoint))
        data.start = module.step
    data.stop = workspace.last_step(0, data.steps)
    return module, data


def _probe_set(workspace: Workspace) -> ProbeSet:
    config = workspace.config
    pools = [workspace.data.pools[domain] for domain in sorted(workspace.data.pools)]
    sampling = Sampling(config.algorithm.temperature, config.sft.probe.max_response_tokens)
    return ProbeSet.draw(
        [pool.questions for pool in pools], [pool.validation for pool in pools], config.sft.probe, sampling, config.seed
    )
