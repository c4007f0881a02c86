"""The built-in maths problems: disjoint splits, determinism, right answers, true steps, traces that score 1."""

import re
from collections import Counter
from collections.abc import Callable, Iterator
from fractions import Fraction
from math import prod

import pytest

from ringexp.domains.math import generate
from ringexp.domains.math.kinds import LEVELS, SPACES
from ringexp.domains.math.wordings import WORDINGS
from ringexp.domains.procedural import SPLITS, split_of
from ringexp.errors import ConfigError
from ringexp.records import Outcome, Prompt
from ringexp.rewards.math import MathVerifier

CELLS = len(SPACES) * len(LEVELS)


@pytest.fixture(scope="module")
def verifier() -> Iterator[MathVerifier]:
    it = MathVerifier()
    yield it
    it.close()


def evaluate(expression: str) -> Fraction:
    """An independent evaluation of digits, + - * / with the usual precedence."""
    total = Fraction(0)
    for sign, term in re.findall(r"([+-]?)([\d*/]+)", expression):
        value = Fraction(1)
        for operator, factor in re.findall(r"([*/]?)(\d+)", term):
            value = value / int(factor) if operator == "/" else value * int(factor)
        total += -value if sign == "-" else value
    return total


def integers(text: str) -> list[int]:
    return [int(n) for n in re.findall(r"\d+", text)]


def answer_of_chain(question: str) -> Fraction:
    expressions = re.findall(r"\d[\d+*-]*", question)
    if len(expressions) == 1:
        return evaluate(expressions[0])
    if question.startswith("Add the products"):
        return evaluate(expressions[0]) + evaluate(expressions[1])
    a, b, c = integers(question)
    return Fraction(a * b + c if question.startswith("Multiply") else a + b - c)


def answer_of_equation(question: str) -> Fraction:
    plain = question.replace(" times x", "x").replace(" plus ", "+").replace(" is ", "=").replace("*x", "x")
    left, right = re.search(r"([\dx+]+)=(\d+)", plain).groups()  # type: ignore[union-attr]
    factors = re.findall(r"(\d*)x", left)
    constant = sum(int(t) for t in left.split("+") if "x" not in t)
    return Fraction(int(right) - constant, int(factors[0] or 1))


def answer_of_sequence(question: str) -> Fraction:
    numbers = integers(question)
    first, second = map(int, re.search(r"(\d+), (\d+), \d+", question).groups())  # type: ignore[union-attr]
    if "comes next" in question or "next number" in question or "next term" in question:
        return Fraction(numbers[-1] + second - first)
    term = numbers[0] if question.startswith("Find term") else numbers[-1]
    return Fraction(first + (term - 1) * (second - first))


def answer_of_word(question: str, form: str) -> Fraction:
    numbers = integers(question)
    results: dict[str, Callable[[], Fraction | int]] = {
        "sum": lambda: sum(numbers),
        "difference": lambda: max(numbers) - min(numbers),
        "product": lambda: prod(numbers),
        "quotient": lambda: Fraction(max(numbers), min(numbers)),
        "product_sum": lambda: numbers[0] * numbers[1] + numbers[2],
        "product_difference": lambda: numbers[0] * numbers[1] - numbers[2],
    }
    return Fraction(results[form]())


def expected(prompt: Prompt) -> Fraction:
    """The answer recomputed from the question's text alone (for stories, the operation too)."""
    numbers = integers(prompt.question)
    if prompt.kind == "word":
        return answer_of_word(prompt.question, prompt.id.split("/")[2])
    if prompt.kind == "fraction":
        parts = [evaluate(f) for f in re.findall(r"\d+/\d+", prompt.question)]
        return sum(parts, Fraction(0)) if len(parts) == 2 else parts[0] * numbers[-1]
    return {
        "add": lambda: Fraction(sum(numbers)),
        "subtract": lambda: Fraction(max(numbers) - min(numbers)),
        "multiply": lambda: Fraction(prod(numbers)),
        "remainder": lambda: Fraction(numbers[0] % numbers[1]),
        "chain": lambda: answer_of_chain(prompt.question),
        "equation": lambda: answer_of_equation(prompt.question),
        "sequence": lambda: answer_of_sequence(prompt.question),
    }[prompt.kind]()


@pytest.mark.parametrize("split", SPLITS)
def test_answers_agree_with_an_independent_computation_from_the_question(split: str) -> None:
    for prompt in generate(40 * CELLS, split, 3) if split == "train" else generate(15 * CELLS, split, 3):
        assert Fraction(prompt.answer) == expected(prompt), prompt


def test_every_written_step_is_true_and_traces_have_the_promised_size() -> None:
    steps = 0
    for prompt in generate(100 * CELLS, "train", 5):
        assert prompt.trace is not None
        assert 30 <= len(prompt.trace) <= 160, prompt
        assert 10 <= len(prompt.question) <= 110, prompt
        assert prompt.trace.endswith(f"\\boxed{{{prompt.answer}}}.")
        for left, right, rest in re.findall(r"(\d[\d+*/-]*)=(\d+)(?: r (\d+))?", prompt.trace):
            if rest:
                dividend, divisor = integers(left)
                assert divmod(dividend, divisor) == (int(right), int(rest)), prompt
            else:
                assert evaluate(left) == int(right), prompt
            steps += 1
    assert steps > 100 * CELLS


def test_splits_are_disjoint_whatever_the_seeds_and_wordings() -> None:
    seen: dict[str, set[str]] = {
        split: {p.id.split("/", 2)[2] for seed in range(4) for p in generate(10 * CELLS, split, seed)}
        for split in SPLITS
    }
    for split, problems in seen.items():
        assert len(problems) > 10 * CELLS * 0.7
        for other in SPLITS:
            assert other == split or not problems & seen[other]
    texts = {split: {p.question for p in generate(15 * CELLS, split, 1)} for split in SPLITS}
    assert not texts["train"] & texts["test"]


def test_split_shares_are_those_promised() -> None:
    counts = Counter(split_of(f"sum:{a},{b}") for a in range(100) for b in range(100))
    for split, share in (("train", 0.8), ("validation", 0.08), ("test", 0.12)):
        assert counts[split] / 10_000 == pytest.approx(share, abs=0.01)


def test_split_of_a_problem_never_changes() -> None:
    assert split_of("sum:10,10") == "train"
    assert split_of("sum:15,10") == "validation"
    assert split_of("sum:17,10") == "test"


def test_a_story_lies_in_the_split_of_its_bare_computation() -> None:
    bare = {p.id.split("/", 2)[2] for p in generate(300, "train", 0, levels=[1], kinds=["add"])}
    told = {p.id.split("/", 2)[2] for p in generate(300, "test", 0, levels=[1], kinds=["word"])}
    assert not bare & told


def test_generation_is_a_pure_function_with_prefixes_and_balance() -> None:
    problems = generate(12 * CELLS, "train", 11)
    assert problems == generate(12 * CELLS, "train", 11)
    assert problems[:50] == generate(50, "train", 11)
    assert problems != generate(12 * CELLS, "train", 12)
    assert len({p.id for p in problems}) == len(problems)
    assert set(Counter((p.kind, p.level) for p in problems).values()) == {12}
    assert all(p.domain == "math" for p in problems)


def test_every_wording_is_used_and_every_kind_has_three_wordings_and_traces() -> None:
    for kind, forms in WORDINGS.items():
        assert all(len(w) >= 3 for w in forms.values()), kind
    for kind in SPACES:
        traces = {re.sub(r"\d+", "0", p.trace or "") for p in generate(60, "train", 0, kinds=[kind])}
        assert len(traces) >= 9, kind  # three wordings of the working times three endings, at the least


def test_a_space_too_small_is_an_error_that_says_how_many_there_are() -> None:
    with pytest.raises(ConfigError, match=r"kind 'multiply' level 1 has only \d+ problems in split 'test'.*ask for"):
        generate(500, "test", 0, levels=[1], kinds=["multiply"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"split": "dev"}, "unknown split 'dev': use one of train, validation, test"),
        ({"levels": [4]}, "unknown level 4: use some of 1, 2, 3"),
        ({"kinds": ["algebra"]}, "unknown kind 'algebra': use some of add"),
        ({"kinds": []}, "no kind given"),
        ({"levels": [1, 1]}, "named twice"),
        ({"count": -1}, "cannot generate -1"),
    ],
)
def test_arguments_that_name_nothing_are_refused(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(message)):
        generate(**{"count": 3, "split": "train", "seed": 0, **arguments})  # type: ignore[arg-type]


def test_every_gold_trace_scores_one_and_another_answer_scores_zero(verifier: MathVerifier) -> None:
    problems = generate(21 * CELLS, "train", 2)
    assert len(problems) >= 500
    traces = [p.trace or "" for p in problems]
    assert {v.outcome for v in verifier.score(problems, traces)} == {Outcome.CORRECT}
    shifted = verifier.score(problems, traces[1:] + traces[:1])
    for prompt, other, verdict in zip(problems, problems[1:] + problems[:1], shifted):
        equal = Fraction(prompt.answer) == Fraction(other.answer)
        assert verdict.outcome is (Outcome.CORRECT if equal else Outcome.WRONG), (prompt, other)
    assert sum(v.outcome is Outcome.WRONG for v in shifted) >= 500
