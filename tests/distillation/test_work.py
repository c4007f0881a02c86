"""The work folder: whole chunks, the same settings, and what takes the place of what."""

from pathlib import Path

import pytest

from ringexp.curation.card import About, Card, read_card
from ringexp.curation.dataset import Row
from ringexp.distillation.work import Answered, Work
from ringexp.errors import ConfigError, DataError, StorageError
from ringexp.records import Prompt
from ringexp.tasks.dataset import Output

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
    ({"seed": 2}, "(seed)"), ({"filters": {"length": {"most": 73}}}, "(filters.length.most)"),
    ({"splits": ["train", "validation"]}, "(splits.1)"), ({"filters": {}}, "(filters, filters.length.most)"),
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


def output(folder: Path, **settings: object) -> Output:
    return Output("distillation.output", folder, About("set", [], settings=settings, made_by={"git_commit": "x"}))


def make(place: Output, answer: str) -> Card:
    Work(place.work, place.work_settings)
    with place.writer() as writer:
        writer.add(Row(Prompt("p", "math", "?", answer)))
        return writer.finish(place.about)


def test_a_finished_dataset_is_known_by_its_causes(tmp_path: Path) -> None:
    one, other = output(tmp_path / "set", seed=1), output(tmp_path / "set", seed=2)
    assert one.finished(fresh=False) is None
    card = make(one, "1")
    assert not one.work.exists()
    assert one.finished(fresh=False) == card
    with pytest.raises(ConfigError, match=r"is another dataset \(settings.seed\): name another folder, or replace it"):
        other.finished(fresh=False)
    assert read_card(tmp_path / "set") == card


def test_fresh_replaces_a_dataset_when_the_new_one_is_whole(tmp_path: Path) -> None:
    one, other = output(tmp_path / "set", seed=1), output(tmp_path / "set", seed=2)
    old = make(one, "1")
    assert other.finished(fresh=True) is None
    assert read_card(tmp_path / "set") == old
    Work(other.work, other.work_settings).store(0, ANSWERS)
    assert other.finished(fresh=False) is None  # begun by fresh=true, killed, and gone on with
    assert Work(other.work, other.work_settings).chunk(0) == ANSWERS
    new = make(other, "2")
    assert read_card(tmp_path / "set") == new != old
    assert [path.name for path in tmp_path.iterdir()] == ["set"]


def test_an_error_while_writing_leaves_the_old_dataset(tmp_path: Path) -> None:
    one, other = output(tmp_path / "set", seed=1), output(tmp_path / "set", seed=2)
    old = make(one, "1")
    other.finished(fresh=True)
    with pytest.raises(DataError, match="split"), other.writer() as writer:
        writer.add(Row(Prompt("p", "math", "?", "1"), split="no such"))
    assert read_card(tmp_path / "set") == old


def test_nothing_but_a_dataset_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "thesis.txt").write_text("years of work")
    with pytest.raises(DataError, match=r"card\.json"):
        output(tmp_path / "set").finished(fresh=True)
    assert (tmp_path / "set" / "thesis.txt").is_file()
