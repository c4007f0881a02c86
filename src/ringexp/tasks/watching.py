"""A pipeline that is a trial of a sweep: what it tells the study, and when it is ended early."""

from collections.abc import Mapping

from ringexp.errors import ConfigError
from ringexp.evaluation.objective import measured, outcome
from ringexp.mixing import schedule
from ringexp.stopping import Pruned
from ringexp.sweep.space import availability
from ringexp.sweep.trial import MEASURED, TrialHandle
from ringexp.tasks.rl import stages
from ringexp.tasks.workspace import Workspace
from ringexp.tracking.run import TAG


class Watch:
    """Tells the trial how it stands after each evaluation; `started` once before all, `ended` once after."""

    def __init__(self, workspace: Workspace, trial: TrialHandle) -> None:
        self.workspace, self.trial = workspace, trial
        self.before: Mapping[str, float] = {}

    def started(self) -> None:
        """Tie trial and MLflow run together; end what draws more prompts than there are.

        Raises Pruned, outside a sweep ConfigError, where the schedule goes beyond `schedule.max_epochs`.
        """
        workspace = self.workspace
        record = workspace.record
        self.trial.set("mlflow_run", record.run_id)
        self.trial.set("folder", workspace.folder.name)
        self.trial.set("stages", [_described(stage) for stage in stages(workspace)])
        allowed = workspace.config.schedule.max_epochs
        if allowed is None:
            return
        pools = {domain: len(pool.questions) for domain, pool in workspace.data.pools.items()}
        algorithm = workspace.config.algorithm
        beyond = availability(stages(workspace), algorithm.prompts_per_step, algorithm.rounds, pools, allowed)
        for domain, excess in beyond.items():
            self.trial.constrain(f"availability/{domain}", excess)
        domain = max(beyond, key=lambda name: beyond[name])
        if beyond[domain] > 0:
            words = (f"schedule.max_epochs={allowed:g}: the schedule draws {beyond[domain] + allowed:.2f} epochs of "
                     f"{domain}")  # fmt: skip
            if not self.trial.active:
                raise ConfigError(words)
            self.prune(words)

    def told(self, metrics: Mapping[str, float], rl_step: int) -> None:
        """An evaluation after so many RL steps. Raises Pruned where the study ends the trial."""
        if self.trial.active:
            value = outcome(self.before, metrics, self.workspace.config.evaluation.objective)
            import optuna  # seconds, so not outside a sweep

            try:
                self.trial.report(value, rl_step, prunable=self._past_the_boundary(rl_step))
            except optuna.TrialPruned:
                self.prune(f"after {rl_step} RL steps, at {value:.4f}")

    def ended(self, after: Mapping[str, float]) -> float:
        """The last evaluation: what came out, by domain for tables, and as the one number that the search looks at."""
        self.trial.set(MEASURED, measured(self.before, after))
        return outcome(self.before, after, self.workspace.config.evaluation.objective)

    def _past_the_boundary(self, rl_step: int) -> bool:
        """Whether the last stage has shown what it does: a schedule that begins with maths is not ended for that."""
        every = self.workspace.config.evaluation.during.every or 1
        return rl_step - stages(self.workspace)[-1].first_step >= every

    def prune(self, words: str) -> None:
        """End the pipeline; its run says so. Raises Pruned."""
        self.workspace.record.set_tags({TAG + "pruned": words})
        raise Pruned(words)


def _described(stage: schedule.Stage) -> dict[str, object]:
    return {"name": stage.name, "steps": stage.steps, "weights": dict(stage.weights)}
