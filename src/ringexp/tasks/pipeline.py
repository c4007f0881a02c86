"""task=pipeline: SFT, selection by entropy, evaluation, C3PO stage by stage with an evaluation after each."""

from ringexp.config.schema import Config
from ringexp.tasks.evaluate import evaluate_sft, evaluate_stage
from ringexp.tasks.opening import open_workspace
from ringexp.tasks.rl import rl_stage, stages
from ringexp.tasks.select import select
from ringexp.tasks.sft import supervised_fine_tuning
from ringexp.tasks.summary import summarise
from ringexp.tasks.workspace import Workspace


def run(config: Config) -> None:
    """The recipe. Run again, it continues where it was stopped, or prints the summary of what is finished."""
    with open_workspace(config) as workspace:
        recipe(workspace)
        summarise(workspace)


def recipe(workspace: Workspace) -> None:
    """All stages, each unless it is finished."""
    supervised_fine_tuning(workspace)
    select(workspace)
    evaluate_sft(workspace)
    for stage in stages(workspace):
        rl_stage(workspace, stage)
        evaluate_stage(workspace, stage)
