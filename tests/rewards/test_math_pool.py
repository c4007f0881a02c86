"""The pool of Math-Verify processes: the same verdicts by any number of them, replacement, limits, life and death."""

import os
import random
import signal
import subprocess
import sys
import threading
import time

import psutil
import pytest

from ringexp.errors import ConfigError
from ringexp.records import Outcome, Prompt, Verdict
from ringexp.rewards.math import MathVerifier
from ringexp.rewards.math_pool import MathPool
from ringexp.rewards.math_process import MathLimits

CORRECT, WRONG, UNPARSABLE, TIMEOUT = Outcome.CORRECT, Outcome.WRONG, Outcome.UNPARSABLE, Outcome.TIMEOUT
GIB = 1024**3
SLOW = Verdict(TIMEOUT, "more than 1 s of CPU time")


def asked(gold: str) -> Prompt:
    return Prompt("p", "math", "q", gold)


def outcome(verifier: MathVerifier, gold: str, text: str) -> Outcome:
    return verifier.score([asked(gold)], [text])[0].outcome


def pairs(n: int, seed: int) -> tuple[list[tuple[str, str]], list[Outcome]]:
    """`n` different easy pairs for Math-Verify, and what it has to say; every third is wrong."""
    draw = random.Random(seed)
    made = []
    for i in range(n):
        k, m, wrong = i + 2, draw.randrange(2, 99), i % 3 == 0
        made.append(draw.choice([
            (f"{k}\\sqrt{{{m * m}}}", f"{k * m + wrong}"),
            (f"x+{k}", f"{k}+x" + ("+1" if wrong else "")),
            (f"{k} \\text{{ cm}}", f"{k + wrong} cm"),
            (f"({k},{k + m}]", f"({k},{k + m + wrong}]"),
            (f"\\{{{k},{m + n}\\}}", f"\\{{{m + n + wrong},{k}\\}}"),
        ]))  # fmt: skip
    return made, [WRONG if i % 3 == 0 else CORRECT for i in range(n)]


HANG = "99999999!"


def test_verdicts_are_the_same_by_any_number_of_processes_and_in_any_order() -> None:
    items, expected = pairs(40, seed=1)
    items += [("3", "1/0"), ("3", "\\int_0^3 dx"), ("3", "???")]
    runs = []
    for workers, seed in ((1, 0), (2, 1)):
        order = random.Random(seed).sample(range(len(items)), len(items))
        pool = MathPool(workers, MathLimits(1.0, 120.0, 2 * GIB))
        verdicts = dict(zip(order, pool.judge([items[i] for i in order])))
        assert 1 <= len(pool.pids) <= workers
        pool.stop()
        runs.append([verdicts[i] for i in range(len(items))])
    assert [v.outcome for v in runs[0][:40]] == expected
    assert [v.outcome for v in runs[0][40:]] == [WRONG, CORRECT, UNPARSABLE]
    assert runs[0] == runs[1]


def test_one_item_in_a_hundred_hostile() -> None:
    items, expected = pairs(200, seed=2)
    places = random.Random(0).sample(range(200), 2)
    for place, answer in zip(places, (HANG, "(88888888!)")):
        items[place] = ("3", answer)
    verifier = MathVerifier(cpu_seconds=1.0)
    verdicts = verifier.score([asked(g) for g, _ in items], [f"\\boxed{{{a}}}" for _, a in items])
    verifier.close()
    assert [verdicts[place] for place in places] == [SLOW, SLOW]
    rest = [i for i in range(200) if i not in places]
    assert [verdicts[i].outcome for i in rest] == [expected[i] for i in rest]


@pytest.fixture(scope="module")
def crashing(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A folder for PYTHONPATH with which an answer that holds 777 meets a fault in C code, as a library may have."""
    folder = tmp_path_factory.mktemp("crash")
    (folder / "sitecustomize.py").write_text(
        "import sys\n"
        "if 'ringexp.rewards.math_worker' in ' '.join(sys.orig_argv):\n"
        "    import ctypes, math_verify\n"
        "    real = math_verify.verify\n"
        "    def verify(gold, answer, **options):\n"
        "        return ctypes.string_at(0) if '777' in str(answer) else real(gold, answer, **options)\n"
        "    math_verify.verify = verify\n"
    )
    return str(folder)


def test_an_answer_that_crashes_the_process_costs_itself_alone(crashing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", crashing + os.pathsep + os.environ.get("PYTHONPATH", ""))
    items, expected = pairs(30, seed=3)
    items[7] = ("x+1", "x+777")
    pool = MathPool(1, MathLimits(5.0, 120.0, 2 * GIB))
    verdicts = pool.judge(items)
    pool.stop()
    assert verdicts[7] == Verdict(Outcome.ERROR, "the Math-Verify process died twice on this answer")
    rest = [i for i in range(30) if i != 7]
    assert [verdicts[i].outcome for i in rest] == [expected[i] for i in rest]


def test_a_process_that_cannot_start_is_one_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    pool = MathPool(2, MathLimits(5.0, 120.0, 32 * 1024**2))
    with pytest.raises(Exception, match=r"did not start \(.*\): install math-verify"):
        pool.judge([("1/3", "x")])
    assert pool.pids == []


def test_an_interrupt_ends_the_processes_and_the_next_batch_is_judged() -> None:
    verifier = MathVerifier(cpu_seconds=30.0)
    outcome(verifier, "1/2", "\\boxed{(1/2)}")
    (first,) = verifier.worker_pids
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
    threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT)).start()
    with pytest.raises(KeyboardInterrupt):
        verifier.score([asked("3")], ["\\boxed{99999999!}"])
    signal.signal(signal.SIGINT, before)
    assert not psutil.pid_exists(first)
    assert outcome(verifier, "1/3", "\\boxed{(2/6)}") is CORRECT
    verifier.close()


def test_a_fork_gets_processes_of_its_own_and_leaves_the_parents_alone() -> None:
    verifier = MathVerifier()
    outcome(verifier, "1/2", "\\boxed{(1/2)}")
    before = verifier.worker_pids
    child = os.fork()
    if child == 0:
        good = verifier.worker_pids == [] and outcome(verifier, "1/3", "\\boxed{(2/6)}") is CORRECT
        good = good and not set(verifier.worker_pids) & set(before)
        verifier.close()
        os._exit(0 if good else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert outcome(verifier, "1/4", "\\boxed{(2/8)}") is CORRECT
    assert verifier.worker_pids == before
    verifier.close()


def test_old_processes_are_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ringexp.rewards.math_pool._RECYCLE_AFTER", 3)
    pool = MathPool(1, MathLimits(5.0, 120.0, 2 * GIB))
    seen = set()
    for k in range(2, 8):
        assert pool.judge([("2x", f"x+{k}x-{k - 1}x")])[0].outcome is CORRECT
        seen |= set(pool.pids)
    pool.stop()
    assert len(seen) == 2


@pytest.mark.parametrize(
    "options", [{"workers": 0}, {"workers": 1.5}, {"cpu_seconds": 0}, {"wall_seconds": -1}, {"memory_bytes": 0}]
)
def test_impossible_limits_are_refused(options: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match="rewards:"):
        MathVerifier(**options)  # type: ignore[arg-type]


def test_works_outside_the_main_thread_and_from_several_at_once() -> None:
    verifier = MathVerifier()
    results: dict[int, list[Verdict]] = {}

    def work(k: int) -> None:
        batch = [(f"{n}/{k + 7}", f"\\boxed{{({2 * n}/{2 * (k + 7)})}}") for n in range(1, 20)]
        results[k] = verifier.score([asked(g) for g, _ in batch], [t for _, t in batch])

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    verifier.close()
    assert {v.outcome for verdicts in results.values() for v in verdicts} == {CORRECT}
    assert [len(results[k]) for k in range(4)] == [19] * 4


def test_plain_numbers_the_same_text_and_repeated_pairs_cost_no_process() -> None:
    verifier = MathVerifier(cache_size=2)
    for gold, box in (("5", "5"), ("1/2", "0.5"), ("x+1", "x+1"), ("1200", "1\\,200")):
        assert outcome(verifier, gold, f"\\boxed{{{box}}}") is CORRECT
    assert verifier.worker_pids == []
    assert outcome(verifier, "1/2", "\\boxed{(0.5)}") is CORRECT
    verifier.close()
    assert outcome(verifier, "1/2", "\\boxed{(0.5)}") is CORRECT
    assert verifier.worker_pids == []
    for box in ("(0.25)", "(0.75)"):
        outcome(verifier, "1/2", f"\\boxed{{{box}}}")
    verifier.close()
    outcome(verifier, "1/2", "\\boxed{(0.5)}")  # forgotten: only two pairs are kept
    assert verifier.worker_pids
    verifier.close()


def test_a_killed_process_is_replaced_and_close_leaves_none() -> None:
    verifier = MathVerifier()
    outcome(verifier, "1/2", "\\boxed{(0.5)}")
    (first,) = verifier.worker_pids
    os.kill(first, signal.SIGKILL)
    assert outcome(verifier, "1/3", "\\boxed{(2/6)}") is CORRECT
    (second,) = verifier.worker_pids
    assert second != first
    verifier.close()
    verifier.close()
    assert not psutil.pid_exists(first)
    assert not psutil.pid_exists(second)


def test_a_process_that_does_not_run_at_all_meets_the_wall_clock() -> None:
    verifier = MathVerifier(wall_seconds=1.0)
    outcome(verifier, "1/2", "\\boxed{(0.5)}")
    os.kill(verifier.worker_pids[0], signal.SIGSTOP)
    long = "0" * 990  # chunks that do not fit a pipe together: giving them waits for nobody
    stopped, *after = verifier.score([asked("1/3")] * 40, [f"\\boxed{{(1/{k}.{long})}}" for k in range(40)])
    assert stopped == Verdict(TIMEOUT, "no reply in 1 s")
    assert [v.outcome for v in after] == [CORRECT if k == 3 else WRONG for k in range(1, 40)]
    verifier.close()


def test_a_time_out_is_judged_by_cpu_time_not_by_wall_time() -> None:
    verifier = MathVerifier(cpu_seconds=1.0)
    outcome(verifier, "1/2", "\\boxed{(0.5)}")
    (pid,) = verifier.worker_pids
    os.kill(pid, signal.SIGSTOP)
    threading.Timer(2.5, os.kill, (pid, signal.SIGCONT)).start()
    assert outcome(verifier, "1/3", "\\boxed{(2/6)}") is CORRECT
    assert verifier.worker_pids == [pid]
    verifier.close()


def test_no_process_is_left_when_the_program_ends_without_close() -> None:
    program = (
        "from ringexp.records import Prompt\n"
        "from ringexp.rewards.math import MathVerifier\n"
        "v = MathVerifier()\n"
        "v.score([Prompt('p', 'math', 'q', '1/2')], ['\\\\boxed{(0.5)}'])\n"
        "print(v.worker_pids[0], flush=True)\n"
    )
    for ending in ("", "raise SystemExit(3)", "import os; os.kill(os.getpid(), 9)"):
        done = subprocess.run([sys.executable, "-c", program + ending], capture_output=True, text=True, check=False)
        pid = int(done.stdout)
        deadline = time.monotonic() + 30  # after a kill the worker still has to see its input end
        while psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
            assert time.monotonic() < deadline
            time.sleep(0.05)


def test_the_worker_ends_when_its_input_does_and_its_import_is_light() -> None:
    command = [sys.executable, "-m", "ringexp.rewards.math_worker", "--memory-bytes", str(2 * GIB)]
    worker = subprocess.run([*command, "--cpu-seconds", "5"], input=b"", capture_output=True, timeout=60, check=True)
    assert worker.stdout == b'{"ready": true}\n'
    heavy = "{'torch', 'sympy', 'math_verify', 'numpy', 'transformers', 'datasets'}"
    check = f"import sys, ringexp.rewards.math_worker; assert not {heavy} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", check], check=True)


def test_the_kernel_limits_memory_and_the_cpu_time_of_an_orphan() -> None:
    pool = MathPool(1, MathLimits(5.0, 120.0, 2 * GIB))
    pool.judge([("1/2", "0.5")])
    worker = psutil.Process(pool.pids[0])
    assert worker.rlimit(psutil.RLIMIT_AS) == (2 * GIB, 2 * GIB)
    assert 10 <= worker.rlimit(psutil.RLIMIT_CPU)[0] <= worker.cpu_times().user + 15
    assert not [m.path for m in worker.memory_maps() if "torch" in m.path]
    pool.stop()
