"""The sandbox, run for real: hostile candidates, what they can see and reach, its limits, its own failures."""

import ast
import json
import os
import random
import subprocess
import sys
import threading
import time
from collections import Counter, OrderedDict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil
import pytest
from hostile_candidates import HOSTILE
from hypothesis import given
from hypothesis import strategies as st
from sandboxed import needs_sandbox

from ringexp.code_tests import FunctionTests
from ringexp.errors import RingexpError
from ringexp.records import Outcome, Verdict
from ringexp.rewards.sandbox import Job, Limits, Sandbox, require, seccomp
from ringexp.rewards.sandbox.codec import NotPlain, decode, dumps, encode, loads
from ringexp.rewards.sandbox.root import command

CORRECT, WRONG, _, TIMEOUT, ERROR = Outcome
MIB = 1024**2
LIMITS = Limits(cpu_seconds=0.4, wall_seconds=2.0, memory_bytes=192 * MIB, tmp_bytes=MIB)
PATIENT = Limits(cpu_seconds=0.4, wall_seconds=60)
ADD_ONE = FunctionTests("f", "", "def check(f):\n    for i in range(5):\n        assert f(i) == i + 1\n")
GOOD = Job("def f(x):\n    return x + 1\n", ADD_ONE)


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    it = Sandbox(LIMITS, workers=2)
    yield it
    it.close()


def judged(sandbox: Sandbox, source: str, test: str = ADD_ONE.test, setup: str = "") -> Verdict:
    return sandbox.run([Job(source, FunctionTests("f", setup, test))])[0]


def returns(sandbox: Sandbox, source: str, expected: Any) -> None:
    """Assert that `f()` of the source gives exactly `expected`."""
    test = f"def check(f):\n    found = f()\n    assert found == {expected!r}, found\n"
    assert judged(sandbox, source, test) == Verdict(CORRECT)


@pytest.fixture(scope="module")
def fates(sandbox: Sandbox) -> dict[str, tuple[Verdict, float, Verdict]]:
    """Of each hostile candidate: its verdict, how long it took, the verdict on a correct one after it."""

    def fate(source: str) -> tuple[Verdict, float, Verdict]:
        start = time.monotonic()
        verdict = sandbox.run([Job(source, ADD_ONE)])[0]
        return verdict, time.monotonic() - start, sandbox.run([GOOD])[0]

    with ThreadPoolExecutor(2) as pool:
        return dict(zip(HOSTILE, pool.map(fate, [source for source, _ in HOSTILE.values()])))


@needs_sandbox
@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_candidates_get_nothing_end_in_time_and_harm_nobody(
    name: str, fates: dict[str, tuple[Verdict, float, Verdict]]
) -> None:
    verdict, seconds, after = fates[name]
    expected = HOSTILE[name][1]
    assert verdict.reward == 0
    assert verdict.outcome in ((expected,) if expected else (WRONG, TIMEOUT)), verdict
    assert verdict.detail
    assert seconds < LIMITS.wall_seconds + 1
    assert after == Verdict(CORRECT)


@needs_sandbox
@pytest.mark.parametrize(("source", "verdict"), [
    ("def f(:\n", Verdict(Outcome.UNPARSABLE, "not Python: SyntaxError")),
    ("x = '\ud800'", Verdict(Outcome.UNPARSABLE, "not Python: UnicodeEncodeError")),
    ("raise SyntaxError('mine')", Verdict(WRONG, "SyntaxError when executed")),
    ("exec('def f(:')", Verdict(WRONG, "SyntaxError when executed")),
    ("int('one')", Verdict(WRONG, "ValueError when executed")),
    ("def f(x: Unknown): return x + 1", Verdict(WRONG, "NameError when executed")),
    ("from __future__ import annotations\ndef f(x: Unknown): return x + 1", Verdict(CORRECT)),
])  # fmt: skip
def test_a_source_is_compiled_by_itself_and_told_from_what_it_raises(
    sandbox: Sandbox, source: str, verdict: Verdict
) -> None:
    """No future statement of the guest's reaches it."""
    assert judged(sandbox, source) == verdict


@needs_sandbox
def test_long_tests_are_compiled_in_the_sandbox(sandbox: Sandbox) -> None:
    padded = ADD_ONE.test + "#" * 60_000
    assert judged(sandbox, GOOD.source, padded) == Verdict(CORRECT)
    broken = judged(sandbox, GOOD.source, padded + "\n(")
    assert broken == judged(sandbox, GOOD.source, ADD_ONE.test + "\n(")
    assert broken == Verdict(ERROR, "tests cannot be executed: SyntaxError")


@needs_sandbox
def test_details_name_the_reason(fates: dict[str, tuple[Verdict, float, Verdict]]) -> None:
    details = {
        "sleep": "no end in 2 s",
        "memory bomb": "memory",
        "memory bomb in steps": "memory",
        "many files": "more than 1000 files",
        "os._exit": "ended early (exit 0)",
        "crashes": "ended early (signal 11)",
        "sys.exit": "SystemExit when executed",
        "exit in a call": "ended early (exit 0)",
        "flood as a value": "returned more than 1048576 bytes",
        "flood as an exception": "raised ValueError",
        "a word on every descriptor": "bad reply",
        "equal to everything": "returned data of type A",
        "deep recursion": "raised RecursionError",
        "right at first": "assert f(i) == i + 1: f(4) returned 0",
        "no function": "no function f",
        "no Python": "not Python: SyntaxError",
    }
    assert {name: fates[name][0].detail for name in details} == details


@needs_sandbox
def test_no_process_is_left(sandbox: Sandbox, fates: dict[str, tuple[Verdict, float, Verdict]]) -> None:
    assert sandbox.run([GOOD, GOOD]) == [Verdict(CORRECT)] * 2
    assert [p for p in psutil.Process().children(recursive=True) if "bwrap" in p.name()] == []


@needs_sandbox
@pytest.mark.parametrize(
    ("source", "test"),
    [
        ("while True: pass", ADD_ONE.test),
        (GOOD.source, "def check(f):\n    while True: pass"),
        (GOOD.source, "def check(f): 10 ** 10 ** 9"),  # no byte code in which the checker could look at its clock
    ],
)
def test_cpu_time_ends_a_run_within_a_second_of_its_limit(source: str, test: str) -> None:
    start = os.times()
    verdict = judged(Sandbox(PATIENT), source, test)
    spent = os.times()
    assert verdict == Verdict(TIMEOUT, "more than 0.4 s of CPU time")
    cpu = spent.children_user + spent.children_system - start.children_user - start.children_system
    assert 0.3 < cpu < 1.4, cpu


@needs_sandbox
def test_the_sandbox_shows_nothing_of_the_host(sandbox: Sandbox) -> None:
    secrets = ["/etc/passwd", "/proc/1/environ", "/proc/self/environ", f"/proc/{os.getpid()}/mem", "/sys", "/dev/shm"]
    secrets += [str(Path(__file__)), str(Path.home() / ".ssh"), "/var", "/run", sys.prefix + "/pyvenv.cfg"]
    returns(sandbox, f"import os\ndef f(): return [p for p in {secrets!r} if os.path.exists(p)]", [])
    returns(sandbox, "import os\ndef f(): return dict(os.environ)", {})
    returns(sandbox, "import os\ndef f(): return sorted(os.listdir('/dev'))", ["null", "urandom"])
    returns(sandbox, "import os\ndef f(): return os.listdir('/tmp'), os.getcwd()", ([], "/tmp"))
    packages = "[p for m in sys.path for p in ('numpy', 'torch', 'ringexp') if os.path.exists(m + '/' + p)]"
    returns(sandbox, f"import os, sys\ndef f(): return {packages}", [])


@needs_sandbox
def test_only_tmp_can_be_written_and_each_candidate_has_its_own(sandbox: Sandbox) -> None:
    source = (
        "import os, sys\ndef f():\n    found = []\n"
        "    for folder in ('/', '/dev', '/usr/lib', '/tmp', sys.prefix + '/bin', os.path.dirname(os.__file__)):\n"
        "        try: open(folder + '/probe', 'x').close()\n        except OSError: continue\n"
        "        found.append(folder)\n    return found"
    )
    returns(sandbox, source, ["/tmp"])
    returns(sandbox, source, ["/tmp"])


@needs_sandbox
def test_the_network_and_other_processes_are_out_of_reach(sandbox: Sandbox) -> None:
    source = """
import ctypes, os, socket
libc = ctypes.CDLL(None, use_errno=True)
def refused(attempt):
    try:
        return attempt() == -1 and ctypes.get_errno() == 1
    except (PermissionError, socket.gaierror):
        return True
def f():
    word = ctypes.create_string_buffer(64)
    attempts = {
        "connect": lambda: socket.create_connection(("1.1.1.1", 80), 1),
        "unix": lambda: socket.socket(socket.AF_UNIX),
        "name": lambda: socket.getaddrinfo("example.org", 80),
        "fork": os.fork,
        "ptrace": lambda: libc.ptrace(16, os.getppid(), 0, 0),
        "traceme": lambda: libc.ptrace(0, 0, 0, 0),
        "memory": lambda: libc.process_vm_readv(os.getppid(), word, 1, word, 1, 0),
        "kill": lambda: os.kill(1, 0),
        "pidfd": lambda: os.pidfd_open(os.getppid()),
        "unshare": lambda: libc.unshare(0x10000000),
        "mount": lambda: libc.mount(b"none", b"/tmp", b"tmpfs", 0, None),
        "memfd": lambda: os.memfd_create("x"),
        "shm": lambda: libc.shmget(0, 4096, 0o1600),
        "limits": lambda: libc.setrlimit(9, word),
        "timer": lambda: libc.setitimer(0, word, None),
        "filter": lambda: libc.prctl(4, 1, 0, 0, 0),
        "io_uring": lambda: libc.syscall(425, 1, word),
        "clone3": lambda: libc.syscall(435, word, 64),
    }
    return sorted(name for name, attempt in attempts.items() if not refused(attempt))
"""
    returns(sandbox, source, [])


@needs_sandbox
def test_every_name_space_is_its_own_also_without_the_filter() -> None:
    """The bubblewrap that candidates get, around a program of ours: no network but loopback, other name spaces."""
    words = command("bubblewrap", 1 << 20).words
    probe = """
import os, socket, sys
os.write(1, repr((sorted(name for _, name in socket.if_nameindex()), os.getpid(), os.listdir("/"))).encode())
"""
    assert "--unshare-all" in words and not any(word.startswith("--share") for word in words)
    found = subprocess.run([*words[:-1], probe], capture_output=True, check=True, text=True).stdout
    interfaces, pid, root = ast.literal_eval(found)
    assert interfaces == ["lo"]
    assert pid == 1
    assert not {"proc", "etc", "home", "work", "sys"} & set(root)


@needs_sandbox
@pytest.mark.parametrize("source", [
    "import math, random\ndef f(): return random.random()",
    "import statistics\ndef f(): return statistics.random.random()",
    "def f():\n    from random import random\n    return random()",
])
def test_random_numbers_repeat_however_they_are_imported(sandbox: Sandbox, source: str) -> None:
    returns(sandbox, source, random.Random(0).random())


@needs_sandbox
def test_tests_that_draw_at_random_repeat(sandbox: Sandbox) -> None:
    test = f"def check(f):\n    import random\n    assert random.random() == {random.Random(0).random()!r}"
    assert sandbox.run([Job("def f(): pass\n", FunctionTests("f", "", test))])[0].outcome is Outcome.CORRECT


@needs_sandbox
def test_tests_and_token_are_nowhere_in_the_candidate(sandbox: Sandbox) -> None:
    source = """
import gc, os, sys
def f():
    word, seen, found = "".join(["MAR", "KER"]), set(), []
    def look(thing, depth):
        if isinstance(thing, (str, bytes)):
            if word in str(thing) and thing is not word: found.append(str(thing))
        elif depth and id(thing) not in seen:
            seen.add(id(thing))
            for inner in gc.get_referents(thing): look(inner, depth - 1)
    frame = sys._getframe()
    while frame:
        for value in [*frame.f_locals.values()]:
            if value is not found: look(value, 3)
        frame = frame.f_back
    for thing in gc.get_objects():
        if isinstance(thing, dict) and "token" in thing: found.append("a dict with a token")
    for fd in range(64):
        try: os.set_blocking(fd, False); look(os.read(fd, 10**6), 1)
        except OSError: pass
    return found
"""
    test = "MARKER = 'MARKER'\ndef check(f):\n    assert f() == [], MARKER\n"
    assert judged(sandbox, source, test, setup="SETUP = 'MARKER'\n") == Verdict(CORRECT)


@needs_sandbox
def test_values_cross_as_plain_data_of_the_same_type(sandbox: Sandbox) -> None:
    test = """
def check(f):
    for v in (None, True, 0, -1, 2**63, -7**400, 0.1, -0.0, float("inf"), 1+2j, "a\\n\\ud800", b"\\x00\\xff",
              [1, [2.0]], (1, ("a",)), {1: {"a": (None,)}, (1, 2): 3}, {1, 2}, frozenset({"x"})):
        w = f(v, key=v)
        assert w == (v, v) and [type(x) for x in w] == [type(v)] * 2
    nan = f(float("nan"))[0]
    assert nan != nan
    try: f(1, 2, 3)
    except TypeError: pass
    else: assert False
"""
    assert judged(sandbox, "def f(x, key=None): return (x, key)", test) == Verdict(CORRECT)
    source = "from collections import *\ndef f(): return [Counter('aab'), OrderedDict(a=1), namedtuple('T', 'x')(1)]"
    returns(sandbox, source, [{"a": 2, "b": 1}, {"a": 1}, (1,)])


@needs_sandbox
def test_tests_can_expect_builtin_exceptions(sandbox: Sandbox) -> None:
    test = (
        "def check(f):\n    for n, e in enumerate((ValueError, KeyError, ZeroDivisionError)):\n"
        "        try: f(n)\n        except e: continue\n        assert False\n"
    )
    mine = "class A(ValueError): pass\ndef f(n):\n    if n == 0: raise A\n    return {}[n] if n == 1 else 1 / 0"
    assert judged(sandbox, mine, test) == Verdict(CORRECT)
    assert judged(sandbox, "def f(n): raise RuntimeError", test) == Verdict(WRONG, "raised RuntimeError")
    swallows = "def check(f):\n    try: f(1)\n    except BaseException: pass\n"
    assert judged(sandbox, "import os\ndef f(n): os._exit(0)", swallows) == Verdict(WRONG, "ended early (exit 0)")
    everything = "def check(f):\n    assert all(map(f, [1, 2]))\n    assert [*map(f, [1])] == []\n"
    assert judged(sandbox, "def f(n): raise StopIteration", everything) == Verdict(WRONG, "raised StopIteration")


@needs_sandbox
def test_runs_are_deterministic_in_hashes_and_random_numbers(sandbox: Sandbox) -> None:
    program = "import random; random.seed(0); print([hash('a'), random.random()])"
    environment = {"PYTHONHASHSEED": "0"}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, check=True)
    returns(sandbox, "import random\ndef f(): return [hash('a'), random.random()]", json.loads(done.stdout))


@needs_sandbox
@pytest.mark.parametrize(
    ("setup", "test", "outcome", "detail"),
    [
        ("", "x = 1", ERROR, "tests cannot be executed: KeyError"),
        ("", "def check(f:", ERROR, "tests cannot be executed: SyntaxError"),
        ("1 / 0", "def check(f): pass", ERROR, "tests cannot be executed: ZeroDivisionError"),
        ("", "def check(f): f(check)", ERROR, "tests pass a function"),
        ("", "def check(f): f(0) < None", WRONG, "TypeError in the tests: def check(f): f(0) < None: f(0) returned 1"),
        ("", "def check(f):\n    while True: pass", TIMEOUT, None),
        ("", "def check(f):\n    while True:\n        try: f(0)\n        except: pass", TIMEOUT, None),
        ("", "def check(f): 10 ** 10 ** 9", TIMEOUT, None),
        ("", "import time\ndef check(f): time.sleep(1e6)", TIMEOUT, "no end in 2 s"),
        ("", "def check(f):\n    print('x' * 10**6)\n    raise SystemExit(0)", WRONG,
         "SystemExit in the tests: raise SystemExit(0)"),
        ("def g(x): return x + 1", "def check(h): assert h(1) == g(1) == f(1)", CORRECT, ""),
    ],
)
def test_tests_have_limits_too(sandbox: Sandbox, setup: str, test: str, outcome: Outcome, detail: str | None) -> None:
    start = time.monotonic()
    found = judged(sandbox, GOOD.source, test, setup)
    assert time.monotonic() - start < LIMITS.wall_seconds + 1
    assert found.outcome is outcome, found
    assert detail in (None, found.detail)


@needs_sandbox
def test_several_threads_share_a_sandbox_that_can_be_closed_and_used_again() -> None:
    sandbox = Sandbox(LIMITS, workers=2)
    found: list[Verdict] = []
    threads = [threading.Thread(target=lambda: found.extend(sandbox.run([GOOD] * 3))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    sandbox.close()
    sandbox.close()
    found += sandbox.run([GOOD])
    sandbox.close()
    assert found == [Verdict(CORRECT)] * 10


def fake_bwrap(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    (folder / "bwrap").write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    (folder / "bwrap").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")


def test_without_bubblewrap_one_line_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(
        RingexpError, match=r"^code rewards .* no `bwrap` on PATH: install .*apt-get.*code\.isolation=process.*$"
    ):
        require()


def test_refused_name_spaces_are_said_in_bubblewraps_own_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_bwrap(tmp_path, monkeypatch, "echo >&2 'bwrap: No permissions to create a new namespace'; exit 1")
    with pytest.raises(
        RingexpError, match=r"No permissions to create a new namespace: allow unpriv.*code\.isolation=process"
    ) as raised:
        require()
    assert "\n" not in str(raised.value)


def test_a_sandbox_that_fails_is_tried_once_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_bwrap(tmp_path, monkeypatch, f"echo x >> {tmp_path}/tries; echo >&2 'bwrap: no luck'; exit 1")
    assert Sandbox(LIMITS).run([GOOD]) == [Verdict(ERROR, "sandbox: bwrap: no luck")]
    assert (tmp_path / "tries").read_text() == "x\nx\n"
    fake_bwrap(tmp_path, monkeypatch, 'echo started; echo \'{"outcome": "correct", "detail": ""}\'')
    assert Sandbox(LIMITS).run([GOOD]) == [Verdict(ERROR, "sandbox: a verdict without its token")]
    fake_bwrap(tmp_path, monkeypatch, "echo started; yes")
    assert Sandbox(LIMITS).run([GOOD]) == [Verdict(ERROR, "sandbox: the checker ended without a verdict")]


def test_a_sandbox_that_hangs_meets_the_wall_clock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_bwrap(tmp_path, monkeypatch, "exec sleep 60")
    start = time.monotonic()
    assert Sandbox(Limits(wall_seconds=0.2)).run([GOOD]) == [Verdict(TIMEOUT, "no end in 0.2 s")]
    assert time.monotonic() - start < 1.2


def test_an_unknown_machine_runs_nothing_untrusted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seccomp, "MACHINES", {})
    with pytest.raises(seccomp.Unconfined, match="no system-call filter for"):
        seccomp.confine()


@pytest.mark.parametrize(("alive", "says"), [("parent", ""), ("os.getppid()", "went on\n")])
def test_a_process_whose_parent_is_gone_before_it_asks_ends_at_once(alive: str, says: str) -> None:
    program = (
        "import os, time; from ringexp.rewards.sandbox.seccomp import end_with_parent\n"
        "parent = os.getpid()\n"
        "if not os.fork():\n"
        "    while os.getppid() == parent: time.sleep(0.01)\n"
        f"    end_with_parent({alive})\n"
        "    print('went on', flush=True)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert (done.stdout, done.stderr) == (says, "")  # read until the last of the two has ended


leaves = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary()
hashable = st.recursive(leaves, lambda inner: st.tuples(inner, inner) | st.frozensets(inner), max_leaves=8)
plain = st.recursive(
    leaves | st.complex_numbers(allow_nan=False) | st.sets(hashable),
    lambda inner: st.lists(inner) | st.tuples(inner) | st.dictionaries(hashable, inner),
    max_leaves=12,
)


@given(plain)
def test_the_codec_gives_back_what_it_took(value: Any) -> None:
    text = dumps(encode(value))
    assert text == json.dumps(encode(value), allow_nan=False)
    back = decode(loads(text.encode()))
    assert back == value
    assert repr(type(back)) == repr(type(value))


@pytest.mark.parametrize("text", [
    b"", b" ", b"{", b"[1,]", b"nul", b"{1: 2}", b'"a', b'"\x01"', b"1 2", b"[1]]", b"\xff", b'"\\x"', b"01", b"'a'",
])  # fmt: skip
def test_what_is_no_json_is_refused_as_by_json(text: bytes) -> None:
    for read in (json.loads, loads):
        with pytest.raises(ValueError):
            read(text)


def test_json_nested_beyond_the_stack_is_a_recursion_error() -> None:
    with pytest.raises(RecursionError):
        loads(b"[" * 100_000 + b"]" * 100_000)


def test_the_codec_takes_plain_data_only() -> None:
    assert encode(Counter("a")) == encode({"a": 1}) == encode(OrderedDict(a=1))
    for foreign in (object(), print, bytearray(b"x"), range(3), iter([]), [object()], {1: print}):
        with pytest.raises(NotPlain):
            encode(foreign)
    for bad in ({"eval": "1"}, {}, {"int": "x"}, {"set": [[1]]}, {"dict": [[1]]}, {"bytes": "zz"}, {"int": 1, "a": 2}):
        with pytest.raises((ValueError, TypeError, KeyError)):
            decode(bad)
