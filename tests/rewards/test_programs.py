"""Whole programs judged by what they print, run for real; how outputs are compared; what is said of a failure."""

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sandboxed import needs_sandbox

from ringexp.code_tests import FunctionTests, ProgramTests, read_tests
from ringexp.records import Outcome, Prompt, Verdict
from ringexp.rewards.code import CodeVerifier
from ringexp.rewards.outputs import same_output
from ringexp.rewards.sandbox import Job, Limits, Sandbox
from ringexp.rewards.sandbox.host import printable

CORRECT, WRONG, UNPARSABLE, TIMEOUT, ERROR = Outcome
ADD_ONE = ProgramTests((("3\n", "4\n"), ("10\n", "11"), ("-1", "0\n\n")))


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    it = Sandbox(Limits(cpu_seconds=0.5, wall_seconds=30.0, tmp_bytes=1024**2), workers=2)
    yield it
    it.close()


@pytest.mark.parametrize(
    ("printed", "expected", "same"),
    [
        ("1 2\n3\n", "1 2\n3", True),
        ("1 2 3", "1 2\n3\n\n", True),
        ("  1\t2 \r\n", "1 2", True),
        ("", "\n", True),
        ("1", "1 1", False),
        ("", "0", False),
        ("Yes", "YES", False),
        ("2 1", "1 2", False),
        ("3.0", "3", False),
        ("03", "3", False),
        ("3", "3.0", True),
        ("0.333333333", "0.333333", True),
        ("0.33334", "0.33333", False),
        ("1e-7", "0.0", True),
        ("-0.0", "0.0", True),
        ("1.5E3", "1500.0", True),
        ("1000000", "1000000.5", False),
        ("nan", "0.5", False),
        ("nan", "nan", True),
        ("inf", "1e400", False),
        ("1_0.0", "10.0", False),
        ("0x1p1", "2.0", False),
        ("٣.٠", "3.0", False),
        ("1e9999", "1.0", False),
        ("." * 100, "1.0", False),
        ("v1.0", "v1.1", False),
        ("1.2.3", "1.2.4", False),
    ],
)
def test_words_are_compared_and_real_numbers_with_a_tolerance(printed: str, expected: str, same: bool) -> None:
    assert same_output(printed, expected) is same


characters = st.characters(exclude_categories=["Z", "C"])


@given(st.lists(st.text(characters, min_size=1, max_size=4), max_size=5), st.sampled_from([" ", "\n", "\t \n"]))
def test_an_output_is_itself_whatever_parts_its_words(words: list[str], gap: str) -> None:
    assert same_output(gap.join(words), " ".join(words))
    assert not same_output(" ".join([*words, "x"]), " ".join(words))


SOLUTIONS = {
    "input": "print(int(input()) + 1)",
    "sys.stdin": "import sys\nprint(int(sys.stdin.read()) + 1)",
    "lines": "import sys\nfor line in sys.stdin: print(int(line) + 1)",
    "bytes": "import sys\nsys.stdout.buffer.write(b'%d' % (int(sys.stdin.buffer.readline()) + 1))",
    "descriptors": "import os\nos.write(1, str(int(os.read(0, 99)) + 1).encode())",
    "open(0)": "print(int(open(0).read()) + 1)",
    "fileinput": "import fileinput\nprint(*(int(x) + 1 for x in fileinput.input()))",
    "main": "def main():\n    print(int(input()) + 1)\nif __name__ == '__main__':\n    main()",
    "sys.exit": "import sys\nprint(int(input()) + 1)\nsys.exit(0)",
    "exit": "print(int(input()) + 1)\nexit()",
    "SystemExit": "print(int(input()) + 1)\nraise SystemExit",
    "atexit": "import atexit\natexit.register(print, int(input()) + 1)",
    "left open": "out = open(1, 'w')\nout.write(str(int(input()) + 1))",
    "own stdout": "import io, sys\nn = int(input())\nsys.stdout = io.TextIOWrapper(open(1, 'wb'))\nprint(n + 1)",
    "dataclass": "from dataclasses import dataclass\n@dataclass\nclass P:\n    x: 'int'\nprint(P(int(input())).x + 1)",
    "chatty on stderr": "import sys\nprint('x' * 1000, file=sys.stderr)\nprint(int(input()) + 1)",
    "deep": "import sys\nsys.setrecursionlimit(10**6)\ndef f(n): return n and f(n - 1) + 1\n"
            "print(int(input()) + f(20000) - 19999)",
}


@needs_sandbox
def test_every_usual_way_to_read_and_print_works(sandbox: Sandbox) -> None:
    found = sandbox.run([Job(source, ADD_ONE) for source in SOLUTIONS.values()])
    assert {name: v for name, v in zip(SOLUTIONS, found) if v != Verdict(CORRECT)} == {}


def refused(source: str) -> str:
    """The exception with which this interpreter refuses a source: of a null byte ValueError before CPython 3.11.4."""
    with pytest.raises((SyntaxError, ValueError)) as found:
        compile(source, "program.py", "exec")
    return found.type.__name__


FAILURES = {
    "print(int(input()))": Verdict(WRONG, "case 1 of 3: expected 4, printed 3"),
    "n = int(input())\nprint(n + 1 if n < 5 else n)": Verdict(WRONG, "case 2 of 3: expected 11, printed 10"),
    "pass": Verdict(WRONG, "case 1 of 3: expected 4, printed nothing"),
    "print(int(input()) + 1)\nexit(3)": Verdict(WRONG, "case 1 of 3: exit 3"),
    "raise SystemExit('no')": Verdict(WRONG, "case 1 of 3: exit 1: no"),
    "print(1 / 0)": Verdict(WRONG, "case 1 of 3: exit 1: ZeroDivisionError: division by zero"),
    "import ctypes\nctypes.string_at(0)": Verdict(WRONG, "case 1 of 3: signal 11"),
    "import os\nos._exit(0)": Verdict(WRONG, "case 1 of 3: expected 4, printed nothing"),
    "print(": Verdict(UNPARSABLE, "not Python: SyntaxError"),
    "x = '\0'": Verdict(UNPARSABLE, f"not Python: {refused(chr(0))}"),
    "while True: pass": Verdict(TIMEOUT, "case 1 of 3: more than 0.5 s of CPU time"),
    "while True: print('x' * 1000)": Verdict(WRONG, "case 1 of 3: printed more than 1048576 bytes"),
    "open('/tmp/x', 'w')": Verdict(
        WRONG, "case 1 of 3: exit 1: PermissionError: [Errno 1] Operation not permitted: '/tmp/x'"
    ),
    "x = bytearray(10 ** 12)": Verdict(WRONG, "case 1 of 3: exit 1: MemoryError"),
}


@needs_sandbox
def test_the_first_failure_is_told(sandbox: Sandbox) -> None:
    found = sandbox.run([Job(source, ADD_ONE) for source in FAILURES])
    assert {s: v for s, v in zip(FAILURES, found) if v != FAILURES[s]} == {}


@needs_sandbox
def test_a_program_that_sleeps_meets_the_wall_clock() -> None:
    sleeper = Job("import time\nprint(int(input()) + 1)\ntime.sleep(99)", ADD_ONE)
    assert Sandbox(Limits(wall_seconds=0.8)).run([sleeper]) == [Verdict(TIMEOUT, "case 1 of 3: no end in 0.8 s")]


@needs_sandbox
def test_cpu_time_is_that_of_all_cases_together(sandbox: Sandbox) -> None:
    work = "import time\nend = time.process_time() + {}\nwhile time.process_time() < end: pass\nprint(int(input()) + 1)"
    tests = ProgramTests(tuple((f"{n}\n", f"{n + 1}\n") for n in range(8)))
    assert sandbox.run([Job(work.format(0.001), tests)]) == [Verdict(CORRECT)]
    verdict = sandbox.run([Job(work.format(0.15), tests)])[0]
    assert verdict.outcome is TIMEOUT and verdict.detail[:6] in ("case 3", "case 4"), verdict


@needs_sandbox
def test_no_case_leaves_anything_to_the_next(sandbox: Sandbox) -> None:
    source = """
import builtins, os, sys
old = [os.pread(0, 9999, 0)[2:], os.pread(1, 9999, 0), os.pread(2, 9999, 0)]
old += [vars(builtins).get("left"), os.listdir("/tmp")]
builtins.left = sys.left = "left"
print(*old, os.lseek(0, 0, 1), sep="|")
os.pwrite(0, b"left" * 99, 50)
os.pwrite(2, b"left" * 99, 0)
import fcntl
fcntl.fcntl(1, fcntl.F_SETFL, os.O_APPEND)
"""
    tests = ProgramTests((("1\n", "b''|b''|b''|None|[]|0"),) * 4)
    assert sandbox.run([Job(source, tests)]) == [Verdict(CORRECT)]


@needs_sandbox
def test_long_inputs_and_outputs_cross_whole(sandbox: Sandbox) -> None:
    text = "\n".join(f"{i} é" for i in range(80_000))
    reverse = "import sys\nprint(*reversed(sys.stdin.read().split('\\n')), sep='\\n')"
    expected = "\n".join(reversed(text.split("\n")))
    large = Sandbox(Limits(value_bytes=4 * 1024**2))
    assert large.run([Job(reverse, ProgramTests(((text, expected),)))]) == [Verdict(CORRECT)]
    wrong = large.run([Job(reverse, ProgramTests(((text, expected.replace("40000 é", "40000 e")),)))])[0]
    assert wrong == Verdict(WRONG, "case 1 of 1: expected ... é 40000 e 39999 é 39998 é 39997 é 39996 é 39995 é 39994, "
                                   "printed ... é 40000 é 39999 é 39998 é 39997 é 39996 é 39995 é 39994")  # fmt: skip
    too_long = sandbox.run([Job(reverse, ProgramTests(((text, "x" * 2**21),)))])[0]
    assert too_long.outcome is ERROR and "more than value_bytes=1048576" in too_long.detail


@needs_sandbox
def test_mbpp_asserts_call_the_function_by_its_name_and_through_helpers(sandbox: Sandbox) -> None:
    setup = "import math\ndef both(x): return f(x), f(x)\n"
    test = """
def check(candidate):
    assert f(1) == (2, [3.5])
    assert math.isclose(f(1)[1][0], 3.5, rel_tol=1e-9)
    assert set(f(1)) if False else set(f(1)[1]) == {3.5}
    assert both(1) == ((2, [3.5]), (2, [3.5]))
    assert candidate == f
    assert f(2) == \\
        (3,
         [3.5]), "the last"
"""
    tests = FunctionTests("f", setup, test)
    assert sandbox.run([Job("def f(x): return x + 1, [3.5]", tests)]) == [Verdict(CORRECT)]
    assert sandbox.run([Job("def f(x): return [x + 1, [3.5]]", tests)]) == [
        Verdict(WRONG, "assert f(1) == (2, [3.5]): f(1) returned [2, [3.5]]")
    ]
    last = sandbox.run([Job("def f(x): return (x + 1, [3.5]) if x < 2 else None", tests)])[0]
    assert last == Verdict(WRONG, 'assert f(2) == \\ (3, [3.5]), "the last": f(2) returned None')


@needs_sandbox
def test_details_are_short_printable_and_hold_no_more_than_they_may(sandbox: Sandbox) -> None:
    test = FunctionTests("f", "", "def check(f):\n    assert f('\\u202e' + 'a' * 500) == " + repr("b" * 500) + "\n")
    sources = [
        "def f(x): return '\\x1b[31m\\u202e\\ud800\\n' + 'c' * 500",
        "def f(x): return 10 ** 10_000",
        "def f(x):\n    a = []\n    for _ in range(300): a = [a]\n    return a",
        "def f(x): raise type('\\x1b' * 300, (Exception,), {})('x')",
    ]
    program = "raise ValueError('\\x1b[31m\\u202e<script>' + 'c' * 500)"
    found = sandbox.run([*(Job(source, test) for source in sources), Job(program, ADD_ONE)])
    assert {v.outcome for v in found} == {WRONG}
    for verdict in found:
        assert 0 < len(verdict.detail) <= 300
        assert verdict.detail.isprintable()
    assert found[1].detail.endswith("returned some int")
    assert "\\x1b[31m\\u202e<script>ccc" in found[4].detail


@given(st.text())
def test_any_text_is_made_printable(text: str) -> None:
    shown = printable(text)
    assert shown.isprintable() and len(shown) <= 300
    assert shown == text or not text.isprintable() or len(text) > 300


@needs_sandbox
def test_the_verifier_judges_programs_and_functions_in_one_batch() -> None:
    verifier = CodeVerifier(cpu_seconds=0.5, wall_seconds=10)
    function = FunctionTests("f", "", "def check(f):\n    assert f(1) == 2\n")
    assert read_tests(ADD_ONE.to_json()) == ADD_ONE
    prompts = [Prompt("p", "code", "q", tests.to_json()) for tests in (ADD_ONE, function, ADD_ONE)]
    texts = ["```python\nprint(int(input()) + 1)\n```", "```python\ndef f(x): return x + 1\n```", "```python\nf\n```"]
    assert [v.reward for v in verifier.score(prompts, texts)] == [1, 1, 0]
    verifier.close()
