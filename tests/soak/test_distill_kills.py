"""SIGKILL at every kind of moment of a distillation: the same command ends in the same bytes."""

from pathlib import Path

import pytest
from pipelines import Store, ringexp, ringexp_killed
from teacher import contents, taught

from ringexp.curation.card import read_card

MOMENTS = ("set.work/.lock", "set.work/settings.json", "set.work/chunk-000000.jsonl", "set.work/chunk-000003.jsonl",
           ".set.partial/rows.parquet", "set/card.json")  # fmt: skip


@pytest.fixture(scope="module")
def command(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, ...]:
    return taught(tmp_path_factory.mktemp("taught"))[0]


@pytest.fixture(scope="module")
def whole(command: tuple[str, ...], tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("whole") / "set"
    done = ringexp(*command, f"distillation.output={folder}")
    assert done.returncode == 0, done.stderr[-3000:]
    return contents(folder)


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_killed_distillation_ends_as_the_uninterrupted_one(
    command: tuple[str, ...], whole: dict[str, str], tmp_path: Path, moment: str
) -> None:
    own = (*command, f"distillation.output={tmp_path}/set")
    ringexp_killed(*own, when=(tmp_path, moment))
    done = ringexp(*own)
    assert done.returncode == 0, done.stderr[-3000:]
    assert contents(tmp_path / "set") == whole
    assert {path.name for path in tmp_path.iterdir()} == {"set"}
    store = Store(Path(command[1].removeprefix("paths.store=")))
    (run,) = [run for run in store.kind("distillation") if run.data.tags["ringexp.output"] == f"{tmp_path}/set"]
    assert run.info.status == "FINISHED"
    assert run.data.tags["ringexp.dataset_version"] == read_card(tmp_path / "set").version
