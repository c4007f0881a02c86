"""Both levels of isolation, run for real: attempts to get out, as functions and as programs; what each level allows."""

import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest
from escapes import READING, REFUSED, paid
from hostile_candidates import HOSTILE
from sandboxed import needs_sandbox

from ringexp.code_tests import CodeTests, FunctionTests, ProgramTests
from ringexp.errors import ConfigError, RingexpWarning
from ringexp.records import Outcome, Verdict
from ringexp.rewards.code import CodeVerifier
from ringexp.rewards.sandbox import Job, Limits, Sandbox

CORRECT, WRONG, _, TIMEOUT, ERROR = Outcome
LIMITS = Limits(cpu_seconds=0.3, wall_seconds=2.0, memory_bytes=192 * 1024**2, tmp_bytes=1024**2)
FUNCTION = FunctionTests("f", "", "def check(f):\n    for i in range(5):\n        assert f(i) == i + 1\n")
PROGRAM = ProgramTests((("3\n", "4\n"), ("10\n", "11\n")))
TASKS: dict[str, CodeTests] = {"function": FUNCTION, "program": PROGRAM}
SOLVED = "def f(x): return x + 1\nif __name__ == '__main__': print(f(int(input())))\n"
MARKER = "".join(["mar", "ker-", "7351"])


@pytest.fixture(scope="module", params=["bubblewrap", "process"])
def sandbox(request: pytest.FixtureRequest) -> Iterator[Sandbox]:
    it = Sandbox(LIMITS, workers=2, isolation=request.param)
    yield it
    it.close()


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("machine") / "planted"
    path.write_text("secret")
    return path


def level(sandbox: Sandbox) -> str:
    return sandbox._isolation


@needs_sandbox
@pytest.mark.parametrize("task", TASKS)
def test_attempts_to_get_out_do_not_pay(sandbox: Sandbox, task: str, planted: Path) -> None:
    before = planted.stat(), sorted(planted.parent.iterdir())
    attempts = dict(REFUSED) | (READING if level(sandbox) == "bubblewrap" else {})
    found = sandbox.run([Job(paid(attempt, planted), TASKS[task]) for attempt in attempts.values()])
    assert {name: v for name, v in zip(attempts, found) if v.outcome is not WRONG} == {}
    assert all(v.detail for v in found)
    after = planted.stat(), sorted(planted.parent.iterdir())
    assert (after[0].st_mode, after[0].st_mtime_ns, after[1]) == (before[0].st_mode, before[0].st_mtime_ns, before[1])
    assert not [path for path in ("/hostile", "/dev/shm/hostile", "/tmp/hostile") if os.path.lexists(path)]
    assert sandbox.run([Job(SOLVED, TASKS[task])]) == [Verdict(CORRECT)]


@needs_sandbox
def test_the_weaker_level_cannot_keep_files_from_being_read(planted: Path) -> None:
    sandbox = Sandbox(LIMITS, isolation="process")
    found = sandbox.run([Job(paid(attempt, planted), PROGRAM) for attempt in READING.values()])
    assert found == [Verdict(CORRECT)] * len(READING)  # if this fails, the level is better than its warning says
    sandbox.close()


@needs_sandbox
@pytest.mark.parametrize("task", TASKS)
def test_no_test_is_in_the_candidates_memory(sandbox: Sandbox, task: str) -> None:
    """All that can be found without a system call, and, where /proc is there, every readable page."""
    source = """
import ctypes, gc, os, sys
word = "".join(["mar", "ker-"]).encode()
def seen():
    for fd in range(64):
        try: yield os.pread(fd, 10**6, 0)
        except OSError: pass
    for thing in gc.get_objects():
        for inner in gc.get_referents(thing):
            if isinstance(inner, str): yield inner.encode(errors="replace")
            if isinstance(inner, bytes): yield inner
    try: maps = open("/proc/self/maps").read().splitlines()
    except OSError: maps = []
    for line in maps:
        words = line.split()
        first, last = (int(part, 16) for part in words[0].split("-"))
        if "r" in words[1] and "[v" not in line and last - first < 10**8: yield ctypes.string_at(first, last - first)
def search():
    for text in seen():
        at = text.find(word)
        if at >= 0 and text[at + 7 : at + 11].isdigit(): return text[at : at + 11].decode()
    return "nothing"
def f(x): return search()
if __name__ == "__main__": print(search())
"""
    tests: dict[str, CodeTests] = {
        "function": FunctionTests("f", f"A = {MARKER!r}\n", f"B = {MARKER!r}\ndef check(f):\n    assert f(1) == B\n"),
        "program": ProgramTests((("1\n", f"{MARKER}\n"), ("2\n", f"{MARKER}\n"))),
    }
    limits = Limits(cpu_seconds=5, wall_seconds=30, memory_bytes=LIMITS.memory_bytes)
    verdict = Sandbox(limits, isolation=level(sandbox)).run([Job(source, tests[task])])[0]
    assert verdict.outcome is WRONG
    assert "nothing" in verdict.detail
    planted_in_itself = source + f"\nHELD = {MARKER!r}\n"  # the search does find what is there
    assert Sandbox(limits, isolation=level(sandbox)).run([Job(planted_in_itself, tests[task])]) == [Verdict(CORRECT)]


SOLVES_AS_A_PROGRAM = ("right at first", "answers before the calls")
"""Hostile as functions; as programs, which have no second call and no pipes, they just solve the task."""


@pytest.fixture(scope="module")
def fates(sandbox: Sandbox) -> dict[tuple[str, str], tuple[Verdict, float, Verdict]]:
    """Of each hostile candidate and task (functions in bubblewrap: test_sandbox): verdict, seconds, a correct one's."""
    tasks = ["program"] if level(sandbox) == "bubblewrap" else ["function"]
    wanted = [(name, task) for task in tasks for name in HOSTILE
              if not (task == "program" and name in SOLVES_AS_A_PROGRAM)]  # fmt: skip
    call = "\ntry: print(f(int(input())))\nexcept NameError: pass\n"

    def fate(key: tuple[str, str]) -> tuple[Verdict, float, Verdict]:
        name, task = key
        source = HOSTILE[name][0] + (call if task == "program" else "")
        start = time.monotonic()
        verdict = sandbox.run([Job(source, TASKS[task])])[0]
        return verdict, time.monotonic() - start, sandbox.run([Job(SOLVED, TASKS[task])])[0]

    with ThreadPoolExecutor(2) as pool:
        return dict(zip(wanted, pool.map(fate, wanted)))


@needs_sandbox
def test_hostile_programs_and_hostile_functions_without_a_sandbox_get_nothing_and_end_in_time(
    sandbox: Sandbox, fates: dict[tuple[str, str], tuple[Verdict, float, Verdict]]
) -> None:
    assert len(fates) > 50
    assert {key: v for key, (v, _, _) in fates.items() if v.reward or v.outcome is ERROR or not v.detail} == {}
    assert {key: s for key, (_, s, _) in fates.items() if s > LIMITS.wall_seconds + 1} == {}
    assert {key: after for key, (_, _, after) in fates.items() if after != Verdict(CORRECT)} == {}
    expected = {key: HOSTILE[key[0]][1] for key in fates if key[1] == "function" and HOSTILE[key[0]][1] is TIMEOUT}
    assert {key: fates[key][0].outcome for key in expected} == expected


@needs_sandbox
def test_nothing_is_left_of_them(fates: dict[tuple[str, str], tuple[Verdict, float, Verdict]]) -> None:
    children = psutil.Process().children(recursive=True)
    assert [p for p in children if p.status() != psutil.STATUS_ZOMBIE and "marshal" in " ".join(p.cmdline())] == []


@needs_sandbox
def test_an_ending_parent_takes_the_candidate_with_it() -> None:
    """A verifier that is killed leaves no candidate behind, at either level."""
    for isolation in ("bubblewrap", "process"):
        pid = os.fork()
        if pid == 0:
            endless = Job("while True: pass", FUNCTION)
            Sandbox(Limits(cpu_seconds=300, wall_seconds=600), isolation=isolation).run([endless])
            os._exit(0)
        deadline = time.monotonic() + 20
        while len(candidates := psutil.Process(pid).children(recursive=True)) < 2 and time.monotonic() < deadline:
            time.sleep(0.02)
        os.kill(pid, 9)
        os.waitpid(pid, 0)
        _, alive = psutil.wait_procs(candidates, timeout=60)  # a busy machine takes its time to end a name space
        assert len(candidates) >= 2
        assert [p for p in alive if p.status() != psutil.STATUS_ZOMBIE] == []


@needs_sandbox
def test_the_weaker_level_says_so_and_an_unknown_one_is_refused() -> None:
    with pytest.warns(RingexpWarning, match="isolation=process: generated code runs WITHOUT a file system") as said:
        verifier = CodeVerifier(isolation="process")
    assert "\n" not in str(said[0].message)
    assert verifier.tags == {"code_isolation": "process"}
    assert CodeVerifier().tags == {"code_isolation": "bubblewrap"}
    with pytest.raises(ConfigError, match=r"rewards\.code\.isolation=none: use one of bubblewrap, process"):
        CodeVerifier(isolation="none")


@needs_sandbox
def test_the_weaker_level_needs_no_bubblewrap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert Sandbox(LIMITS, isolation="process").run([Job(SOLVED, FUNCTION)]) == [Verdict(CORRECT)]
    assert Sandbox(LIMITS, isolation="process").run([Job(SOLVED, PROGRAM)]) == [Verdict(CORRECT)]


@needs_sandbox
def test_capabilities_are_given_up_also_where_root_runs_it() -> None:
    source = "def f(): return [line.split()[1] for line in open('/proc/self/status') if line.startswith('CapEff')]"
    tests = FunctionTests("f", "", "def check(f):\n    assert f() == ['0' * 16], f()\n")
    assert Sandbox(LIMITS, isolation="process").run([Job(source, tests)]) == [Verdict(CORRECT)]
