"""The work folder: whole chunks, the same settings; the output that is made once."""

from pathlib import Path

import pytest

from ringexp.curation.card import About, Card, read_card
from ringexp.curation.dataset import DatasetWriter, Row
from ringexp.distillation.work import Answered, Work
from ringexp.errors import ConfigError, RecordError, StorageError
from ringexp.records import Prompt
from ringexp.tasks.dataset import made_once

SETTINGS = {"seed": 1, "filters": {"length": {"most": 72}}, "splits": ["train"]}
ANSWERS = [Answered("a", ("kept", "wrong"), 1, ("1+1=2\n\u2028",), (5,)), Answered("b", ("wrong", "wrong"))]


def test_a_chunk_is_read_as_it_was_stored(tmp_path: Path) -> None:
    work = Work(tmp_path / "set.work", SETTINGS)
    assert work.chunk(0) is None
    work.store(0, ANSWERS)
    again = Work(tmp_path / "set.work", SETTINGS)
    assert again.chunk(0) == ANSWERS
    assert again.chunk(1) is None


@pytest.mark.parametrize(("changes", "named"), [
    ({"seed": 2}, "(seed=1 there, 2 here)"),
    ({"filters": {"length": {"most": 73}}}, "filters.length.most=72 there, 73 here"),
    ({"splits": ["train", "validation"]}, "splits.1=None there, 'validation' here"),
])  # fmt: skip
def test_work_of_other_settings_is_refused_and_stays(tmp_path: Path, changes: dict[str, object], named: str) -> None:
    Work(tmp_path / "set.work", SETTINGS).store(0, ANSWERS)
    with pytest.raises(ConfigError, match="fresh=true") as caught:
        Work(tmp_path / "set.work", SETTINGS | changes)
    assert named in str(caught.value)
    assert Work(tmp_path / "set.work", SETTINGS).chunk(0) == ANSWERS


def test_a_damaged_chunk_is_named(tmp_path: Path) -> None:
    work = Work(tmp_path, SETTINGS)
    work.store(3, ANSWERS)
    file = tmp_path / "chunk-000003.jsonl"
    file.write_text(file.read_text()[:-9])
    with pytest.raises(StorageError, match=r"chunk-000003.jsonl: cannot be read .* delete the file"):
        work.chunk(3)


def make(folder: Path, seed: int, fresh: bool = False) -> Card:
    """As the tasks do: the dataset of these settings, unless it is there."""
    settings = {"seed": seed}
    with made_once("distillation.output", folder, settings, fresh=fresh) as work:
        assert work == folder.with_name("set.work")
        if not folder.exists():
            with DatasetWriter(folder) as writer:
                writer.add(Row(Prompt("p", "math", "?", str(seed))))
                writer.finish(About("set", [], settings=settings))
    return read_card(folder)


def test_a_finished_dataset_is_known_by_its_settings(tmp_path: Path) -> None:
    card = make(tmp_path / "set", 1)
    assert make(tmp_path / "set", 1) == card
    with pytest.raises(ConfigError, match=r"made with other settings \(seed=1 there, 2 here\)"):
        make(tmp_path / "set", 2)
    assert read_card(tmp_path / "set") == card


def test_fresh_sets_a_dataset_aside_and_gone_on_with_it_is_not_begun_again(tmp_path: Path) -> None:
    old = make(tmp_path / "set", 1)
    again = made_once("distillation.output", tmp_path / "set", {"seed": 2}, fresh=True)
    with pytest.raises(KeyboardInterrupt), again as work:
        Work(work, SETTINGS).store(0, ANSWERS)
        raise KeyboardInterrupt
    aside = tmp_path / f"set.{old.version}"
    assert read_card(aside) == old
    with made_once("distillation.output", tmp_path / "set", {"seed": 2}, fresh=False) as work:
        assert Work(work, SETTINGS).chunk(0) == ANSWERS
    assert make(tmp_path / "set", 2) != old
    assert {path.name for path in tmp_path.iterdir()} == {"set", aside.name}


def test_two_processes_do_not_make_one_dataset(tmp_path: Path) -> None:
    first = made_once("distillation.output", tmp_path / "set", {}, fresh=False)
    with first, pytest.raises(RecordError, match="another process"):
        make(tmp_path / "set", 1, fresh=True)


def test_what_is_no_dataset_stays(tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "thesis.txt").write_text("years of work")
    with pytest.raises(ConfigError, match="is there and no dataset"):
        make(tmp_path / "set", 1, fresh=True)
    assert (tmp_path / "set" / "thesis.txt").is_file()
