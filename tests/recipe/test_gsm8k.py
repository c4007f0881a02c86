"""Real rows of GSM8K through the whole recipe, shrunk."""

from pathlib import Path

import pytest
from pipelines import Store, ringexp

ROWS = Path(__file__).parents[3] / "shared" / "data" / "gsm8k_train_2000.jsonl"


@pytest.mark.skipif(not ROWS.is_file(), reason="needs GSM8K rows at ../shared/data/gsm8k_train_2000.jsonl")
def test_gsm8k_rows_run_through_the_pipeline(tmp_path: Path) -> None:
    done = ringexp(f"paths.store={tmp_path}", "data=gsm8k", f"data.path={ROWS}", "schedule=math_only",
                   "sft.max_steps=10", "trainer.max_steps=2")  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    store = Store(tmp_path)
    assert {run.info.status for run in store.runs} == {"FINISHED"}
    assert store.pipeline.data.params["data"] == "gsm8k"
    assert store.pipeline.data.metrics["data/long_prompts"] >= 0
