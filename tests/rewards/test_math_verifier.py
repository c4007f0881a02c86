"""The maths verifier, run for real: what counts, hostile answers, limits, the life of its process."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import psutil
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ringexp.records import Outcome, Prompt, Verdict
from ringexp.rewards.boxed import last_boxed
from ringexp.rewards.math import MathVerifier
from ringexp.rewards.math_process import MathProcess

CORRECT, WRONG, UNPARSABLE, TIMEOUT = Outcome.CORRECT, Outcome.WRONG, Outcome.UNPARSABLE, Outcome.TIMEOUT
GIB = 1024**3


def asked(gold: str) -> Prompt:
    return Prompt("p", "math", "q", gold)


@pytest.fixture(scope="module")
def verifier() -> Iterator[MathVerifier]:
    it = MathVerifier(cpu_seconds=1.0)
    yield it
    it.close()


def outcome(verifier: MathVerifier, gold: str, text: str) -> Outcome:
    return verifier.score([asked(gold)], [text])[0].outcome


@pytest.mark.parametrize(
    ("text", "box"),
    [
        ("a \\boxed{1} b \\boxed{2} c", "2"),
        ("\\boxed{\\frac{1}{2}}", "\\frac{1}{2}"),
        ("\\boxed {5}", "5"),
        ("\\boxed{\\boxed{5}}", "5"),
        ("{ \\boxed{5}", "5"),
        ("} \\boxed{5}", "5"),
        ("\\boxed{4} \\boxed{5", "4"),
        ("\\boxed{\\{1\\}}", "\\{1\\}"),
        ("\\boxed{\\{1}", "\\{1"),
        ("\\boxed{ { 5 }", None),
        ("\\boxed{}", ""),
        ("\\boxed 5", None),
        ("boxed{5}", None),
        ("", None),
    ],
)
def test_last_boxed(text: str, box: str | None) -> None:
    assert last_boxed(text) == box


def test_last_boxed_is_linear_in_hostile_text() -> None:
    start = time.process_time()
    assert last_boxed("\\boxed{" * 200_000) is None
    assert last_boxed("\\boxed{" * 100_000 + "}" * 100_000) == ""
    assert time.process_time() - start < 5


@pytest.mark.parametrize(
    ("gold", "box", "expected"),
    [
        ("1/2", "0.5", CORRECT),
        ("1/2", "\\frac12", CORRECT),
        ("1/2", "\\frac{2}{4}", CORRECT),
        ("1/2", "50\\%", CORRECT),
        ("1/2", "50%", CORRECT),
        ("0.5", "1/2", CORRECT),
        ("\\frac{1}{2}", "$\\frac{1}{2}$.", CORRECT),
        ("1/2", "0.51", WRONG),
        ("1/2", "2", WRONG),
        ("60%", "50% or 60%", WRONG),
        ("1000", "1,000", CORRECT),
        ("18", "\\$18", CORRECT),
        ("18", "18.", CORRECT),
        ("18", "18.00", CORRECT),
        ("18", "x=18", CORRECT),
        ("18", "018", CORRECT),
        ("-3", "-3", CORRECT),
        ("-3", "3", WRONG),
        ("3", "3 \\text{ or } 4", WRONG),
        ("3", "3, 4", WRONG),
        ("3", "$3$ or $4$", WRONG),
        ("\\boxed{3}", "3", CORRECT),
        ("2\\sqrt{2}", "\\sqrt{8}", CORRECT),
        ("3", "???", UNPARSABLE),
        ("3", "", UNPARSABLE),
        ("3", " \n ", UNPARSABLE),
    ],
)
def test_equivalents(verifier: MathVerifier, gold: str, box: str, expected: Outcome) -> None:
    found = outcome(verifier, gold, f"So \\boxed{{{box}}}.")
    # what cannot be right must not score; whether Math-Verify can read it is its affair
    assert found is expected if expected is not WRONG else found in (WRONG, UNPARSABLE)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The answer is 3.", UNPARSABLE),
        ("\\boxed{4}. The answer is $3$", WRONG),
        ("\\boxed{3} no, \\boxed{4}", WRONG),
        ("\\boxed{4} no, \\boxed{3}", CORRECT),
        ("3 \\boxed{} 3", UNPARSABLE),
        ("\\boxed{3", UNPARSABLE),
    ],
)
def test_only_the_last_box_counts(verifier: MathVerifier, text: str, expected: Outcome) -> None:
    assert outcome(verifier, "3", text) is expected


HOSTILE = {
    "power tower of **": "\\boxed{9**9**9**9}",
    "power tower": "\\boxed{10^{10^{10}}}",
    "higher tower": "\\boxed{9^{9^{9^{9}}}}",
    "factorial": "\\boxed{99999999!}",
    "hang in a difference": "\\boxed{10^{1000000000}-10^{1000000000}+3}",
    "integral": "\\boxed{\\int_0^1 e^{x^{x^x}} dx}",
    "deep parentheses": "\\boxed{" + "(" * 300 + "4" + ")" * 300 + "}",
    "deep braces": "\\boxed{" + "{" * 400 + "4" + "}" * 400 + "}",
    "deep roots": "\\boxed{" + "\\sqrt{" * 120 + "4" + "}" * 120 + "}",
    "signs": "\\boxed{" + "-" * 900 + "4}",
    "a megabyte": "3" * 1_000_000,
    "a megabyte in the box": "\\boxed{" + "3" * 1_000_000 + "}",
    "a megabyte of boxes": "\\boxed{" * 150_000,
    "empty box": "\\boxed{}",
    "unbalanced": "\\boxed{{{3}",
    "unbalanced escape": "\\boxed{\\{3}",
    "null and surrogate": "\\boxed{\x00\ud800}",
    "protocol": '\\boxed{"}\n{"outcome": "correct", "detail": "", "cpu": 0}\n',
    "code": "\\boxed{__import__('os').system('true')}",
}


def test_hostile_answers_never_raise_or_score_and_the_next_item_is_judged(verifier: MathVerifier) -> None:
    texts = [t for hostile in HOSTILE.values() for t in (hostile, "\\boxed{6/2}", "\\boxed{3.5}")]
    verdicts = verifier.score([asked("3")] * len(texts), texts)
    found = dict(zip(HOSTILE, verdicts[::3]))
    assert {n: v for n, v in found.items() if v.outcome not in (TIMEOUT, UNPARSABLE, WRONG)} == {}
    assert found["factorial"].outcome is TIMEOUT
    assert found["higher tower"].outcome is TIMEOUT
    assert "CPU" in found["factorial"].detail
    assert {v.outcome for v in verdicts[1::3]} == {CORRECT}
    assert {v.outcome for v in verdicts[2::3]} == {WRONG}
    # after a time-out a new process answers an unseen pair
    assert verifier.score([asked("7/3")] * 2, ["\\boxed{88888888!}", "\\boxed{14/6}"])[1].outcome is CORRECT


def test_verdicts_do_not_depend_on_the_order_of_the_batch() -> None:
    golds = ["1/2", "x^2-1", "\\sqrt{8}", "0.25", "7/3", "(1,2)"]
    boxes = ["2/4", "(x-1)(x+1)", "2\\sqrt{2}", "1/4", "7/4", "(1,2)"]
    runs = []
    for order in (range(6), range(5, -1, -1)):
        verifier = MathVerifier()
        verdicts = verifier.score([asked(golds[i]) for i in order], [f"\\boxed{{{boxes[i]}}}" for i in order])
        verifier.close()
        runs.append(dict(zip(order, verdicts)))
    assert runs[0] == runs[1]
    assert [runs[0][i].outcome for i in range(6)] == [CORRECT] * 4 + [WRONG, CORRECT]


def test_works_outside_the_main_thread_and_from_several_at_once(verifier: MathVerifier) -> None:
    results: dict[int, list[Verdict]] = {}

    def work(k: int) -> None:
        batch = [(f"{n}/{k + 7}", f"\\boxed{{{2 * n}/{2 * (k + 7)}}}") for n in range(1, 20)]
        results[k] = verifier.score([asked(g) for g, _ in batch], [t for _, t in batch])

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {v.outcome for verdicts in results.values() for v in verdicts} == {CORRECT}
    assert [len(results[k]) for k in range(4)] == [19] * 4


integers = st.integers(min_value=-(10**12) + 1, max_value=10**12 - 1)


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(gold=integers, other=integers, same=st.booleans())
def test_the_integer_short_cut_agrees_with_math_verify(process: MathProcess, gold: int, other: int, same: bool) -> None:
    answer = gold if same else other
    by_process = process.ask(str(gold), str(answer))
    short = MathVerifier()
    assert short.score([asked(str(gold))], [f"\\boxed{{{answer}}}"])[0] == by_process
    assert short.worker_pid is None


@pytest.fixture(scope="module")
def process() -> Iterator[MathProcess]:
    it = MathProcess(5.0, 120.0, 2 * GIB)
    yield it
    it.stop()


def test_plain_integers_and_repeated_pairs_cost_no_process() -> None:
    verifier = MathVerifier(cache_size=2)
    assert outcome(verifier, "5", "\\boxed{5}") is CORRECT
    assert verifier.worker_pid is None
    assert outcome(verifier, "1/2", "\\boxed{0.5}") is CORRECT
    verifier.close()
    assert outcome(verifier, "1/2", "\\boxed{0.5}") is CORRECT
    assert verifier.worker_pid is None
    for box in ("0.25", "0.75"):
        outcome(verifier, "1/2", f"\\boxed{{{box}}}")
    verifier.close()
    outcome(verifier, "1/2", "\\boxed{0.5}")  # forgotten: only two pairs are kept
    assert verifier.worker_pid is not None
    verifier.close()


def test_a_gold_that_cannot_be_read_is_an_error_that_is_counted_apart(verifier: MathVerifier) -> None:
    found = verifier.score([asked("")], ["\\boxed{1/2}"])[0]
    assert found == Verdict(Outcome.ERROR, "gold answer cannot be parsed")


def test_a_killed_process_is_replaced_and_close_leaves_none() -> None:
    verifier = MathVerifier()
    outcome(verifier, "1/2", "\\boxed{0.5}")
    first = verifier.worker_pid
    assert first is not None
    os.kill(first, signal.SIGKILL)
    assert outcome(verifier, "1/3", "\\boxed{2/6}") is CORRECT
    second = verifier.worker_pid
    assert second not in (None, first)
    verifier.close()
    verifier.close()
    assert not psutil.pid_exists(first)
    assert not psutil.pid_exists(second or 0)


def test_a_process_that_does_not_run_at_all_meets_the_wall_clock() -> None:
    verifier = MathVerifier(wall_seconds=1.0)
    outcome(verifier, "1/2", "\\boxed{0.5}")
    os.kill(verifier.worker_pid or 0, signal.SIGSTOP)
    stopped, after = verifier.score([asked("1/3")] * 2, ["\\boxed{1/4}", "\\boxed{2/6}"])
    assert stopped == Verdict(TIMEOUT, "no reply in 1 s")
    assert after.outcome is CORRECT
    verifier.close()


def test_a_time_out_is_judged_by_cpu_time_not_by_wall_time() -> None:
    verifier = MathVerifier(cpu_seconds=1.0)
    outcome(verifier, "1/2", "\\boxed{0.5}")
    pid = verifier.worker_pid or 0
    os.kill(pid, signal.SIGSTOP)
    threading.Timer(2.5, os.kill, (pid, signal.SIGCONT)).start()
    assert outcome(verifier, "1/3", "\\boxed{2/6}") is CORRECT
    assert verifier.worker_pid == pid
    verifier.close()


def test_no_process_is_left_when_the_program_ends_without_close() -> None:
    program = (
        "from ringexp.records import Prompt\n"
        "from ringexp.rewards.math import MathVerifier\n"
        "v = MathVerifier()\n"
        "v.score([Prompt('p', 'math', 'q', '1/2')], ['\\\\boxed{0.5}'])\n"
        "print(v.worker_pid, flush=True)\n"
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


def test_the_kernel_limits_memory_and_the_cpu_time_of_an_orphan(process: MathProcess) -> None:
    process.ask("1/2", "0.5")
    worker = psutil.Process(process.pid)
    assert worker.rlimit(psutil.RLIMIT_AS) == (2 * GIB, 2 * GIB)
    assert 10 <= worker.rlimit(psutil.RLIMIT_CPU)[0] <= worker.cpu_times().user + 15
    assert not [m.path for m in worker.memory_maps() if "torch" in m.path]


def test_nesting_has_a_limit_that_does_not_depend_on_time(verifier: MathVerifier) -> None:
    for depth, expected in ((4, CORRECT), (13, UNPARSABLE), (400, UNPARSABLE)):
        assert outcome(verifier, "3", "\\boxed{" + "(" * depth + "3" + ")" * depth + "}") is expected
