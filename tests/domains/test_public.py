"""Published data: adapters, places in error messages, division, duplicates, GSM8K as it is."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from ringexp.code_tests import FunctionTests, read_tests
from ringexp.domains.adapters.functions import humaneval
from ringexp.domains.adapters.math import gsm8k
from ringexp.domains.adapters.own import records
from ringexp.domains.public import load_hub, load_jsonl
from ringexp.errors import ConfigError, DataError
from ringexp.records import Outcome
from ringexp.rewards.math import MathVerifier

GSM8K = Path(__file__).resolve().parents[3] / "shared" / "data" / "gsm8k_train_2000.jsonl"
HUMANEVAL = GSM8K.with_name("humaneval_first60.jsonl")
needs_gsm8k = pytest.mark.skipif(not GSM8K.is_file(), reason="no ../shared/data/gsm8k_train_2000.jsonl beside the repo")


def write(path: Path, rows: list[Any]) -> Path:
    path.write_text("".join((r if isinstance(r, str) else json.dumps(r)) + "\n" for r in rows), encoding="utf-8")
    return path


def row(i: int, **more: Any) -> dict[str, Any]:
    return {"question": f"What is {i}+1?", "answer": i + 1, **more}


def test_gsm8k_adapter_removes_annotations_and_commas() -> None:
    text = "She has 48/2 = <<48/2=24>>24.\nIn all $<<1000+24=1024>>1,024.\n#### 1,024"
    fields = gsm8k({"question": " How many? ", "answer": text})
    assert (fields.question, fields.answer) == ("How many?", "1024")
    assert fields.trace == "She has 48/2 = 24.\nIn all $1,024.\nThe answer is \\boxed{1024}."


def test_records_adapter_reads_all_fields_and_numbers() -> None:
    full = {
        "prompt": "Q?",
        "answer": 7,
        "trace": "T",
        "domain": "science",
        "split": "test",
        "kind": "k",
        "level": 2,
    }
    fields = records(full)
    assert (fields.question, fields.answer, fields.trace) == ("Q?", "7", "T")
    assert (fields.domain, fields.split, fields.kind, fields.level) == ("science", "test", "k", 2)
    assert records({"question": "Q?", "answer": "x", "trace": None}).trace is None


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ("{nonsense", "line 2: not JSON: Expecting property name"),
        ("[1]", "line 2: expected a JSON object, found list"),
        ({"question": "q"}, 'line 2: field "answer": missing; the row has question'),
        ({"answer": "1"}, 'line 2: field "question": missing (or "prompt"); the row has answer'),
        ({"question": 3, "answer": "1"}, 'line 2: field "question": expected text, found int'),
        ({"question": " ", "answer": "1"}, 'line 2: field "question": empty'),
        ({"question": "q", "answer": True}, 'line 2: field "answer": expected text, found bool'),
        (row(1, split="dev"), "line 2: field \"split\": unknown split 'dev': use train, validation, test"),
        (row(1, level="hard"), "line 2: field \"level\": expected a whole number, found 'hard'"),
        ("[" * 100_000, "line 2: not JSON"),
    ],
)
def test_a_row_that_does_not_fit_is_named_by_file_line_and_field(tmp_path: Path, bad: Any, message: str) -> None:
    path = write(tmp_path / "x.jsonl", [row(0), bad, row(2)])
    with pytest.raises(DataError, match=re.escape(f"{path}, {message}")):
        load_jsonl(path, "records")


@pytest.mark.parametrize("answer", ["no mark", "worked ####", "#### "])
def test_gsm8k_row_without_final_answer_is_named(tmp_path: Path, answer: str) -> None:
    good = {"question": "a", "answer": "#### 1"}
    path = write(tmp_path / "x.jsonl", [good, "", {"question": "q", "answer": answer}])
    with pytest.raises(DataError, match=re.escape(f'{path}, line 3: field "answer": no final answer after "####"')):
        load_jsonl(path, "gsm8k")


def function_row(**more: Any) -> dict[str, Any]:
    prompt = '\n\ndef halve(x):\n    """Half of x."""\n'
    return {
        "prompt": prompt,
        "entry_point": "halve",
        "test": "\ndef check(candidate):\n    assert candidate(4) == 2\n",
        **more,
    }


def test_humaneval_adapter_keeps_code_as_it_stands() -> None:
    solution = "    return x / 2\n"
    fields = humaneval(function_row(task_id="HumanEval/0", canonical_solution=solution))
    row = function_row()
    assert read_tests(fields.answer) == FunctionTests("halve", row["prompt"], row["test"])
    assert fields.question.startswith("Complete this Python function.")
    assert fields.question.endswith('```python\n\n\ndef halve(x):\n    """Half of x."""\n```')
    assert fields.trace == '```python\n\n\ndef halve(x):\n    """Half of x."""\n    return x / 2\n```'
    assert humaneval(function_row()).trace is None
    quoting = function_row(prompt="def halve(x):\n    '''\n    ```\n    '''\n")
    assert humaneval(quoting).question.endswith("\n````")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"prompt": "def halve(x:\n"}, "field \"prompt\": not Python: '(' was never closed"),
        ({"prompt": "def third(x):\n    pass\n"}, 'field "prompt": does not define the function halve'),
        ({"prompt": 3}, 'field "prompt": expected text, found int'),
        ({"test": "assert True"}, 'field "test": does not define check(candidate)'),
        ({"test": " \n"}, 'field "test": empty'),
        ({"entry_point": "a b"}, "field \"entry_point\": 'a b' is not a Python name"),
        ({"canonical_solution": "  return x"}, 'field "canonical_solution": not Python: unindent'),
    ],
)
def test_a_humaneval_row_that_does_not_fit_is_named(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    path = write(tmp_path / "x.jsonl", [function_row(), function_row(**changes)])
    with pytest.raises(DataError, match=re.escape(f"{path}, line 2: {message}")):
        load_jsonl(path, "humaneval", domain="code")


@pytest.mark.skipif(not HUMANEVAL.is_file(), reason="no ../shared/data/humaneval_first60.jsonl beside the repo")
def test_humaneval_rows_load_whole() -> None:
    pool, report = load_jsonl(HUMANEVAL, "humaneval", domain="code")
    assert (report.read, report.dropped, sum(report.kept.values())) == (60, {}, 60)
    assert all(p.trace and p.domain == "code" for p in (*pool.train, *pool.validation, *pool.test))


def test_bytes_that_are_no_text_missing_and_empty_files(tmp_path: Path) -> None:
    binary = tmp_path / "b.jsonl"
    binary.write_bytes(b'{"question":"q","answer":"1"}\n\xff\xfe\n')
    with pytest.raises(DataError, match="line 2: not UTF-8 at byte 0"):
        load_jsonl(binary, "records")
    with pytest.raises(DataError, match=r"no such file: .*none.jsonl: set data.path"):
        load_jsonl(tmp_path / "none.jsonl", "records")
    with pytest.raises(DataError, match="no rows of domain 'math' among 0"):
        load_jsonl(write(tmp_path / "e.jsonl", []), "records")


def test_impossible_arguments_name_their_key(tmp_path: Path) -> None:
    path = write(tmp_path / "x.jsonl", [row(0)])
    with pytest.raises(ConfigError, match=r"unknown adapter 'csv': use one of aime, apps, .*, records"):
        load_jsonl(path, "csv")
    for fractions in ([0.5, 0.5], [0.9, 0.2, -0.1], [0.5, 0.2, 0.2]):
        with pytest.raises(ConfigError, match=r"data\.fractions"):
            load_jsonl(path, "records", fractions=fractions)


def test_division_ignores_row_order_and_follows_the_fractions(tmp_path: Path) -> None:
    rows = [row(i) for i in range(3000)]
    there = load_jsonl(write(tmp_path / "a.jsonl", rows), "records", seed=1)
    back = load_jsonl(write(tmp_path / "b.jsonl", rows[::-1]), "records", seed=1)
    other = load_jsonl(tmp_path / "a.jsonl", "records", seed=2)
    for split, share in (("train", 0.8), ("validation", 0.08), ("test", 0.12)):
        ids = {p.id for p in getattr(there.pool, split)}
        assert ids == {p.id for p in getattr(back.pool, split)}
        assert ids != {p.id for p in getattr(other.pool, split)}
        assert len(ids) / 3000 == pytest.approx(share, abs=0.02)
    assert there.report.kept == {s: len(getattr(there.pool, s)) for s in ("train", "validation", "test")}
    assert there.report.dropped == {}


def test_duplicates_are_dropped_and_counted_and_a_question_stays_in_one_split(tmp_path: Path) -> None:
    rows = [r for i in range(200) for r in (row(i), row(i), row(i, trace="another way"))]
    rows += [{"question": f"  what IS {i}+1? ", "answer": i + 1} for i in range(200)]
    pool, report = load_jsonl(write(tmp_path / "a.jsonl", rows), "records")
    assert (report.read, report.dropped) == (800, {"duplicate": 400})
    assert sum(report.kept.values()) == 400
    questions = [{p.question for p in s} for s in (pool.train, pool.validation, pool.test)]
    assert all(questions)
    assert sum(len(q) for q in questions) == len(set().union(*questions)) == 200


def test_named_splits_are_kept_and_a_question_in_two_of_them_leaves_training(tmp_path: Path) -> None:
    rows = [row(i, split="train") for i in range(10)] + [row(i, split="test") for i in range(8, 12)]
    rows += [row(3, split="validation", trace="t"), row(50, split="train", domain="science")]
    pool, report = load_jsonl(write(tmp_path / "a.jsonl", rows), "records")
    assert [p.question for p in pool.train] == [f"What is {i}+1?" for i in (0, 1, 2, 4, 5, 6, 7)]
    assert [p.trace for p in pool.validation] == ["t"]
    assert len(pool.test) == 4
    assert report.dropped == {"in_evaluation": 3, "other_domain": 1}


@pytest.fixture
def hub_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    datasets = pytest.importorskip("datasets")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)


@pytest.mark.usefixtures("hub_cache")
def test_hub_reads_a_local_folder_with_its_own_splits(tmp_path: Path) -> None:
    folder = tmp_path / "set"
    folder.mkdir()
    write(folder / "train.jsonl", [{"question": f"Q{i}?", "answer": f"so #### {i}"} for i in range(200)])
    write(folder / "test.jsonl", [{"question": f"T{i}?", "answer": f"so #### {i}"} for i in range(20)])
    pool, report = load_hub(str(folder), "gsm8k")
    assert {p.question[0] for p in pool.test} == {"T"}
    assert {p.question[0] for p in (*pool.train, *pool.validation)} == {"Q"}
    assert (len(pool.test), len(pool.train) + len(pool.validation)) == (20, 200)
    assert 5 <= len(pool.validation) <= 40
    assert report.read == 220


@pytest.mark.usefixtures("hub_cache")
def test_hub_reads_a_local_file_as_load_jsonl_does(tmp_path: Path) -> None:
    path = write(tmp_path / "x.jsonl", [row(i) for i in range(50)])
    assert load_hub(str(path), "records").pool.fingerprint == load_jsonl(path, "records").pool.fingerprint


@pytest.mark.usefixtures("hub_cache")
def test_hub_errors_name_row_or_key(tmp_path: Path) -> None:
    path = write(tmp_path / "x.jsonl", [row(0), {"question": "q", "answer": None}])
    with pytest.raises(DataError, match=r'x.jsonl, line 2: field "answer": expected text, found NoneType'):
        load_hub(str(path), "records")
    with pytest.raises(DataError, match=r"no such file: .*missing: set data.path"):
        load_hub(str(tmp_path / "missing"), "records")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"cannot load dataset .*empty.*check data.path"):
        load_hub(str(tmp_path / "empty"), "records")


@needs_gsm8k
def test_gsm8k_golds_score_one_and_shifted_golds_zero_but_for_coincidences() -> None:
    pool, report = load_jsonl(GSM8K, "gsm8k")
    prompts = [*pool.train, *pool.validation, *pool.test]
    assert (report.read, report.dropped, len(prompts)) == (2000, {}, 2000)
    assert all("<<" not in (p.trace or "") and "," not in p.answer for p in prompts)
    traces = [p.trace or "" for p in prompts]
    verifier = MathVerifier()
    golds = verifier.score(prompts, traces)
    shifted = verifier.score(prompts, traces[1:] + traces[:1])
    by_math_verify = verifier.score(prompts, [f"\\boxed{{{p.answer}/1}}" for p in prompts])  # no short cut for "5/1"
    verifier.close()
    assert {v.outcome for v in by_math_verify} == {Outcome.CORRECT}
    assert {v.outcome for v in golds} == {Outcome.CORRECT}
    pairs = list(zip(prompts, prompts[1:] + prompts[:1], shifted))
    coincidences = [(a.answer, b.answer) for a, b, v in pairs if v.outcome is Outcome.CORRECT]
    assert all(float(a) == float(b) for a, b in coincidences), coincidences
    assert len(coincidences) == sum(float(a.answer) == float(b.answer) for a, b, _ in pairs)
    assert 0 < len(coincidences) < 100
    assert {v.outcome for *_, v in pairs} == {Outcome.CORRECT, Outcome.WRONG}
