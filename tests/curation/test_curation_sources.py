"""Rows are had one at a time from every kind of pool, as the pool itself would have them; evaluation sets by split."""

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hydra.utils import instantiate

from ringexp.curation.card import About
from ringexp.curation.dataset import DatasetWriter, Row
from ringexp.curation.sources import Read, known_by, questions, stream
from ringexp.domains.placing import Loaded
from ringexp.errors import ConfigError, DataError

PUBLIC = "ringexp.domains.public."
Write = Callable[..., str]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def file(name: str, numbers: range, **more: Any) -> str:
        lines = [{"question": f"What is {i} + 1?", "answer": i + 1, **more} for i in numbers]
        (tmp_path / name).write_text("".join(json.dumps(line) + "\n" for line in lines))
        return str(tmp_path / name)

    return file


def by_split(component: dict[str, Any]) -> dict[str, list[str]]:
    """The ids of a streamed pool."""
    found: dict[str, list[str]] = {"train": [], "validation": [], "test": []}
    for row in stream({"math": component}, Counter()):
        found[row.split].append(row.prompt.id)
    return found


def pooled(component: dict[str, Any]) -> dict[str, list[str]]:
    """The ids of the pool itself."""
    built = instantiate(component)
    pool = built.pool if isinstance(built, Loaded) else built
    return {split: [p.id for p in getattr(pool, split)] for split in ("train", "validation", "test")}


def test_streams_are_the_pools_in_order(write: Write, tmp_path: Path) -> None:
    file = {"_target_": PUBLIC + "load_jsonl", "path": write("a.jsonl", range(200)), "adapter": "records"}
    hub = {"_target_": PUBLIC + "load_hub", "name_or_path": write("b.jsonl", range(60)), "adapter": "records"}
    built_in = {"_target_": "ringexp.domains.pool.synthetic_pool", "domain": "math", "train": 20, "validation": 5,
                "test": 5, "seed": 0}  # fmt: skip
    several = {"_target_": "ringexp.domains.combined.combined", "domain": "math", "train": {"one": file},
               "test": {**hub, "name_or_path": write("c.jsonl", range(500, 530)), "split": "test"}}  # fmt: skip
    for component in (file, hub, built_in, several):
        assert by_split(component) == pooled(component)
    with DatasetWriter(tmp_path / "set") as writer:
        for row in stream({"math": file}, Counter()):
            writer.add(row)
        writer.finish(About("set"))
    curated = {"_target_": "ringexp.curation.dataset.load_curated", "path": str(tmp_path / "set"), "domain": "math"}
    assert by_split(curated) == pooled(curated) == by_split(file)


def test_rows_know_where_they_stand_and_other_domains_are_dropped(write: Write) -> None:
    path = write("a.jsonl", range(6), split="train")
    with Path(path).open("a") as file:
        file.write('{"question": "How far?", "answer": "7 m", "domain": "science", "split": "train"}\n')
    component = {"_target_": PUBLIC + "load_jsonl", "path": path, "adapter": "records"}
    rows = list(stream({"math": component}, Counter()))
    assert [row.place for row in rows] == [f"{path}, line {i}" for i in range(1, 8)]
    judged = Read().judge(rows)
    assert (len(judged.kept), judged.dropped) == (6, {"other_domain": 1})


def test_what_adapters_leave_out_is_counted(tmp_path: Path) -> None:
    rows = [{"question": f"Q{i}", "answer": f"\\boxed{{{i}}}", "split": s} for i, s in enumerate(["train"] * 5)]
    (tmp_path / "a.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    left_out: Counter[str] = Counter()
    component = {"_target_": PUBLIC + "load_hub", "name_or_path": str(tmp_path / "a.jsonl"), "adapter": "records",
                 "splits": {"train": None}}  # fmt: skip
    with pytest.raises(DataError, match=r"data\.pools\.math: no training row"):
        list(stream({"math": component}, left_out))
    assert left_out == {"unused": 5}


def test_of_an_evaluation_set_the_held_out_rows_count_or_all(write: Write, make: Callable[..., Row]) -> None:
    plain = {"path": write("a.jsonl", range(30))}
    own = {"_target_": PUBLIC + "load_jsonl", "adapter": "records"}
    own["path"] = write("b.jsonl", range(40, 45), split="test")
    with Path(own["path"]).open("a") as file:
        file.write('{"question": "What is 90 + 1?", "answer": 91, "split": "train"}\n')
    held_out = Row(make("What is 3?").prompt, "validation")
    found = list(questions({"plain": plain, "own": own}, [held_out], Counter()))
    assert [question.set for question in found] == ["plain"] * 30 + ["own"] * 5 + ["math/validation"]
    assert found[2].id == f"{plain['path']}, line 3"
    only = {"path": write("c.jsonl", range(3), split="train")}
    with pytest.raises(DataError, match=r"curation\.against\.only: no validation or test row there"):
        list(questions({"only": only}, [], Counter()))


def test_wrong_arguments_name_the_pool() -> None:
    with pytest.raises(ConfigError, match=r"data\.pools\.math: .*adaptor"):
        list(stream({"math": {"_target_": PUBLIC + "load_jsonl", "path": "x", "adaptor": "records"}}, Counter()))


def test_data_are_known_by_their_content_wherever_their_path_stands(write: Write, tmp_path: Path) -> None:
    path = write("a.jsonl", range(3))
    tree = {"pools": {"math": {"train": {"one": {"path": path}}, "path": None, "name_or_path": "owner/name"}}}
    first = known_by(tree)
    assert list(first) == ["pools.math.train.one.path"]
    assert known_by({"x": {"path": write("same.jsonl", range(3))}}) == {"x.path": first["pools.math.train.one.path"]}
    assert known_by({"x": {"path": write("other.jsonl", range(4))}})["x.path"] != first["pools.math.train.one.path"]
