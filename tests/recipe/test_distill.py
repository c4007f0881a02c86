"""task=distill for real and small: from a teacher that knows its problems by heart, killed on the way, to a student."""

import hashlib
import json
from collections import Counter
from pathlib import Path

import pytest
from pipelines import Store, ringexp, ringexp_killed, several

from ringexp.curation.card import Card, read_card
from ringexp.curation.dataset import read_rows
from ringexp.domains.pool import synthetic_pool
from ringexp.records import Outcome, Prompt
from ringexp.rewards.math import MathVerifier

TRAIN, VALIDATION, TEST = 48, 16, 16
LEARN = ("schedule=math_only", "~data.pools.code", "~data.pools.science", "selection=last", "rollout=transformers",
         f"data.pools.math.train={TRAIN + VALIDATION}", "data.pools.math.validation=16",
         f"data.pools.math.test={TEST}", "sft.max_steps=200", "sft.batch_size=16", "sft.checkpoint_every=200",
         "sft.probe.prompts=4", "sft.probe.validation=4")  # fmt: skip
SETTINGS = ("schedule=math_only", "distillation.teacher.checkpoint=sft", "distillation.chunk=16",
            "distillation.per_prompt=2", "distillation/keep=diverse")  # fmt: skip
POOL = synthetic_pool("math", TRAIN + VALIDATION, 0, TEST, 0, levels=[1], kinds=["add", "subtract", "word"])
"""What the teacher learns, and test problems that it has never seen."""


def asked() -> list[tuple[str, Prompt]]:
    """The problems of the teacher's training, some of them as validation prompts, and the unseen ones."""
    splits = ["train"] * TRAIN + ["validation"] * VALIDATION + ["test"] * TEST
    return list(zip(splits, (*POOL.train, *POOL.test), strict=True))


class Distilled:
    """The teacher's store, and two datasets by the same settings: one begun, killed and ended, one made at once."""

    def __init__(self, folder: Path) -> None:
        store, rows = f"paths.store={folder}", folder / "rows.jsonl"
        rows.write_text("".join(json.dumps({"question": p.question, "answer": p.answer, "split": split}) + "\n"
                                for split, p in asked()))  # fmt: skip
        taught = several(("task=sft", store, *LEARN), ("task=select", store, *LEARN))
        assert taught.returncode == 0, taught.stderr[-3000:]
        self.folder, self.killed, self.whole = folder, folder / "killed" / "set", folder / "whole" / "set"
        self.teacher = Store(folder).pipeline
        self.command = ("task=distill", store, "experiment_name=distilled", "data=jsonl", f"data.path={rows}",
                        *SETTINGS, f"distillation.teacher.run_id={self.teacher.info.run_id}")  # fmt: skip
        first = (*self.command, f"distillation.output={self.killed}")
        ringexp_killed(*first, when=(folder, "killed/set.work/chunk-000001.jsonl"))
        assert not self.killed.exists()
        self.left = {path.name: path.stat().st_mtime_ns for path in folder.glob("killed/set.work/chunk-*")}
        student = (f"paths.store={folder}/student", "task=sft", "schedule=math_only", "data=curated",
                   f"data.path={self.killed}", "sft.max_steps=2", "sft.checkpoint_every=2")  # fmt: skip
        self.done = several(first, first, (*self.command, f"distillation.output={self.whole}"), student)
        assert self.done.returncode == 0, self.done.stderr[-3000:]

    @property
    def card(self) -> Card:
        return read_card(self.killed)


@pytest.fixture(scope="module")
def distilled(tmp_path_factory: pytest.TempPathFactory) -> Distilled:
    return Distilled(tmp_path_factory.mktemp("distilled"))


def contents(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}


def test_killed_and_gone_on_with_it_is_bitwise_the_uninterrupted_one(distilled: Distilled) -> None:
    assert {"chunk-000000.jsonl", "chunk-000001.jsonl"} <= distilled.left.keys()
    assert len(distilled.left) < 4  # of 64 prompts
    assert contents(distilled.killed) == contents(distilled.whole)
    assert set(contents(distilled.killed)) == {"rows.parquet", "card.json", "README.md"}
    assert [path.name for path in distilled.killed.parent.iterdir()] == ["set"]
    said = [line for line in distilled.done.stderr.splitlines() if "distill: " in line and "prompts" in line]
    assert len(said) == 4 - len(distilled.left) + 4  # what was there is not drawn again, what is finished not at all
    assert distilled.done.stdout.count("with a trace") == 3


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
    assert [step for step, _ in store.history(killed, "distill/accepted")] == [16, 32, 48, 64]
    files = {file.path for file in store.client.list_artifacts(killed.info.run_id)}
    assert {"card.json", "README.md"} <= files


def test_a_student_trains_on_the_traces(distilled: Distilled) -> None:
    store = Store(distilled.folder / "student")
    sft = store.stage("sft")
    assert [step for step, _ in store.history(sft, "train/loss")] == [1, 2]
    profile = store.pipeline.inputs.dataset_inputs[0].dataset
    assert json.loads(profile.source)["version"] == distilled.card.version


@pytest.mark.parametrize(("overrides", "says"), [
    (("distillation.samples=3",), "was made with other settings (distillation.samples=4 there, 3 here)"),
    (("distillation.teacher.checkpoint=rl",), "the run has no such weights; it has sft"),
    (("distillation.teacher.run_id=null",), "distillation.teacher: give run_id="),
    (("distillation.teacher.run_id=0123",), "distillation.teacher.run_id=0123: MLflow at"),
    (("distillation.teacher.run_id=null", "distillation.teacher.path=/nonexistent"), "no model at /nonexistent"),
    (("distillation.max_response_tokens=9000",), "more than the teacher's 1024 positions"),
])  # fmt: skip
def test_bad_input_is_told_and_costs_nothing(distilled: Distilled, overrides: tuple[str, ...], says: str) -> None:
    before = contents(distilled.killed)
    done = ringexp(*distilled.command, f"distillation.output={distilled.killed}", *overrides)
    assert done.returncode == 2, done.stderr[-2000:]
    assert says in done.stderr
    assert contents(distilled.killed) == before
