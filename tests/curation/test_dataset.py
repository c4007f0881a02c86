"""The versioned dataset: equal bytes on a rerun, whole or not at all, checked against its card, read as pools."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from omegaconf import DictConfig

from ringexp.config.validate import typed
from ringexp.curation.card import About, Card, StepCount, read_card
from ringexp.curation.dataset import ROW_GROUP, DatasetWriter, Row, load_curated, read_rows
from ringexp.domains.pool import Pool, synthetic_pool
from ringexp.errors import DataError
from ringexp.records import Prompt
from ringexp.tasks.data import load_pools

ABOUT = About("made", [StepCount("clean", 3, 2, {"empty": 1}), StepCount("difficulty", 2, 2, skipped="no model")],
              settings={"seed": 0}, sources={"built-in": {"rows": 3}})  # fmt: skip


@pytest.fixture(scope="module")
def pools() -> list[Pool]:
    return [synthetic_pool(domain, 1100, 20, 30, 0, levels=[1]) for domain in ("math", "code")]


def write(folder: Path, pools: list[Pool], about: About = ABOUT) -> Card:
    with DatasetWriter(folder) as writer:
        for pool in pools:
            for split in ("train", "validation", "test"):
                for number, prompt in enumerate(getattr(pool, split)):
                    writer.add(Row(prompt, split, "built-in", f"row {number}", number / 7, 7))
        return writer.finish(about)


def contents(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}


def test_equal_rows_give_equal_bytes_and_another_row_another_version(tmp_path: Path, pools: list[Pool]) -> None:
    first, second = write(tmp_path / "a", pools), write(tmp_path / "b", pools)
    assert contents(tmp_path / "a") == contents(tmp_path / "b")
    assert set(contents(tmp_path / "a")) == {"rows.parquet", "card.json", "README.md"}
    assert (first.version, len(first.version)) == (second.version, 12)
    assert write(tmp_path / "c", pools[:1]).version != first.version
    assert pq.ParquetFile(tmp_path / "a" / "rows.parquet").metadata.row_group(0).num_rows == ROW_GROUP


def test_what_is_read_is_what_was_written(tmp_path: Path, pools: list[Pool]) -> None:
    card = write(tmp_path / "a", pools)
    assert read_card(tmp_path / "a") == card
    rows = list(read_rows(tmp_path / "a"))
    assert len(rows) == 2300
    assert rows[8] == Row(pools[0].train[8], "train", "built-in", "row 8", 8 / 7, 7)
    for pool in pools:
        loaded = load_curated(tmp_path / "a", pool.domain)
        assert loaded.pool == pool
        assert loaded.pool.fingerprint == pool.fingerprint
        assert loaded.report.kept == card.rows[pool.domain] == {"train": 1100, "validation": 20, "test": 30}


def test_the_readme_says_what_the_card_says(tmp_path: Path, pools: list[Pool]) -> None:
    card = write(tmp_path / "a", pools)
    text = (tmp_path / "a" / "README.md").read_text()
    assert f"# made, version {card.version}" in text
    assert "| math | 1100 | 20 | 30 |" in text
    assert "| clean | 3 | 2 | empty 1 |  |" in text
    assert "| difficulty | 2 | 2 | not run: no model | |" in text


def test_an_error_while_writing_leaves_nothing_and_a_dataset_is_never_written_over(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="row a: unknown split 'dev'"), DatasetWriter(tmp_path / "a") as writer:
        writer.add(Row(Prompt("a", "math", "1+1?", "2"), "dev"))
    with pytest.raises(DataError, match="no row is left"), DatasetWriter(tmp_path / "a") as writer:
        writer.finish(ABOUT)
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "a").mkdir()
    with pytest.raises(DataError, match="is there already"):
        DatasetWriter(tmp_path / "a")


def test_a_changed_file_is_an_error_that_names_it(tmp_path: Path, pools: list[Pool]) -> None:
    write(tmp_path / "a", pools)
    rows = tmp_path / "a" / "rows.parquet"
    table = pq.read_table(rows)
    answers = table["answer"].to_pylist()
    changed = table.set_column(4, table.schema.field("answer"), pa.array(["0", *answers[1:]], pa.string()))
    pq.write_table(changed, rows)
    with pytest.raises(DataError, match=r"rows.parquet: the rows are not those of the card"):
        load_curated(tmp_path / "a", "math")
    rows.write_bytes(rows.read_bytes()[:-100])
    with pytest.raises(DataError, match=r"rows.parquet: cannot be read"):
        load_curated(tmp_path / "a", "math")
    rows.unlink()
    with pytest.raises(DataError, match=r"rows.parquet: cannot be read"):
        load_curated(tmp_path / "a", "math")


@pytest.mark.parametrize(("text", "message"), [
    ("{", "not a card of ringexp"), ("[]", "not a card of ringexp"),
    ('{"format": 9}', "format 9, this version reads 1"),
])  # fmt: skip
def test_a_bad_card_is_an_error_that_names_it(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "card.json").write_text(text)
    with pytest.raises(DataError, match=message):
        read_card(tmp_path)
    with pytest.raises(DataError, match=r"no card.json there"):
        read_card(tmp_path / "elsewhere")


def test_data_curated_has_the_folders_domains(
    tmp_path: Path, pools: list[Pool], composed: Callable[..., DictConfig]
) -> None:
    write(tmp_path / "a", pools)
    config = typed(composed("data=curated", f"data.path={tmp_path / 'a'}"))
    assert config.data.sizes == {"math": 1100.0, "code": 1100.0, "science": 1.0}
    assert load_pools(config.data)[0] == {pool.domain: pool for pool in pools}
    with pytest.raises(DataError, match="no rows of domain 'science'; there are code, math"):
        load_curated(tmp_path / "a", "science")


def test_the_card_is_json_with_sorted_keys(tmp_path: Path, pools: list[Pool]) -> None:
    write(tmp_path / "a", pools)
    tree = json.loads((tmp_path / "a" / "card.json").read_text())
    assert list(tree) == sorted(tree)
    assert set(tree) == {"format", "name", "version", "fingerprint", "rows", "steps", "sources", "settings", "lineage",
                         "made_by", "counted"}  # fmt: skip
