"""The whole recipe, for real and small: vLLM generates, Lightning trains, MLflow stores."""

import json
import signal
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from pipelines import Done, Store, finished, ringexp, ringexp_killed, several

from ringexp.tracking.names import describe
from ringexp.training.checkpoint import latest, step_of

RL = ("rl-math", "rl-code_science")
STAGES = {"sft", "select", "evaluate-sft", *RL, *(f"evaluate-{stage}" for stage in RL)}
DOMAINS = ("code", "math", "science")
GSM8K = Path(__file__).parents[3] / "shared" / "data" / "gsm8k_train_2000.jsonl"
GSM8K_SMALL = ("schedule=math_only", "sft.max_steps=10", "sft.checkpoint_every=10", "trainer.max_steps=2")
PLANTED = {"HF_TOKEN": "hf_plantedTokenOfATest", "MLFLOW_TRACKING_PASSWORD": "plantedPassword99"}


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Store:
    folder = tmp_path_factory.mktemp("first")
    own = (f"paths.store={folder}", "seed=3", f"tracking.artifacts={folder}/artifacts", "progress=true")
    done = ringexp(*own, **PLANTED)
    assert done.returncode == 0, done.stderr[-3000:]
    assert all(f"\nringexp: {stage}: step " in done.stderr for stage in ("sft", *RL))  # no terminal: lines, no bar
    assert "\r" not in done.stdout + done.stderr
    assert all(row in done.stdout for row in ("sft", *RL, *DOMAINS))
    assert not any(value in done.stdout + done.stderr for value in PLANTED.values())
    return Store(folder)


def test_no_secret_of_the_environment_reaches_the_store(first: Store) -> None:
    files = [path for path in first.folder.rglob("*") if path.is_file()]
    assert any(path.name == "lock.txt" for path in files)
    for path in files:
        content = path.read_bytes()
        assert not any(value.encode() in content for value in PLANTED.values()), path


def test_where_the_run_came_from_is_recorded(first: Store) -> None:
    tags = first.pipeline.data.tags
    assert tags["ringexp.command"].startswith("ringexp debug=fast ")
    assert tags["ringexp.code_isolation"] == "bubblewrap"
    assert {"ringexp.git_commit", "ringexp.lock_hash", "ringexp.data_fingerprint", "ringexp.tokenizer_fingerprint",
            "ringexp.hardware.processor", "ringexp.version.torch"} <= tags.keys()  # fmt: skip
    files = {file.path for file in first.client.list_artifacts(first.pipeline.info.run_id)}
    assert {"config.yaml", "lock.txt", "sources.json", "hardware.json", "summary.json"} <= files


def test_every_stage_is_recorded(first: Store) -> None:
    assert {run.data.tags["ringexp.stage"] for run in first.kind("stage")} == STAGES
    assert {run.info.status for run in first.runs} == {"FINISHED"}
    assert all(run.data.tags["mlflow.parentRunId"] == first.pipeline.info.run_id for run in first.kind("stage"))
    for run in first.runs:
        for key in run.data.metrics:
            if not key.startswith("system/"):
                describe(key)
    assert any(key.startswith("system/") for run in first.runs for key in run.data.metrics)


def test_one_increasing_step_axis(first: Store) -> None:
    assert [step for step, _ in first.history(first.stage("sft"), "train/loss")] == list(range(1, 21))
    assert [step for step, _ in first.history(first.stage(RL[0]), "reward/mean")] == list(range(21, 25))
    assert [step for step, _ in first.history(first.stage(RL[1]), "reward/mean")] == list(range(25, 29))
    assert [step for step, _ in first.history(first.pipeline, "train/loss")] == list(range(1, 29))


def test_final_metrics_are_the_evaluations(first: Store) -> None:
    for checkpoint, stage in (("sft", "evaluate-sft"), ("rl", f"evaluate-{RL[1]}")):
        for domain in (*DOMAINS, "mean"):
            final = first.pipeline.data.metrics[f"final/{checkpoint}/{domain}/pass_at_1"]
            assert final == first.stage(stage).data.metrics[f"eval/{domain}/pass_at_1"]


def test_selection_is_a_query_over_registered_checkpoints(first: Store) -> None:
    models = _models(first)
    assert sorted(int(m.params["step"]) for m in models) == [5, 10, 15, 20]
    by_step = {int(m.params["step"]): {x.key: x.value for x in m.metrics} for m in models}
    centre = 0.5 * sum(_band(first))
    nearest = min(by_step, key=lambda step: abs(by_step[step]["entropy/rollout"] - centre))
    assert int(first.stage("select").data.tags["ringexp.selected_step"]) == nearest
    assert {"val/loss", "entropy/teacher_forced", "eval/mean/pass_at_1"} <= by_step[5].keys()
    files = [f.path for f in first.client.list_artifacts(first.stage("select").info.run_id)]
    assert {"selection.json", "selection.png"} <= set(files)


def _band(store: Store) -> tuple[float, float]:
    from omegaconf import OmegaConf

    (path,) = store.folder.glob("*/config.yaml")
    rule = OmegaConf.load(path).selection.rule
    return rule.low, rule.high


def test_engine_agrees_with_trainer_in_every_step(first: Store) -> None:
    for stage in RL:
        history = first.history(first.stage(stage), "mismatch/p999_logprob")
        assert len(history) == 4
        assert max(value for _, value in history) <= 1e-4


@pytest.mark.parametrize("stage", RL)
def test_the_budget_is_kept(first: Store, stage: str) -> None:
    rl = first.stage(stage)
    for (_, tokens), (_, fill) in zip(
        first.history(rl, "budget/tokens"), first.history(rl, "budget/fill"), strict=True
    ):
        assert tokens == 400  # 16 untrained responses are long
        assert fill == 1


def test_each_stage_mixes_its_own_domains_under_its_own_limit(first: Store) -> None:
    """Four prompts a step: stage 2 wants 1.33 of code and 2.67 of science; its responses may be a third longer."""
    maths, mixed = (first.stage(stage) for stage in RL)
    assert [value for _, value in first.history(maths, "mixture/realised/math")] == [1.0] * 4
    assert "mixture/realised/code" not in maths.data.metrics
    for domain, weight in (("code", 1 / 3), ("science", 2 / 3)):
        assert [value for _, value in first.history(mixed, f"mixture/target/{domain}")] == pytest.approx([weight] * 4)
        assert all(abs(4 * value - 4 * weight) < 1 for _, value in first.history(mixed, f"mixture/realised/{domain}"))
    assert [max(value for _, value in first.history(run, "length/max")) for run in (maths, mixed)] == [72, 96]


def test_every_domain_is_measured_by_itself(first: Store) -> None:
    mixed, sft, evaluated = first.stage(RL[1]), first.stage("sft"), first.stage("evaluate-sft")
    for name in ("reward", "length", "entropy/rollout", "group/zero_variance", "outcome/correct"):
        assert {f"{name}/code", f"{name}/science"} <= mixed.data.metrics.keys()
    for domain in DOMAINS:
        assert f"entropy/rollout/{domain}" in {m.key for model in _models(first) for m in model.metrics}
        assert {f"eval/{domain}/pass_at_1", f"eval/{domain}/outcome/unparsable"} <= evaluated.data.metrics.keys()
    assert sft.data.metrics.keys().isdisjoint({"reward/mean"})


def _models(store: Store) -> list[Any]:
    sft = store.stage("sft")
    experiments = [sft.info.experiment_id]
    return list(store.client.search_logged_models(experiments, filter_string=f"source_run_id = '{sft.info.run_id}'"))


def test_sample_table_and_summary(first: Store) -> None:
    tables = first.stage("evaluate-sft").data.tags["mlflow.loggedArtifacts"]
    assert "samples.json" in tables
    for stage, steps in zip(RL, ((22, 24), (26, 28)), strict=True):
        files = first.client.list_artifacts(first.stage(stage).info.run_id, "samples")
        assert [file.path for file in files] == [f"samples/step_{step:06d}.json" for step in steps]
    summary = first.summary()
    assert summary["evaluations"][-1]["pass_at_1"]["mean"] == first.pipeline.data.metrics["final/rl/mean/pass_at_1"]


def test_asked_to_stop_in_sft_and_killed_in_rl_it_continues_as_if_it_had_not_been(first: Store, tmp_path: Path) -> None:
    overrides = (f"paths.store={tmp_path}", "seed=3")
    asked = ringexp_killed(*overrides, when=(tmp_path, "*/sft-*/step-000010"), sig=signal.SIGTERM)
    assert asked == 128 + signal.SIGTERM
    assert {run.info.status for run in Store(tmp_path).runs} == {"KILLED"}
    (folder,) = tmp_path.glob("*/sft-*")
    saved = latest(folder)
    assert saved is not None and 10 <= step_of(saved) < 15  # where asked while step 10 is saved, nothing more is kept
    ringexp_killed(*overrides, when=(tmp_path, "*/rl-code_science-*/step-000002"))
    assert not list(tmp_path.glob("*/sft-*/interrupted"))
    (done,) = finished(overrides)
    assert "continuing" in done.stderr
    store = Store(tmp_path)
    assert {run.info.status for run in store.runs} == {"FINISHED"}
    assert store.histories() == first.histories()
    assert [c["step"] for c in json.loads(_table(store))] == [5, 10, 15, 20]


def _table(store: Store) -> str:
    path = store.client.download_artifacts(store.stage("select").info.run_id, "selection.json")
    table = json.loads(Path(path).read_text())
    return json.dumps([dict(zip(table["columns"], row, strict=True)) for row in table["data"]])


def test_what_another_run_has_trained_is_taken_over_and_changes_nothing(first: Store, third: Store) -> None:
    """Only the second stage is left to train; the rest looks as if it had been trained here."""
    reused = {run.data.tags["ringexp.stage"] for run in third.kind("stage") if "ringexp.reused_from" in run.data.tags}
    assert reused == {"sft", "select", "evaluate-sft", "rl-math", "evaluate-rl-math"}
    assert json.loads(_table(third)) == json.loads(_table(first))
    assert third.summary()["evaluations"] == first.summary()["evaluations"]
    for table in ("samples/sft.json", "samples/rl-math.json"):
        ours, theirs = (x.client.download_artifacts(x.pipeline.info.run_id, table) for x in (third, first))
        assert json.loads(Path(ours).read_text()) == json.loads(Path(theirs).read_text())


class Repeated(NamedTuple):
    """The run as `third` has it, and `first` as it was after its own command was given again."""

    third: Store
    again: Done
    runs: int
    histories: dict[tuple[str, str], list[tuple[int, float]]]


@pytest.fixture(scope="module")
def repeated(first: Store, tmp_path_factory: pytest.TempPathFactory) -> Repeated:
    """`first` again, third in a process, store and engine of its own, after another seed and another second stage; then
    the command of `first` once more, in its own store.
    """
    folder = tmp_path_factory.mktemp("third")
    other = ("-m", f"paths.store={folder}", "seed=2,3", "schedule.stages.1.weights.science=0")
    _, done, again = finished(other, (f"paths.store={folder}", "seed=3"), (f"paths.store={first.folder}", "seed=3"))
    assert "sft reused" in done.stdout
    pipelines = Store(folder).kind("pipeline")
    assert len(pipelines) == 3
    after = Store(first.folder)
    return Repeated(Store(folder, pipelines[-1].info.run_id), again, len(after.runs), after.histories())


@pytest.fixture(scope="module")
def third(repeated: Repeated) -> Store:
    return repeated.third


@pytest.fixture(scope="module")
def later(first: Store, repeated: Repeated) -> dict[str, Done]:
    """Commands over the recorded run, in one process; `repeated` has been before."""
    store, run_id = f"paths.store={first.folder}", f"run_id={first.pipeline.info.run_id}"
    grpo = (store, "selection=last", "algorithm=grpo", run_id, "seed=3")
    commands: dict[str, tuple[str, ...]] = {
        "rule": (store, "task=select", "selection=last", run_id, "experiment_name=another"),
        "data": (store, "task=select", run_id, "data.pools.math.train=500"),
        **{task: (f"task={task}", *grpo) for task in ("select", "rl", "evaluate")},
    }
    if GSM8K.is_file():
        commands["gsm8k"] = (f"paths.store={first.folder}/gsm8k", "data=gsm8k", f"data.path={GSM8K}", *GSM8K_SMALL)
    return dict(zip(commands, several(*commands.values()), strict=True))


def test_finished_run_is_shown_not_repeated(first: Store, repeated: Repeated) -> None:
    assert all(row in repeated.again.stdout for row in ("sft", *RL, *DOMAINS))
    assert repeated.runs == len(first.runs)


def test_another_rule_over_a_recorded_run(later: dict[str, Done]) -> None:
    assert later["rule"].returncode == 0, later["rule"].stderr[-3000:]
    assert later["rule"].stdout.startswith("step 20: the last of 4 checkpoints")


def test_a_recorded_pipeline_keeps_its_own_numbers(first: Store, repeated: Repeated, later: dict[str, Done]) -> None:
    """RL with another algorithm, and its evaluation, are stages of their own; the pipeline's curves and finals stay."""
    assert not any(later[task].returncode for task in ("select", "rl", "evaluate")), later["rl"].stderr[-3000:]
    after = Store(first.folder)
    assert after.pipeline.info.status == "FINISHED"
    own = {key: value for key, value in repeated.histories.items() if key[0] == first.pipeline.info.run_name}
    assert own
    assert {key: value for key, value in after.histories().items() if key in own} == own
    rl = [run for run in after.kind("stage") if run.data.tags["ringexp.stage"] == "rl-math"]
    assert len(rl) == 2
    assert len({run.data.tags["ringexp.weights"] for run in rl}) == 2


@pytest.mark.skipif(not GSM8K.is_file(), reason="needs GSM8K rows at ../shared/data/gsm8k_train_2000.jsonl")
def test_gsm8k_rows_run_through_the_pipeline(first: Store, later: dict[str, Done]) -> None:
    assert later["gsm8k"].returncode == 0, later["gsm8k"].stderr[-3000:]
    store = Store(first.folder / "gsm8k")
    assert {run.info.status for run in store.runs} == {"FINISHED"}
    assert store.pipeline.data.params["data"] == "gsm8k"
    assert store.pipeline.data.metrics["data/long_prompts"] >= 0


def test_other_data_than_the_recorded_runs_are_refused(later: dict[str, Done]) -> None:
    assert later["data"].returncode == 2
    assert "data are not those of data=synthetic" in later["data"].stderr


def test_a_seed_repeats_bitwise_also_after_others_in_a_process(first: Store, third: Store) -> None:
    """Every history is equal to the last bit; times, speeds and system metrics are left out."""
    assert third.histories() == first.histories()


def test_no_point_is_stored_twice(first: Store) -> None:
    for run in first.runs:
        for key in run.data.metrics:
            if not key.startswith("system/"):
                steps = [step for step, _ in first.history(run, key)]
                assert len(steps) == len(set(steps)), (run.info.run_name, key)
