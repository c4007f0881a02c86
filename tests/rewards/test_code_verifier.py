"""The code verifier, run for real: which block counts, verdicts, memory of verdicts, HumanEval as it is."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from sandboxed import needs_sandbox

from ringexp.code_tests import FunctionTests, read_tests
from ringexp.domains.public import load_jsonl
from ringexp.errors import DataError, RingexpError
from ringexp.records import Outcome, Prompt, Verdict
from ringexp.rewards.code import CodeVerifier, last_code
from ringexp.rewards.memory import VerdictMemory
from ringexp.rewards.registry import Verifier
from ringexp.rewards.sandbox import Job, Sandbox

CORRECT, WRONG, UNPARSABLE, TIMEOUT, ERROR = Outcome
HUMANEVAL = Path(__file__).parents[3] / "shared" / "data" / "humaneval_first60.jsonl"
ADD_ONE = FunctionTests("f", "", "def check(f):\n    assert [f(i) for i in range(9)] == [*range(1, 10)]\n").to_json()
ASSERTION = "assert [f(i) for i in range(9)] == [*range(1, 10)]"
GOOD = "```python\ndef f(x):\n    return x + 1\n```"
WRONG_VALUE = "```python\ndef f(x):\n    return x\n```"


def asked(answer: str = ADD_ONE) -> Prompt:
    return Prompt("p", "code", "q", answer)


@pytest.fixture(scope="module")
def verifier() -> Iterator[CodeVerifier]:
    it = CodeVerifier(cpu_seconds=0.5, wall_seconds=10)
    yield it
    it.close()


def scored(verifier: CodeVerifier, *texts: str) -> list[Verdict]:
    return verifier.score([asked()] * len(texts), texts)


class Counting(Sandbox):
    """A sandbox that keeps what it was asked to run."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []

    def run(self, jobs: "list[Job]") -> list[Verdict]:  # type: ignore[override]
        self.asked += [job.source for job in jobs]
        return super().run(jobs)


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch, verifier: CodeVerifier) -> Counting:
    it = Counting()
    monkeypatch.setattr(verifier, "_sandbox", it)
    monkeypatch.setattr(verifier, "_memory", VerdictMemory(100))
    return it


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("```python\na\n```", "a\n"),
        ("So:\n```py\na\n\n  b\n```\nDone.", "a\n\n  b\n"),
        ("```\na\n```", "a\n"),
        ("```Python title=x\na\n```", "a\n"),
        ("```python\na\n```\n```python\nb\n```", "b\n"),
        ("```python\na\n```\n```text\nb\n```", "a\n"),
        ("```bash\na\n```\n```python\nb\n```\n```bash\nc", "b\n"),
        ("```python\na\n```\n```\nb\n```", "b\n"),
        ("```python\na\n```\n```python\nb", None),
        ("```python\na\n```\n```", None),
        ("```python\na", None),
        ("```python", None),
        ("```text\na\n```", None),
        ("a = 1", None),
        ("", None),
        ("```python a ```", None),
        ("1. First\n   ```python\n   if a:\n       b\n   ```", "if a:\n    b\n"),
        ("````python\n'''\n```\n'''\n````", "'''\n```\n'''\n"),
        ("```python\r\na\r\n```\r\n", "a\n"),
    ],
)
def test_the_last_closed_python_block_counts(text: str, code: str | None) -> None:
    assert last_code(text) == code


@needs_sandbox
def test_what_each_response_is_worth(verifier: CodeVerifier) -> None:
    expected = {
        GOOD: Verdict(CORRECT),
        f"{WRONG_VALUE}\nNo:\n{GOOD}": Verdict(CORRECT),
        f"{GOOD}\nNo:\n{WRONG_VALUE}": Verdict(WRONG, f"{ASSERTION}: f(8) returned 8"),
        GOOD.removesuffix("```"): Verdict(UNPARSABLE, "no complete code block"),
        "def f(x):\n    return x + 1": Verdict(UNPARSABLE, "no complete code block"),
        "```python\n\n```": Verdict(UNPARSABLE, "empty code block"),
        "```python\n" + "#" * 100_001 + "\n```": Verdict(UNPARSABLE, "code longer than 100000 characters"),
        "```python\ndef f(x: return\n```": Verdict(UNPARSABLE, "not Python: SyntaxError"),
        "```python\nf(1)\n```": Verdict(WRONG, "NameError when executed"),
        "```python\ndef g(x):\n    return x + 1\n```": Verdict(WRONG, "no function f"),
        "```python\nwhile True: pass\n```": Verdict(TIMEOUT, "more than 0.5 s of CPU time"),
        "```python\nif __name__ == '__main__': f()\nf = (1).__add__\n```": Verdict(CORRECT),
        "```python\nfrom dataclasses import dataclass\n@dataclass\nclass P:\n    x: 'int'\n"
        "def f(x): return P(x).x + 1\n```": Verdict(CORRECT),
        "```python\nx = '\ud800'\n```": Verdict(UNPARSABLE, "not Python: UnicodeEncodeError"),
    }
    assert dict(zip(expected, scored(verifier, *expected))) == expected
    assert isinstance(verifier, Verifier)


@needs_sandbox
def test_a_malformed_answer_is_an_error_and_the_others_are_judged(verifier: CodeVerifier) -> None:
    broken = FunctionTests("f", "", "x = 1").to_json()
    prompts = [asked("4"), asked(), asked('{"entry_point": "f"}'), asked(broken), asked("[" * 100_000)]
    found = verifier.score(prompts, [GOOD] * 5)
    assert [v.outcome for v in found] == [ERROR, CORRECT, ERROR, ERROR, ERROR]
    assert "entry_point, setup, test" in found[2].detail
    assert found[3].detail == "tests cannot be executed: KeyError"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not JSON"),
        ("3", "give a JSON object with the fields entry_point, setup, test"),
        ('{"entry_point": "f", "setup": "", "test": 3}', 'field "test" has to be text'),
        ('{"entry_point": "f g", "setup": "", "test": ""}', "'f g' is not a Python name"),
        ('{"entry_point": "f", "setup": "", "test": "", "more": ""}', "give a JSON object with the fields"),
    ],
)
def test_the_codec_of_tests_names_what_is_wrong(text: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_tests(text)
    assert read_tests(ADD_ONE).to_json() == ADD_ONE


@needs_sandbox
def test_equal_candidates_run_once_and_verdicts_are_remembered(verifier: CodeVerifier, counted: Counting) -> None:
    assert [v.outcome for v in scored(verifier, GOOD, WRONG_VALUE, f"Again:\n{GOOD}", GOOD)] == [
        CORRECT,
        WRONG,
        CORRECT,
        CORRECT,
    ]
    assert len(counted.asked) == 2
    scored(verifier, GOOD, WRONG_VALUE)
    assert len(counted.asked) == 2
    other = FunctionTests("f", "", "def check(f):\n    assert f(1) == 1\n").to_json()
    assert verifier.score([asked(other)], [WRONG_VALUE])[0].outcome is CORRECT
    assert len(counted.asked) == 3


@needs_sandbox
def test_the_memory_has_a_size_and_keeps_no_errors(
    verifier: CodeVerifier, counted: Counting, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verifier, "_memory", VerdictMemory(2))
    for value in (1, 2, 3, 3, 1):
        scored(verifier, f"```python\ndef f(x):\n    return x + {value}\n```")
    assert len(counted.asked) == 4
    broken = asked(FunctionTests("f", "", "x = 1").to_json())
    verifier.score([broken], [GOOD])
    verifier.score([broken], [GOOD])
    assert len(counted.asked) == 6


@needs_sandbox
def test_verdicts_do_not_depend_on_workers_order_or_thread() -> None:
    bodies = ["x + 1", "x", "[x for _ in iter(int, 1)]", "1 / 0", "exit()", "hash(str(x))", "x + 1.0", "None"]
    texts = [f"```python\ndef f(x):\n    return {body}\n```" for body in bodies]
    found: list[dict[str, Verdict]] = []

    def work(workers: int, order: int) -> None:
        verifier = CodeVerifier(workers=workers, cpu_seconds=0.3, wall_seconds=30)
        found.append(dict(zip(texts[::order], scored(verifier, *texts[::order]))))
        verifier.close()

    for workers, order in ((1, 1), (2, -1)):
        thread = threading.Thread(target=work, args=(workers, order))
        thread.start()
        thread.join()
    assert found[0] == found[1]
    expected = [CORRECT, WRONG, TIMEOUT, WRONG, WRONG, WRONG, CORRECT, WRONG]
    assert [found[0][text].outcome for text in texts] == expected


@needs_sandbox
def test_it_starts_again_after_a_close(verifier: CodeVerifier) -> None:
    verifier.close()
    verifier.close()
    assert scored(verifier, "```\nf = lambda x: x + 1\n```") == [Verdict(CORRECT)]


def test_it_refuses_at_once_where_bubblewrap_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(RingexpError, match="apt-get install bubblewrap") as raised:
        CodeVerifier()
    assert "\n" not in str(raised.value)


@needs_sandbox
@pytest.mark.skipif(not HUMANEVAL.is_file(), reason="needs HumanEval rows at ../shared/data/humaneval_first60.jsonl")
def test_humaneval_solutions_score_one_and_empty_bodies_zero() -> None:
    pool = load_jsonl(HUMANEVAL, "humaneval", domain="code").pool
    prompts = [*pool.train, *pool.validation, *pool.test]
    verifier = CodeVerifier()
    solved = verifier.score(prompts, [p.trace or "" for p in prompts])
    empty = [f"```python\n{read_tests(p.answer).setup}    return None\n```" for p in prompts]
    unsolved = verifier.score(prompts, empty)
    verifier.close()
    assert len(prompts) == 60
    assert [v for v in solved if v != Verdict(CORRECT)] == []
    assert {v.outcome for v in unsolved} == {WRONG}
