"""Batches of code to be judged: functions, lists of asserts and programs, right and wrong, one in a hundred hostile."""

import random

from hostile_candidates import HOSTILE

from ringexp.code_tests import FunctionTests, ProgramTests
from ringexp.records import Prompt

AS_PROGRAMS = [name for name in HOSTILE if name not in ("right at first", "answers before the calls")]


def items(count: int, hostile_every: int = 100, seed: int = 0) -> list[tuple[Prompt, str, str]]:
    """Prompt, response and what it is (`right`, `wrong`, `hostile`); no two of them are alike."""
    draw = random.Random(seed)
    made = []
    for number in range(count):
        plus = draw.randint(1, 50)
        kind = "hostile" if number % hostile_every == hostile_every // 2 else draw.choice(("right", "wrong"))
        program = draw.random() < 0.4
        answer = (_program if program else _function)(plus, draw).to_json()
        code = _candidate(kind, plus, draw, program)
        made.append((Prompt(str(number), "code", "", answer), f"Try this:\n```python\n# {number}\n{code}\n```", kind))
    return made


def _function(plus: int, draw: random.Random) -> FunctionTests:
    values = draw.sample(range(100), 4)
    asserts = "".join(f"    assert f({value}) == {value + plus}\n" for value in values)
    return FunctionTests("f", "import math\n", f"def check(candidate):\n{asserts}    assert candidate(0) == {plus}\n")


def _program(plus: int, draw: random.Random) -> ProgramTests:
    return ProgramTests(tuple((f"{value}\n", f"{value + plus}\n") for value in draw.sample(range(100), 3)))


def _candidate(kind: str, plus: int, draw: random.Random, program: bool) -> str:
    if kind == "hostile":
        return HOSTILE[draw.choice(AS_PROGRAMS if program else list(HOSTILE))][0]
    value = f"x + {plus if kind == 'right' else plus + draw.choice((-1, 1, 1000))}"
    return f"x = int(input())\nprint({value})" if program else f"def f(x):\n    return {value}"
