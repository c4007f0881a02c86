"""A study in words."""

from datetime import datetime, timedelta
from typing import Any

from optuna.distributions import FloatDistribution
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState, create_trial

from ringexp.sweep.progress import line, ranked, table

BEGAN = datetime(2026, 1, 1)


def trial(number: int, state: TrialState, value: float | None, seconds: float = 60.0, **attributes: Any) -> FrozenTrial:
    constraint = attributes.pop("constraint", None)
    made = create_trial(state=state, value=value, params={"x": 0.5}, distributions={"x": FloatDistribution(0, 1)},
                        user_attrs=attributes, intermediate_values={3: 1.0})  # fmt: skip
    made.number, made.datetime_start = number, BEGAN
    made.datetime_complete = BEGAN + timedelta(seconds=seconds) if state.is_finished() else None
    if constraint is not None:
        made.system_attrs = {"constraints:seconds": constraint}
    return made


TRIALS = [
    trial(0, TrialState.COMPLETE, 0.5), trial(1, TrialState.COMPLETE, 0.75), trial(2, TrialState.PRUNED, None, 30),
    trial(3, TrialState.FAIL, None, 10, reason="ValueError: no"),
    trial(4, TrialState.FAIL, None, lost="died", reason="x"), trial(5, TrialState.RUNNING, None),
]  # fmt: skip


def test_a_line_after_a_trial() -> None:
    """Four counted, 40 s each; six are missing, two workers: two minutes. The lost one is nowhere counted."""
    assert line(TRIALS[1], TRIALS, StudyDirection.MAXIMIZE, 10) == (
        "trial 1 0.75 · best 0.75 (trial 1), 4/10 done, 1 pruned, 1 failed, 1 running, 2 min 0 s left")  # fmt: skip
    pruned = line(TRIALS[2], TRIALS, StudyDirection.MINIMIZE, 10)
    assert pruned.startswith("trial 2 pruned at step 3 · best 0.5 (trial 0)")
    assert "trial 3 failed: ValueError: no ·" in line(TRIALS[3], TRIALS, StudyDirection.MINIMIZE, 10)
    assert "trial 4 lost: x ·" in line(TRIALS[4], TRIALS, StudyDirection.MINIMIZE, 10)


def test_the_best_keep_their_constraints() -> None:
    trials = [*TRIALS[:2], trial(6, TrialState.COMPLETE, 0.9, constraint=1.0),
              trial(7, TrialState.COMPLETE, 0.8, constraint=0.0)]  # fmt: skip
    assert [t.constraints for t in trials[2:]] == [{"seconds": 1.0}, {"seconds": 0.0}]
    assert [t.number for t in ranked(trials, StudyDirection.MAXIMIZE)] == [7, 1, 0]
    assert table(trials, StudyDirection.MAXIMIZE).row_count == 3
