"""How fast answers are judged: maths per second, and code in units of what starting a bare sandbox takes.

    python benchmarks/rewards.py --gsm8k FILE [--answers 3000] [--candidates 120] [--rounds 5] [--only math|code]

Maths, by `MathVerifier.score`, two batches: *distinct*, in which no (answer, gold) pair comes twice and none is a plain
integer, so that each one is parsed; *realistic*, K = 8 responses to each problem of GSM8K, right, wrong or in another
form, most of them integers and many alike, as rollouts are. The shares that need no parsing are printed.

Code, by `Sandbox.run`, with one worker to a core: distinct right candidates for one function, whose tests call it five
times, and programs of three cases; over the rate at which as many threads start `bwrap … python3 -c pass` with the
same options of bubblewrap and the same interpreter (`bare`). `stripped` is the stricter comparison: the interpreter of
`bare` with the options that ours has too, which leave out the `site` module. Rounds alternate, a ratio is the median of
the rounds'. Last line of stdout: one JSON object; the bars are `math_realistic` 1,500 a second and `code_ratio` 0.8.
"""

import argparse
import json
import os
import random
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from rich.console import Console
from rich.table import Table

from ringexp.code_tests import CodeTests, FunctionTests, ProgramTests
from ringexp.records import Prompt
from ringexp.rewards.math import MathVerifier
from ringexp.rewards.sandbox import Job, Limits, Sandbox
from ringexp.rewards.sandbox.root import BUBBLEWRAP, command

CORES = len(os.sched_getaffinity(0))
SAMPLES = 8
BARE = ("bare", "stripped")
STRIPPED = ("-s", "-P", "-S", "-B")
FUNCTION = FunctionTests("f", "", "def check(f):\n    for i in range(5):\n        assert f(i) == i + 1\n")
PROGRAM = ProgramTests((("1\n", "2\n"), ("5\n", "6\n"), ("-1\n", "0\n")))
FORMS = (r"\frac{{{0}}}{{{1}}}", r"{0}/{1}", r"\sqrt{{{0}}}+{1}", r"{0}.{1:02d}", r"\dfrac{{{0}\pi}}{{{1}}}",
         r"{0}x+{1}", r"({0}, {1})", r"\{{{0}, {1}\}}", r"{0}^{{{1}}}", r"{0}\%", r"\text{{{0}.{1}}}",
         r"[{0}, {1})")  # fmt: skip


def realistic(path: Path, answers: int) -> tuple[list[Prompt], list[str]]:
    """Responses to problems of GSM8K, `SAMPLES` to each."""
    draw = random.Random(0)
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    golds = [row["answer"].split("####")[1].strip().replace(",", "") for row in rows][: answers // SAMPLES]
    prompts, texts = [], []
    for number, gold in enumerate(golds):
        for _ in range(SAMPLES):
            prompts.append(Prompt(str(number), "math", "", gold))
            near = str(int(float(gold)) + draw.choice((-10, -1, 1, 2, 10)))
            forms = (gold, gold, gold, near, near, f"{gold}.00", rf"\${gold}", rf"{gold}\text{{ dollars}}",
                     rf"x={gold}", rf"\frac{{{int(float(gold)) * 2}}}{{2}}", rf"{near}.5")  # fmt: skip
            texts.append(rf"So the answer is \boxed{{{draw.choice(forms)}}}.")
    return prompts, texts


def distinct(answers: int) -> tuple[list[Prompt], list[str]]:
    """Answers in LaTeX, no two alike, to golds in LaTeX; every other one is right."""
    prompts, texts = [], []
    for number in range(answers):
        form = FORMS[number % len(FORMS)]
        gold = form.format(number + 2, number % 89 + 3)
        prompts.append(Prompt(str(number), "math", "", gold))
        texts.append(rf"\boxed{{{gold if number % 2 else form.format(number + 3, number % 89 + 3)}}}")
    return prompts, texts


def maths(prompts: Sequence[Prompt], texts: Sequence[str]) -> dict[str, float]:
    """Verdicts per second by a verifier that has judged nothing like it, its processes started; shares in per cent."""
    verifier = MathVerifier()
    warm = distinct(64)
    verifier.score([Prompt(p.id, p.domain, "", p.answer + "+0.1") for p in warm[0]], warm[1])
    start = time.perf_counter()
    verdicts = verifier.score(prompts, texts)
    seconds = time.perf_counter() - start
    verifier.close()
    pairs = [(p.answer, t) for p, t in zip(prompts, texts)]
    plain = [bool(re.fullmatch(r".*\\boxed\{-?\d+\}\.?", t) and re.fullmatch(r"-?\d+", g)) for g, t in pairs]
    parsed = {pair for pair, is_plain in zip(pairs, plain) if not is_plain}
    return {"rate": len(texts) / seconds, "correct": 100 * sum(v.reward for v in verdicts) / len(texts),
            "integers": 100 * sum(plain) / len(texts),
            "repeated": 100 * (len(texts) - sum(plain) - len(parsed)) / len(texts)}  # fmt: skip


def code(tests: CodeTests, source: str, candidates: int) -> Callable[[], float]:
    """What judges so many candidates, no two alike, and gives their rate."""
    sandbox = Sandbox(Limits(), CORES)
    jobs = [Job(f"{source}# {number}\n", tests) for number in range(candidates)]

    def judged() -> float:
        start = time.perf_counter()
        verdicts = sandbox.run(jobs)
        assert all(v.reward for v in verdicts), verdicts
        return candidates / (time.perf_counter() - start)

    return judged


def bare(candidates: int, options: Sequence[str] = ()) -> Callable[[], float]:
    """What starts so many interpreters, with these options, in bare sandboxes, and gives their rate."""
    start = command(BUBBLEWRAP, Limits().tmp_bytes)
    words = [*start.words[: start.words.index(STRIPPED[0])], *options, "-c", "pass"]
    pool = ThreadPoolExecutor(CORES)

    def once(_: int) -> None:
        subprocess.run(words, stdin=subprocess.DEVNULL, env=start.environment, check=True)

    def started() -> float:
        begin = time.perf_counter()
        list(pool.map(once, range(candidates)))
        return candidates / (time.perf_counter() - begin)

    return started


def rounds(kinds: dict[str, Callable[[], float]], count: int) -> dict[str, list[float]]:
    """Rates of each kind, one of every kind in a round, in turn forwards and backwards."""
    for run in kinds.values():
        run()
    found: dict[str, list[float]] = {name: [] for name in kinds}
    for number in range(count):
        for name in list(kinds)[:: -1 if number % 2 else 1]:
            found[name].append(kinds[name]())
        print(f"round {number + 1}: " + ", ".join(f"{n} {r[-1]:.1f}/s" for n, r in found.items()), file=sys.stderr)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gsm8k", type=Path, help="rows of GSM8K, JSON lines")
    parser.add_argument("--answers", type=int, default=3000)
    parser.add_argument("--candidates", type=int, default=120)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", choices=("math", "code"))
    arguments = parser.parse_args()
    result: dict[str, float] = {"cores": CORES}
    console = Console()
    if arguments.only != "code":
        if arguments.gsm8k is None:
            parser.error("maths needs --gsm8k FILE; or give --only code")
        table = Table("maths", "verdicts/s", "correct, %", "plain integers, %", "repeated, %")
        batches = {"distinct": distinct(arguments.answers), "realistic": realistic(arguments.gsm8k, arguments.answers)}
        for name, batch in batches.items():
            found = maths(*batch)
            result[f"math_{name}"] = round(found["rate"], 1)
            table.add_row(name, *(f"{found[key]:.0f}" for key in ("rate", "correct", "integers", "repeated")))
        console.print(table)
    if arguments.only != "math":
        number = arguments.candidates
        kinds = {"function": code(FUNCTION, "def f(x):\n    return x + 1\n", number),
                 "program": code(PROGRAM, "print(int(input()) + 1)\n", number), "bare": bare(number),
                 "stripped": bare(number, STRIPPED)}  # fmt: skip
        rates = rounds(kinds, arguments.rounds)
        table = Table("code", "per second, median", "over bare, median of rounds", "over stripped")
        for name, found_rates in rates.items():
            over = {kind: statistics.median(a / b for a, b in zip(found_rates, rates[kind])) for kind in BARE}
            table.add_row(name, f"{statistics.median(found_rates):.1f}", *(f"{ratio:.2f}" for ratio in over.values()))
            result[f"{name}_per_second"] = round(statistics.median(found_rates), 1)
            if name not in BARE:
                key = "code" if name == "function" else name
                result |= {f"{key}_ratio": round(over["bare"], 3), f"{key}_over_stripped": round(over["stripped"], 3)}
        console.print(table)
    print(json.dumps(result))


if __name__ == "__main__":
    main()
