"""task=distill for real and small: from a teacher that knows its problems by heart, killed on the way, to a student."""

import json
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from omegaconf import DictConfig
from pipelines import Store, finished, ringexp_killed
from teacher import TEST, TRAIN, VALIDATION, asked, contents, taught

from ringexp.config.validate import typed
from ringexp.curation.card import Card, read_card
from ringexp.curation.dataset import read_rows
from ringexp.errors import ConfigError, RingexpError, StorageError
from ringexp.records import Outcome
from ringexp.rewards.math import MathVerifier
from ringexp.tasks.opening import open_store
from ringexp.tasks.saved_model import SavedModel
from ringexp.tasks.teacher import find_teacher


class Distilled:
    """The teacher's store, and two datasets by the same settings: one begun, killed and ended, one made at once."""

    def __init__(self, folder: Path) -> None:
        self.command, self.training = taught(folder)
        self.teacher = Store(folder).pipeline
        self.folder, self.killed, self.whole = folder, folder / "killed" / "set", folder / "whole" / "set"
        first = (*self.command, f"distillation.output={self.killed}")
        ringexp_killed(*first, when=(folder, "killed/set.work/chunk-000001.jsonl"))
        assert not self.killed.exists()
        self.left = {path.name: path.stat().st_mtime_ns for path in folder.glob("killed/set.work/chunk-*")}
        student = ("task=sft", f"paths.store={folder}/student", "schedule=math_only", "data=curated",
                   f"data.path={self.killed}", "data.max_trace_tokens=72", "rollout=transformers", "sft.max_steps=2",
                   "sft.checkpoint_every=2", "sft.probe.prompts=2", "sft.probe.validation=2")  # fmt: skip
        self.done = finished(first, first, (*self.command, f"distillation.output={self.whole}"), student)

    @property
    def card(self) -> Card:
        return read_card(self.killed)


@pytest.fixture(scope="module")
def distilled(tmp_path_factory: pytest.TempPathFactory) -> Distilled:
    return Distilled(tmp_path_factory.mktemp("distilled"))


def test_killed_and_gone_on_with_it_is_bitwise_the_uninterrupted_one(distilled: Distilled) -> None:
    assert {"chunk-000000.jsonl", "chunk-000001.jsonl"} <= distilled.left.keys()
    assert len(distilled.left) < 4  # of 32 prompts
    assert contents(distilled.killed) == contents(distilled.whole)
    assert set(contents(distilled.killed)) == {"rows.parquet", "card.json", "README.md"}
    assert [path.name for path in distilled.killed.parent.iterdir()] == ["set"]
    said = [done.stderr.count("accepted, ") for done in distilled.done[:3]]
    assert said == [4 - len(distilled.left), 0, 4]  # what was there is not drawn again, what is finished not at all
    assert all("with a trace" in done.stdout for done in distilled.done[:3])


def test_every_trace_is_right_and_no_test_prompt_has_one(distilled: Distilled) -> None:
    rows = list(read_rows(distilled.killed))
    found = list(dict.fromkeys((row.split, row.prompt.question, row.prompt.answer) for row in rows))
    assert found == [(split, p.question, p.answer) for split, p in asked()]
    traced = [row for row in rows if row.prompt.trace]
    assert {row.split for row in traced} == {"train", "validation"}
    assert len({row.place for row in traced if row.split == "train"}) > 0.8 * TRAIN  # it knows them by heart
    assert len([row for row in rows if row.split == "validation"]) == VALIDATION  # with one trace each at most
    verifier = MathVerifier()
    verdicts = verifier.score([row.prompt for row in traced], [row.prompt.trace or "" for row in traced])
    verifier.close()
    assert {verdict.outcome for verdict in verdicts} == {Outcome.CORRECT}
    kept = [row for row in traced if row.split == "train"]
    assert max(Counter(row.place for row in kept).values()) == 2
    assert len({(row.place, row.prompt.trace) for row in kept}) == len(kept)
    assert all(row.samples == 4 and row.solve_rate > 0 for row in traced)


def test_the_card_says_where_the_traces_come_from(distilled: Distilled) -> None:
    card, run = distilled.card, distilled.teacher
    teacher = card.about.lineage["teacher"]
    assert (teacher["run_id"], teacher["checkpoint"]) == (run.info.run_id, "sft")
    weights = distilled.folder / teacher["weights"]
    assert (weights / "model.safetensors").is_file()
    assert len(teacher["weights_hash"]) == 64
    train, validation = card.about.steps
    assert (train.step, train.rows_in, validation.rows_in) == ("math, train", TRAIN * 4, VALIDATION * 4)
    for step in card.about.steps:
        assert step.rows_in == step.rows_out + sum(step.dropped.values())
    untraced = TRAIN - train.kept["prompts_with_trace"]
    assert card.rows["math"] == {"train": train.rows_out + untraced, "validation": VALIDATION, "test": TEST}


def test_the_record_holds_settings_counts_and_card(distilled: Distilled) -> None:
    store = Store(distilled.folder)
    runs = store.kind("distillation")  # the killed one was gone on with
    assert [run.data.tags["ringexp.dataset_version"] for run in runs] == [distilled.card.version] * 2
    assert {run.info.status for run in store.runs} == {"FINISHED"}
    (killed,) = [run for run in runs if run.data.tags["ringexp.output"] == str(distilled.killed)]
    assert killed.data.params["teacher_run"] == distilled.teacher.info.run_id
    assert (killed.data.params["keep"], killed.data.params["per_prompt"]) == ("diverse", "2")
    train = distilled.card.about.steps[0]
    assert killed.data.metrics["distill/pass_at_1/math"] == pytest.approx(train.kept["correct"] / train.rows_in)
    assert killed.data.metrics["distill/traces/math"] == train.rows_out
    assert [step for step, _ in store.history(killed, "distill/accepted")] == [8, 16, 24, 32]
    files = {file.path for file in store.client.list_artifacts(killed.info.run_id)}
    assert {"card.json", "README.md"} <= files


def test_what_is_fine_tuned_alone_is_evaluated_without_rl(distilled: Distilled) -> None:
    assert "final/sft/math/pass_at_1" in distilled.teacher.data.metrics
    assert "rl-math is not finished: neither it nor what follows is evaluated" in distilled.training


def test_a_student_trains_on_the_traces(distilled: Distilled) -> None:
    store = Store(distilled.folder / "student")
    sft = store.stage("sft")
    assert [step for step, _ in store.history(sft, "train/loss")] == [1, 2]
    profile = store.pipeline.inputs.dataset_inputs[0].dataset
    assert json.loads(profile.source)["version"] == distilled.card.version


@pytest.mark.parametrize(("overrides", "says"), [
    (("checkpoint=rl",), "distillation.teacher.checkpoint=rl: the run has no such weights; it has sft"),
    (("run_id=null",), "distillation.teacher: give run_id="),
    (("path=/nonexistent",), "distillation.teacher: give run_id="),
    (("run_id=0123",), "distillation.teacher.run_id=0123: MLflow at"),
    (("run_id=null", "path=/nonexistent"), "no model at /nonexistent"),
])  # fmt: skip
def test_a_teacher_that_is_not_there_is_named(
    distilled: Distilled, composed: Callable[..., DictConfig], overrides: tuple[str, ...], says: str
) -> None:
    with pytest.raises(RingexpError) as caught:
        found(distilled, composed, *overrides)
    assert says in str(caught.value)


def found(distilled: Distilled, composed: Callable[..., DictConfig], *overrides: str, tokens: int = 96) -> SavedModel:
    config = typed(composed(*distilled.command[1:], f"distillation.max_response_tokens={tokens}",
                            *(f"distillation.teacher.{override}" for override in overrides)))  # fmt: skip
    return find_teacher(config, open_store(config))


def test_a_folder_is_a_teacher_too_unless_it_is_damaged_or_too_small(
    distilled: Distilled, composed: Callable[..., DictConfig], tmp_path: Path
) -> None:
    recorded = found(distilled, composed)
    copy = shutil.copytree(recorded.folder, tmp_path / "copy")
    by_path = ("run_id=null", f"path={copy}")
    assert found(distilled, composed, *by_path).lineage["weights_hash"] == recorded.lineage["weights_hash"]
    with pytest.raises(ConfigError, match="max_response_tokens=900: with data"):
        found(distilled, composed, *by_path, tokens=900)
    weights = copy / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"x")
    with pytest.raises(StorageError, match=r"damaged \(model.safetensors is not what was written\)"):
        found(distilled, composed, *by_path)
