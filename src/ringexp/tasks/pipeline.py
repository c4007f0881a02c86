"""task=pipeline: SFT, selection by entropy, evaluation, C3PO stage by stage with an evaluation after each."""

from ringexp.config.schema import Config
from ringexp.stopping import Pruned
from ringexp.sweep.trial import handle
from ringexp.tasks.evaluate import evaluate_sft, evaluate_stage
from ringexp.tasks.opening import open_workspace
from ringexp.tasks.rl import rl_stage, stages
from ringexp.tasks.select import select
from ringexp.tasks.sft import supervised_fine_tuning
from ringexp.tasks.summary import conclude, summarise
from ringexp.tasks.watching import Watch
from ringexp.tasks.workspace import Workspace


def run(config: Config) -> float:
    """The recipe. Run again, it continues where it was stopped, or prints the summary of what is finished.

    Gives what a search maximises. Raises optuna.TrialPruned where the search ends it early.
    """
    trial = handle(config.trial)
    try:
        with open_workspace(config) as workspace:
            value = recipe(workspace, Watch(workspace, trial))
            if trial.active:
                conclude(workspace)
            else:
                summarise(workspace)
            return value
    except Pruned as end:
        import optuna  # seconds, so not outside a sweep

        raise optuna.TrialPruned(str(end)) from end


def recipe(workspace: Workspace, watch: Watch) -> float:
    """All stages, each unless it is finished; what came out (`evaluation.objective`)."""
    watch.started()
    supervised_fine_tuning(workspace)
    select(workspace)
    after = watch.before = evaluate_sft(workspace)
    for stage in stages(workspace):
        rl_stage(workspace, stage, watch.told)
        after = evaluate_stage(workspace, stage)
    return watch.ended(after)
