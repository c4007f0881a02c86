"""A teacher for tests: a small model that knows its training problems by heart, which is learned in seconds."""

import hashlib
import json
from pathlib import Path

from pipelines import Store, finished

from ringexp.domains.pool import synthetic_pool
from ringexp.records import Prompt

TRAIN, VALIDATION, TEST = 24, 8, 8
LEARN = ("schedule=math_only", "~data.pools.code", "~data.pools.science", "selection=last", "rollout=transformers",
         f"data.pools.math.train={TRAIN + VALIDATION}", "data.pools.math.validation=8",
         f"data.pools.math.test={TEST}", "model=ring_tiny_student", "sft.optimizer.lr=6e-3", "sft.max_steps=100",
         "sft.batch_size=16", "sft.checkpoint_every=100", "sft.probe.prompts=4", "sft.probe.validation=4",
         "evaluation.prompts=4")  # fmt: skip
SETTINGS = ("schedule=math_only", "distillation.teacher.checkpoint=sft", "distillation.chunk=8",
            "distillation.per_prompt=2", "distillation/keep=diverse")  # fmt: skip
POOL = synthetic_pool("math", TRAIN + VALIDATION, 0, TEST, 0, levels=[1], kinds=["add", "subtract", "word"])
"""What the teacher learns, and test problems that it has never seen."""


def asked() -> list[tuple[str, Prompt]]:
    """The problems of the teacher's training, some of them as validation prompts, and the unseen ones."""
    splits = ["train"] * TRAIN + ["validation"] * VALIDATION + ["test"] * TEST
    return list(zip(splits, (*POOL.train, *POOL.test), strict=True))


def taught(folder: Path) -> tuple[tuple[str, ...], str]:
    """Train it in the store `folder`; the command that distils it, but for the output, and what training has said."""
    store, rows = f"paths.store={folder}", folder / "rows.jsonl"
    rows.write_text("".join(json.dumps({"question": p.question, "answer": p.answer, "split": split}) + "\n"
                            for split, p in asked()))  # fmt: skip
    done = finished(*((f"task={task}", store, *LEARN) for task in ("sft", "select", "evaluate")))
    command = ("task=distill", store, "experiment_name=distilled", "data=jsonl", f"data.path={rows}", *SETTINGS,
               f"distillation.teacher.run_id={Store(folder).pipeline.info.run_id}")  # fmt: skip
    return command, done[-1].stderr


def contents(folder: Path) -> dict[str, str]:
    """The SHA-256 of every file."""
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}
