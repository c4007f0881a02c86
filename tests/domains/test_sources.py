"""Where rows come from: kinds of files, folders, the Hub at a commit and without network, several sources together."""

import csv
import json
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hydra.utils import instantiate
from omegaconf import DictConfig

from ringexp.config.validate import typed, validate
from ringexp.domains.combined import combined
from ringexp.domains.placing import Loaded
from ringexp.domains.public import load_hub, load_jsonl, stream_hub
from ringexp.domains.reasoning import load_reasoning_gym
from ringexp.errors import ConfigError, DataError
from ringexp.tasks.data import load_pools

Composed = Callable[..., DictConfig]
FIXTURES = Path(__file__).parent / "fixtures"
COMMIT = "0123456789abcdef0123456789abcdef01234567"
OTHER = "f" * 40


def fixture(name: str) -> Path:
    return FIXTURES / f"{name}.jsonl"


def rows(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in fixture(name).read_text("utf-8").splitlines()]


def domain_of(name: str) -> str:
    return "science" if name == "gpqa" else "math" if name in ("gsm8k", "math500", "dapo", "deepscaler") else "code"


FLAT = ["gsm8k", "deepscaler", "apps", "livecodebench", "gpqa", "math500"]
NESTED = ["dapo", "code_contests", "humaneval", "ring_lite_rl_math"]


def parquet(name: str, path: Path, found: list[dict[str, Any]]) -> None:
    import pyarrow
    from pyarrow import parquet as files

    files.write_table(pyarrow.Table.from_pylist(found), path)


@pytest.mark.parametrize("name", FLAT + NESTED[:3])
def test_every_kind_of_file_gives_the_same_pool(tmp_path: Path, name: str) -> None:
    domain, found = domain_of(name), rows(name)
    expected = load_jsonl(fixture(name), name, domain)
    (tmp_path / "x.json").write_text(json.dumps(found))
    parquet(name, tmp_path / "x.parquet", found)
    suffixes = ["json", "parquet"]
    if name in FLAT:
        suffixes.append("csv")
        with (tmp_path / "x.csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, found[0])
            writer.writeheader()
            writer.writerows(found)
    for suffix in suffixes:
        pool, report = load_hub(str(tmp_path / f"x.{suffix}"), name, domain)
        assert (pool.fingerprint, report) == (expected.pool.fingerprint, expected.report), suffix
        assert pool.origin == {"path": str(tmp_path / f"x.{suffix}"), "rows": len(found)}


@pytest.fixture
def hub_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    import datasets
    from huggingface_hub import constants

    for module in (datasets.config, constants):
        monkeypatch.setattr(module, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "cache"


@pytest.mark.usefixtures("hub_cache")
@pytest.mark.parametrize("name", ["dapo", "code_contests"])
def test_a_folder_read_by_datasets_gives_the_same_pool_and_its_fingerprints(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "set"
    folder.mkdir()
    parquet(name, folder / "train.parquet", rows(name))
    pool, report = load_hub(str(folder), name, domain_of(name))
    expected = load_jsonl(fixture(name), name, domain_of(name))
    assert (pool.fingerprint, report) == (expected.pool.fingerprint, expected.report)
    assert re.fullmatch("[0-9a-f]{16,}", pool.origin["fingerprints"]["train"])


def test_files_that_are_not_what_they_are_called_are_named(tmp_path: Path) -> None:
    for name, content, message in (
        ("x.json", "[1, 2", "x.json: not JSON"),
        ("y.json", "[1]", "y.json, row 1: expected a JSON object, found int"),
        ("x.parquet", "PAR", "x.parquet, after row 0: not Parquet"),
        ("x.csv", "question,answer\n1,2,3\n", "x.csv, row 1: more or fewer values than the header has names"),
        ("y.csv", 'question,answer\nq,1\n"a"b,2\n', "y.csv, after row 1: not CSV"),
        ("z.csv", "question,answer,level\nq,1,two\n", "z.csv, row 1: field \"level\": expected a whole number"),
    ):
        (tmp_path / name).write_text(content)
        with pytest.raises(DataError, match=re.escape(message)):
            load_jsonl(tmp_path / name, "records")
    (tmp_path / "ok.csv").write_text("question,answer,level,trace\nq,007,2,t\n")
    (prompt,) = load_hub(str(tmp_path / "ok.csv"), "records", split="train").pool.train
    assert (prompt.answer, prompt.level, prompt.trace) == ("007", 2, "t")


@pytest.mark.parametrize("revision", [None, "main", "v1.0", COMMIT[:12], COMMIT.upper()])
def test_a_dataset_of_the_hub_without_a_commit_is_refused_with_the_mend(revision: str | None) -> None:
    with pytest.raises(ConfigError, match=r"'own/set' is pinned to no commit .*set data.pools.math.revision=<the 40"):
        load_hub("own/set", "records", revision=revision)


OFFLINE = """
import sys, time
from ringexp.domains.public import load_hub
from ringexp.errors import RingexpError
for options in ({}, {"files": {"train": "train.jsonl"}}):
    started = time.monotonic()
    try:
        load_hub("own/set", "records", revision=sys.argv[1], **options)
    except RingexpError as error:
        print(error, flush=True)
    print("seconds", time.monotonic() - started)
"""


def test_without_network_and_cache_one_line_says_so_at_once(tmp_path: Path) -> None:
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", OFFLINE, COMMIT], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    first, took, second, again = done.stdout.splitlines()
    for line, name in ((first, "'own/set'"), (second, "'own/set/train.jsonl'")):
        assert line.startswith(f"data.pools.math: cannot load dataset {name} of the Hub: ")
        assert "HF_HUB_OFFLINE is set, so it has to be in the cache" in line
        assert "give a local copy with data.pools.math.path=<file or folder>" in line
        assert len(line) < 500
    assert float(took.split()[1]) + float(again.split()[1]) < 30  # mostly the import of datasets


def in_datasets_cache(cache: Path, commit: str) -> None:
    """The fixture of GSM8K as `datasets` keeps a dataset of the Hub called own/set at a commit."""
    import datasets

    datasets.load_dataset("json", data_files={"train": str(fixture("gsm8k"))}, cache_dir=str(cache / "made"))
    made = next((cache / "made").rglob("dataset_info.json")).parent
    place = cache / "own___set" / "default" / "0.0.0" / commit
    place.parent.mkdir(parents=True)
    shutil.copytree(made, place)
    (place / "json-train.arrow").rename(place / "set-train.arrow")
    info = json.loads((place / "dataset_info.json").read_text())
    (place / "dataset_info.json").write_text(json.dumps(info | {"dataset_name": "set", "config_name": "default"}))


def test_a_cached_copy_is_used_only_at_the_pinned_commit(hub_cache: Path) -> None:
    in_datasets_cache(hub_cache, COMMIT)
    pool, report = load_hub("own/set", "gsm8k", revision=COMMIT)
    assert (report.read, pool.origin["revision"]) == (2, COMMIT)
    assert list(pool.origin["fingerprints"]["own/set"]) == ["train"]
    with pytest.raises(DataError, match=f"the cache holds 'own/set' at {COMMIT} and not at {OTHER}"):
        load_hub("own/set", "gsm8k", revision=OTHER)


def in_hub_cache(folder: Path, name: str, commit: str, files: dict[str, Path]) -> None:
    """Files as huggingface_hub keeps those of a dataset at a commit."""
    place = folder / f"datasets--{name.replace('/', '--')}" / "snapshots" / commit
    place.mkdir(parents=True)
    for file, source in files.items():
        shutil.copy(source, place / file)


@pytest.mark.usefixtures("hub_cache")
def test_a_configured_dataset_is_read_from_the_cache_without_network(tmp_path: Path, composed: Composed) -> None:
    config = typed(composed("data=apps", "schedule=code_only"))
    validate(config)
    own = config.data.pools["code"]
    with pytest.raises(DataError, match=r"cannot load dataset 'codeparrot/apps/train.jsonl' of the Hub"):
        load_pools(config.data)
    in_hub_cache(tmp_path / "hub", own["name_or_path"], own["revision"],
                 {"train.jsonl": fixture("apps"), "test.jsonl": fixture("apps")})  # fmt: skip
    pools, dropped = load_pools(config.data)
    assert len(pools["code"].test) == 3  # the same rows in training, which gives way
    assert dropped == {"in_evaluation": 3, "no_tests": 2}
    assert pools["code"].origin["revision"] == own["revision"]
    assert pools["code"].origin["files"] == {"train": ["train.jsonl"], "test": ["test.jsonl"]}


def sums(tmp_path: Path, name: str, numbers: range, **more: Any) -> str:
    path = tmp_path / f"{name}.jsonl"
    found = [{"question": f"What is {i}+1?", "answer": i + 1, **more} for i in numbers]
    path.write_text("".join(json.dumps(row) + "\n" for row in found))
    return str(path)


def loaded(tmp_path: Path, name: str, numbers: range, **options: Any) -> Loaded:
    return load_hub(sums(tmp_path, name, numbers), "records", **options)


def test_splits_of_different_sources_share_no_question(tmp_path: Path) -> None:
    train = loaded(tmp_path, "a", range(100), fractions=[0.9, 0.1, 0])
    more = loaded(tmp_path, "b", range(50, 150), split="train")
    test = loaded(tmp_path, "c", range(90, 110), split="test")
    pool, report = combined("math", {"one": train, "two": more}, test=test)
    assert {p.question for p in pool.test} == {f"What is {i}+1?" for i in range(90, 110)}
    everything = [p.question for s in (pool.train, pool.validation, pool.test) for p in s]
    assert sorted(everything) == sorted({f"What is {i}+1?" for i in range(150)})
    assert {p.question for p in pool.validation} == {p.question for p in train.pool.validation} - {
        p.question for p in pool.test}  # fmt: skip
    assert report.read == 220
    assert sum(report.kept.values()) + sum(report.dropped.values()) == report.read
    twice = sum(f"What is {i}+1?" in {p.question for p in train.pool.train} for i in range(50, 100))
    assert report.dropped == {"duplicate": twice, "in_evaluation": 70 - twice}  # 90–99 are there three times
    assert [o["path"] for o in pool.origin["train"]] == [str(tmp_path / "a.jsonl"), str(tmp_path / "b.jsonl")]
    again, _ = combined("math", {"one": train, "two": more}, test=test)
    assert again.fingerprint == pool.fingerprint


def test_a_question_of_the_test_set_leaves_training_whatever_its_answer(tmp_path: Path) -> None:
    train = loaded(tmp_path, "a", range(10), split="train")
    test = load_hub(sums(tmp_path, "b", range(3), trace="another way"), "records", split="test")
    validation = loaded(tmp_path, "c", range(20, 25), split="validation")
    pool, report = combined("math", train, validation, test)
    assert (len(pool.train), len(pool.validation), len(pool.test)) == (7, 5, 3)
    assert report.dropped == {"in_evaluation": 3}


def test_sources_give_their_own_rows_of_a_split_and_the_rest_is_counted(tmp_path: Path) -> None:
    train = loaded(tmp_path, "a", range(200))
    pool, report = combined("math", train, test=loaded(tmp_path, "b", range(500, 700)))
    other = load_hub(str(tmp_path / "b.jsonl"), "records")
    assert pool.test == other.pool.test
    assert report.dropped == {"unused": len(train.pool.test) + len(other.pool.train) + len(other.pool.validation)}
    with pytest.raises(ConfigError, match=r"data.pools.math.test: this source has no test prompt; set"):
        combined("math", train, test=loaded(tmp_path, "c", range(5), split="train"))
    with pytest.raises(ConfigError, match=r"data.pools.code.train: its prompts are of domain 'math'"):
        combined("code", train)


def test_the_configuration_trains_on_one_set_and_tests_on_another(composed: Composed, tmp_path: Path) -> None:
    config = typed(composed("data=aime24", "schedule=math_only", f"data.path={fixture('aime')}",
                            f"data.pools.math.train.solved.path={fixture('math')}",
                            f"data.pools.math.train.more.path={fixture('dapo')}"))  # fmt: skip
    validate(config)
    pools, dropped = load_pools(config.data)
    assert [p.answer for p in pools["math"].test] == ["60", "24", "27", "168"]
    assert {p.answer for p in (*pools["math"].train, *pools["math"].validation)} >= {"33", "-50"}
    assert dropped["no_answer"] == 1 and dropped["duplicate"] == 1
    bad = tmp_path / "bad.jsonl"
    bad.write_text('{"problem": "p"}\n')
    config = typed(composed("data=math500", "schedule=math_only", f"data.pools.math.train.path={bad}"))
    with pytest.raises(DataError, match=f'^{bad}, line 1: field "solution": missing'):
        load_pools(config.data)


def test_named_splits_are_mapped_left_out_or_overruled(tmp_path: Path) -> None:
    names = {"dev": 5, "prompt": 3, "train": 4}
    files = {split: f"{split}.jsonl" for split in names}
    for number, (split, count) in enumerate(names.items()):
        sums(tmp_path, split, range(100 * number, 100 * number + count))
    tables = {"files": files, "splits": {"prompt": None, "dev": "test"}, "revision": COMMIT}
    cache = tmp_path / "hub"
    in_hub_cache(cache, "own/set", COMMIT, {file: tmp_path / file for file in files.values()})
    with pytest.MonkeyPatch.context() as patch:
        from huggingface_hub import constants

        patch.setattr(constants, "HF_HUB_OFFLINE", True)
        patch.setattr(constants, "HF_HUB_CACHE", str(cache))
        pool, report = load_hub("own/set", "records", **tables)
        assert (len(pool.test), len(pool.train) + len(pool.validation), report.dropped) == (5, 4, {"unused": 3})
        assert len(load_hub("own/set", "records", split="test", **tables).pool.test) == 9
        dropped = Counter[str]()
        places = [row.place for row in stream_hub("own/set", "records", left_out=dropped, **tables)]
        assert (places[0], len(places), dropped) == ("own/set/dev.jsonl, line 1", 9, {"unused": 3})
    with pytest.raises(ConfigError, match=r"data\.pools\.math: unknown split 'dev'"):
        load_hub(str(tmp_path / "dev.jsonl"), "records", split="dev")


def test_a_source_can_be_built_by_hydra_alone(tmp_path: Path) -> None:
    component = {"_target_": "ringexp.domains.public.load_hub", "name_or_path": "own/set", "adapter": "records",
                 "path": sums(tmp_path, "a", range(3)), "split": "train"}  # fmt: skip
    assert len(instantiate(component).pool.train) == 3


def test_reasoning_gym_is_asked_for_by_name_where_it_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "reasoning_gym", None)
    with pytest.raises(ConfigError, match=r"pip install 'ringexp\[reasoning\]'"):
        load_reasoning_gym(["gcd"], 1, 1, 1, seed=0)
    with pytest.raises(ConfigError, match=r"data.pools.math.tasks=\['puzzle24'\]: give some of .*gcd"):
        load_reasoning_gym(["puzzle24"], 1, 1, 1, seed=0)


def test_reasoning_gym_gives_different_problems_the_same_for_the_same_seed() -> None:
    pytest.importorskip("reasoning_gym", reason="the extra ringexp[reasoning] is not installed")
    from ringexp.domains.adapters.reasoning import TASKS
    from ringexp.rewards.math import MathVerifier

    pool = load_reasoning_gym(TASKS, 64, 20, 36, seed=3)
    assert (len(pool.train), len(pool.validation), len(pool.test)) == (64, 20, 36)
    prompts = [*pool.train, *pool.validation, *pool.test]
    assert len({p.question for p in prompts}) == 120
    assert {p.kind for p in prompts} == set(TASKS)
    assert load_reasoning_gym(TASKS, 64, 20, 36, seed=3).fingerprint == pool.fingerprint
    longer = load_reasoning_gym(TASKS, 96, 20, 36, seed=3)
    assert (longer.test, longer.validation) == (pool.test, pool.validation)
    assert load_reasoning_gym(TASKS, 64, 20, 36, seed=4).fingerprint != pool.fingerprint
    verifier = MathVerifier()
    assert {v.reward for v in verifier.score(prompts, [f"\\boxed{{{p.answer}}}" for p in prompts])} == {1.0}
    others = verifier.score(prompts, [f"\\boxed{{{p.answer}}}" for p in prompts[1:] + prompts[:1]])
    right = [float(a.answer) if "/" not in a.answer else a.answer for a in prompts]
    assert [v.reward == 1 for v in others] == [a == b for a, b in zip(right, right[1:] + right[:1])]
    verifier.close()
