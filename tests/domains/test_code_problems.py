"""The built-in code problems: disjoint splits, determinism, true traces, hidden tests that near misses fail."""

import ast
import heapq
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from copy import deepcopy
from random import Random
from string import Formatter
from typing import Any

import pytest

from ringexp.code_tests import read_tests
from ringexp.domains.code import generate
from ringexp.domains.code.forms import LETTERS, Constants, Form, function_of
from ringexp.domains.code.kinds import FORMS, LEVELS
from ringexp.domains.code.probes import MOST, hidden_inputs
from ringexp.domains.procedural import SPLITS, split_of
from ringexp.errors import ConfigError
from ringexp.records import Prompt

CELLS = len(FORMS) * len(LEVELS)
ALL = [form for levels in FORMS.values() for forms in levels.values() for form in forms]
BY_NAME = {form.name: form for form in ALL}

MEANING: dict[str, Callable[..., Any]] = {
    "mul_add": lambda x, a, b: b + sum([x] * a),
    "mul_sub": lambda x, a, b: sum([x] * a) - b,
    "add_mul": lambda x, a, b: b * x + a * b,
    "sub_mul": lambda x, a, b: b * x - a * b,
    "from_mul": lambda x, a, b: -b * x + a,
    "threshold": lambda x, a, b, c: (c, b)[x > a - 1],
    "divisible": lambda x, a, b, c: (b, c)[bool(x - x // a * a)],
    "replace_low": lambda x, a, b: (b, x)[x > a - 1],
    "replace_high": lambda x, a, b: (x, b)[x >= a],
    "rem_add": lambda x, a, b: divmod(x, a)[1] + b,
    "quot_add": lambda x, a, b: int(x / a) + b,
    "rem_mul": lambda x, a, b: b * (x - int(x / a) * a),
    "quot_mul": lambda x, a, b: b * divmod(x, a)[0],
    "keep_from": lambda xs, a: list(filter(lambda x: not x < a, xs)),
    "keep_below": lambda xs, a: list(filter(lambda x: not x >= a, xs)),
    "keep_between": lambda xs, a, b: [x for x in xs if x in range(a, b + 1)],
    "keep_outside": lambda xs, a, b: [x for x in xs if x not in range(a, b + 1)],
    "keep_multiples": lambda xs, a: [x for x in xs if x // a * a == x],
    "each_plus": lambda xs, a: [a + x for x in xs],
    "each_times": lambda xs, a: [a * x for x in xs],
    "each_from": lambda xs, a: [-(x - a) for x in xs],
    "each_times_plus": lambda xs, a, b: [b + x for x in (a * x for x in xs)],
    "each_times_minus": lambda xs, a, b: [x - b for x in (a * x for x in xs)],
    "sum_from": lambda xs, a: sum(xs) - sum(x for x in xs if x < a),
    "count_from": lambda xs, a: len(xs) - len([x for x in xs if x < a]),
    "count_multiples": lambda xs, a: len([x for x in xs if not x % a]),
    "sum_times_plus": lambda xs, a, b: b + sum(a * x for x in xs),
    "count_between": lambda xs, a, b: len([x for x in xs if x in range(a, b + 1)]),
    "first_append": lambda xs, a, b: [*(x for i, x in enumerate(xs) if i < a), b],
    "last_append": lambda xs, a, b: [*(x for i, x in enumerate(xs) if i >= len(xs) - a), b],
    "drop_prepend": lambda xs, a, b: [b, *(x for i, x in enumerate(xs) if i >= a)],
    "insert": lambda xs, a, b: (lambda ys: ys.insert(a, b) or ys)(list(xs)),
    "sort_with": lambda xs, a, b: sorted([b, *xs, a]),
    "sort_with_down": lambda xs, a, b: sorted([b, *xs, a])[::-1],
    "smallest_append": lambda xs, a, b: [*heapq.nsmallest(a, xs), b],
    "largest_append": lambda xs, a, b: [*reversed(heapq.nlargest(a, xs)), b],
    "replace": lambda s, a, b: b.join(s.split(a)),
    "wrap": lambda s, a, b: f"{a}{s}{b}",
    "repeat_append": lambda s, a, b: "".join([s] * a + [b]),
    "remove_append": lambda s, a, b: "".join([c for c in s if c != a] + [b]),
}
"""The forms of level 1, computed in another way."""


def code_of(prompt: Prompt) -> str:
    return re.findall(r"```python\n(.*?)\n```", prompt.trace or "", re.DOTALL)[-1]


def identity(prompt: Prompt) -> tuple[Form, Constants]:
    name, constants = prompt.id.split("/")[2:]
    return BY_NAME[name], tuple(int(c) if c.isdigit() else c for c in constants.split("-"))


def checker(prompt: Prompt) -> Callable[[Any], None]:
    tests = read_tests(prompt.answer)
    namespace: dict[str, Any] = {}
    exec(tests.setup + tests.test, namespace)
    return namespace["check"]


def passes(check: Callable[[Any], None], candidate: Any) -> bool:
    try:
        check(candidate)
    except Exception:
        return False
    return True


def hidden(prompt: Prompt) -> list[Any]:
    found: list[Any] = []
    namespace: dict[str, Any] = {}
    exec(re.sub(r"assert (candidate\(.*\)) == .*", r"\1", read_tests(prompt.answer).test), namespace)
    namespace["check"](found.append)
    return found


def examples(question: str) -> list[tuple[Any, Any]]:
    literal = r"(\[[^\]]*\]|'[^']*'|-?\d+)"
    found = re.findall(rf"f\({literal}\)={literal}", question)
    assert len(found) == question.count("f(") - 1, question
    return [(ast.literal_eval(x), ast.literal_eval(y)) for x, y in found]


def many_inputs(form: Form, constants: Constants, count: int = 40) -> list[Any]:
    """Inputs of the form's domain, drawn apart from the hidden tests, enough to tell functions apart."""
    inputs: list[Any] = []
    for draw in range(count):
        inputs += [x for x in hidden_inputs(form, constants, Random(draw + 1)) if x not in inputs]
    return inputs + (list(range(-60 if form.negative else 0, 200)) if form.parameter == "x" else [])


def outcomes(function: Callable[[Any], Any], inputs: list[Any]) -> list[str]:
    found = []
    for value in inputs:
        try:
            found.append(repr(function(value)))
        except Exception as error:
            found.append(type(error).__name__)
    return found


def changes(node: ast.AST) -> Iterator[Callable[[Any], None]]:
    """The near misses that one node of a solution can be turned into."""
    swaps: dict[type, tuple[type, ...]] = {
        ast.Add: (ast.Sub, ast.Mult), ast.Sub: (ast.Add,), ast.Mult: (ast.Add,), ast.Mod: (ast.FloorDiv,),
        ast.FloorDiv: (ast.Mod,), ast.Gt: (ast.GtE, ast.Lt), ast.GtE: (ast.Gt, ast.LtE), ast.Lt: (ast.LtE, ast.Gt),
        ast.LtE: (ast.Lt, ast.GtE), ast.Eq: (ast.NotEq,), ast.NotEq: (ast.Eq,),
    }  # fmt: skip
    if isinstance(node, ast.Constant) and type(node.value) is int:
        for shift in (-1, 1):
            yield lambda n, value=node.value + shift: setattr(n, "value", value)
    if isinstance(node, ast.Constant) and isinstance(node.value, str) and len(node.value) == 1:
        following = chr(97 + (ord(node.value) - 96) % 26)
        yield lambda n, value=following: setattr(n, "value", value)
    if isinstance(node, ast.BinOp | ast.AugAssign):
        for other in swaps.get(type(node.op), ()):
            yield lambda n, op=other: setattr(n, "op", op())
    if isinstance(node, ast.Compare):
        for i, operator in enumerate(node.ops):
            for other in swaps.get(type(operator), ()):
                yield lambda n, i=i, op=other: n.ops.__setitem__(i, op())
    if isinstance(node, ast.IfExp):
        yield lambda n: n.__dict__.update(body=n.orelse, orelse=n.body)


def operands(code: str) -> Iterator[ast.Module]:
    """The solution with one step left out: a binary operation replaced by its left operand."""
    tree = ast.parse(code)
    for i, node in enumerate(ast.walk(tree)):
        if isinstance(node, ast.BinOp):
            mutant = deepcopy(tree)
            target = list(ast.walk(mutant))[i]

            class Left(ast.NodeTransformer):
                def visit_BinOp(self, node: ast.BinOp, target: ast.AST = target) -> ast.AST:
                    return node.left if node is target else self.generic_visit(node)

            yield ast.fix_missing_locations(Left().visit(mutant))


def mutants(code: str) -> Iterator[str]:
    tree = ast.parse(code)
    for i, node in enumerate(ast.walk(tree)):
        for change in changes(node):
            mutant = deepcopy(tree)
            change(list(ast.walk(mutant))[i])
            yield ast.unparse(mutant)
    yield from map(ast.unparse, operands(code))


@pytest.fixture(scope="module")
def problems() -> list[Prompt]:
    return [p for split in SPLITS for p in generate(15 * CELLS, split, 5)]


def test_every_trace_passes_its_hidden_tests_and_gives_the_examples_of_its_question(problems: list[Prompt]) -> None:
    for prompt in problems:
        solution, tests = function_of(code_of(prompt)), hidden(prompt)
        checker(prompt)(solution)
        for given, expected in examples(prompt.question):
            assert solution(given) == expected, prompt
            assert given not in tests, prompt
        assert 6 <= len(tests) <= MOST
        assert all(tests.count(t) == 1 for t in tests)
        assert {"x": 0, "xs": [], "s": "", "text": ""}[identity(prompt)[0].parameter] in tests
        assert not passes(checker(prompt), lambda _: None)


def test_near_misses_fail_a_hidden_test(problems: list[Prompt]) -> None:
    """At least 97 % of the mutants that differ anywhere from the solution fail, at every level."""
    different: Counter[int] = Counter()
    survived: dict[int, list[str]] = defaultdict(list)
    for prompt in problems[: 10 * CELLS]:
        form, constants = identity(prompt)
        check, code = checker(prompt), code_of(prompt)
        inputs = many_inputs(form, constants, 8)
        right = outcomes(function_of(code), inputs)
        for mutant in mutants(code):
            function = function_of(mutant)
            passed = passes(check, function)
            if not passed:
                different[prompt.level] += 1
            elif outcomes(function, inputs) != right:
                different[prompt.level] += 1
                survived[prompt.level].append(f"{prompt.id}: {mutant}")
    for level in LEVELS:
        assert different[level] > 500
        assert len(survived[level]) <= 0.03 * different[level], survived[level]


def test_hidden_tests_agree_with_an_independent_computation_at_level_one() -> None:
    assert set(MEANING) == {form.name for levels in FORMS.values() for form in levels[1]}
    for prompt in generate(30 * len(FORMS), "train", 8, levels=[1]):
        form, constants = identity(prompt)
        checker(prompt)(lambda given, form=form, constants=constants: MEANING[form.name](given, *constants))


def test_the_solution_of_another_problem_fails(problems: list[Prompt]) -> None:
    last: dict[tuple[str, int], Prompt] = {}
    for prompt in problems:
        other = last.get((prompt.kind, prompt.level))
        assert other is None or not passes(checker(prompt), function_of(code_of(other))), (prompt, other)
        last[prompt.kind, prompt.level] = prompt


def test_splits_are_disjoint_by_what_is_computed() -> None:
    seen = {s: {p.id.split("/", 2)[2] for seed in range(3) for p in generate(8 * CELLS, s, seed)} for s in SPLITS}
    for split, keys in seen.items():
        assert len(keys) > 8 * CELLS
        for key in keys:
            name, constants = key.split("/")
            assert split_of(f"{name}:{constants.replace('-', ',')}") == split


def test_no_two_problems_are_the_same_function() -> None:
    """Forms of one parameter, at random constants, told apart by what they give on many common inputs."""
    integers = [*range(0, 140), 199, 256, 997, 1234]
    common: dict[str, list[Any]] = {"x": integers}
    for parameter in ("xs", "s", "text"):
        forms = [f for f in ALL if f.parameter == parameter]
        draws = [hidden_inputs(f, f.at(7 * i + 11), Random(i)) for i in range(2) for f in forms if f.fits(*f.at(11))]
        common[parameter] = [x for draw in draws for x in draw if parameter != "xs" or min(x, default=0) >= 0]
    common["xs"] += [[3] * i for i in range(12)] + [[i] for i in range(0, 100)]
    common["s"] += [*LETTERS, *("aaaaabbbbb"[i:] for i in range(5))]
    names: dict[tuple[str, ...], str] = {}
    random = Random(3)
    for form in ALL:
        tried = {form.at(random.randrange(len(form))) for _ in range(25)}
        for constants in sorted(c for c in tried if form.fits(*c)):
            code = form.code(form.tellings[0], constants)
            signature = (form.parameter, *outcomes(function_of(code), common[form.parameter]))
            assert names.setdefault(signature, form.key(constants)) == form.key(constants)
    assert len(names) > 1000


@pytest.mark.parametrize("form", ALL, ids=lambda f: f.name)
def test_every_telling_computes_the_same_and_names_every_constant(form: Form) -> None:
    letters = set("abcde"[: len(form.ranges)])
    constants = next(form.at(i) for i in range(min(97, len(form) - 1), len(form)) if form.fits(*form.at(i)))
    inputs = many_inputs(form, constants, 3)
    assert len({tuple(outcomes(function_of(form.code(t, constants)), inputs)) for t in form.tellings}) == 1
    assert sum(len(t.questions) for t in form.tellings) >= 3
    for telling in form.tellings:
        assert len(telling.thoughts) >= 3
        for template in (telling.body, *telling.questions):
            named = {"a" if name == "p" else name for _, name, _, _ in Formatter().parse(template) if name}
            assert named == letters, template


def test_form_names_are_different() -> None:
    assert len(BY_NAME) == len(ALL)


def test_sizes_are_those_promised(problems: list[Prompt]) -> None:
    """Characters of questions and traces by level, all plain ASCII."""
    for prompt in problems:
        assert prompt.trace is not None
        assert (prompt.question + prompt.trace).isascii()
        assert len(prompt.question) <= {1: 150, 2: 170, 3: 180}[prompt.level], prompt
        assert len(prompt.trace) <= {1: 110, 2: 130, 3: 260}[prompt.level], prompt
        assert prompt.trace.count("```") == 2
        assert prompt.domain == "code"


def test_generation_is_a_pure_function_with_prefixes_and_balance() -> None:
    problems = generate(6 * CELLS, "train", 11)
    assert problems == generate(6 * CELLS, "train", 11)
    assert problems[:50] == generate(50, "train", 11)
    assert problems != generate(6 * CELLS, "train", 12)
    assert len({p.id for p in problems}) == len(problems)
    assert set(Counter((p.kind, p.level) for p in problems).values()) == {6}


def test_hidden_tests_do_not_depend_on_the_seed() -> None:
    first, second = ({p.id: p for p in generate(1000, "train", s, levels=[1], kinds=["map"])} for s in (0, 1))
    both = first.keys() & second.keys()
    assert len(both) > 100
    assert any(first[i].question != second[i].question for i in both)
    assert all(first[i].answer == second[i].answer for i in both)


def test_six_kinds_fill_the_splits_of_level_one() -> None:
    for split, count in (("train", 2400), ("validation", 240), ("test", 420)):
        assert len(generate(count, split, 0, levels=[1], kinds=list(FORMS)[:6])) == count


def test_forms_of_a_cell_come_in_turn() -> None:
    names = [p.id.split("/")[2] for p in generate(20, "train", 0, levels=[1], kinds=["arithmetic"])]
    assert set(Counter(names).values()) == {4}
    assert len(set(names[:5])) == 5


def test_a_space_too_small_is_an_error_that_says_how_many_there_are() -> None:
    with pytest.raises(ConfigError, match=r"code: kind 'map' level 1 has only \d+ problems in split 'validation'"):
        generate(900, "validation", 0, levels=[1], kinds=["map"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"split": "dev"}, "unknown split 'dev': use one of train, validation, test"),
        ({"levels": [4]}, "unknown level 4: use some of 1, 2, 3"),
        ({"kinds": ["poetry"]}, "unknown kind 'poetry': use some of arithmetic"),
        ({"count": -1}, "code: cannot generate -1"),
    ],
)
def test_arguments_that_name_nothing_are_refused(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(message)):
        generate(**{"count": 3, "split": "train", "seed": 0, **arguments})  # type: ignore[arg-type]
