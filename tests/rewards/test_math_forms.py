"""Which forms of an answer count as equal and which do not, as docs/rewards.md tells it, by the verifier itself."""

import json
import random
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ringexp.domains.public import load_jsonl
from ringexp.records import Outcome, Prompt, Verdict
from ringexp.rewards.answers import bare, plainly_equal
from ringexp.rewards.math import MathVerifier
from ringexp.rewards.math_pool import MathPool
from ringexp.rewards.math_process import MathLimits

ACCEPTED = {
    "fractions": [
        ("1/2", "\\frac{1}{2}"), ("1/2", "\\dfrac{1}{2}"), ("1/2", "\\tfrac12"), ("1/2", "2/4"),
        ("\\frac{1}{2}", "1/2"), ("-1/2", "-\\frac{1}{2}"), ("-1/2", "\\frac{-1}{2}"), ("-1/2", "\\frac{1}{-2}"),
        ("\\frac{a}{b}", "a/b"),
    ],
    "mixed numbers": [
        ("3/2", "1\\frac{1}{2}"), ("3/2", "1 \\frac12"), ("3/2", "1 1/2"), ("-3/2", "-1 1/2"),
        ("1.5", "1\\frac{1}{2}"),
    ],
    "decimals": [
        ("1/2", "0.5"), ("1/2", ".5"), ("18", "18.00"), ("18", "18."), ("1/3", "0.333333"), ("2\\sqrt{2}", "2.828427"),
        ("2\\pi", "6.283185"), ("0.000123", "0.00012300"),
    ],
    "percent": [
        ("1/2", "50\\%"), ("1/2", "50%"), ("0.125", "12.5\\%"), ("50\\%", "0.5"), ("50", "50\\%"), ("50\\%", "50"),
    ],
    "thousands": [
        ("1000", "1,000"), ("1000", "1{,}000"), ("1000", "1\\,000"), ("1000", "1 000"), ("1234567.5", "1,234,567.5"),
        ("1,000", "1000"),
    ],
    "powers of ten": [
        ("1200", "1.2 \\times 10^3"), ("1200", "1.2\\cdot 10^{3}"), ("1200", "1.2e3"), ("1200", "1.2E+3"),
        ("0.00012", "1.2 \\times 10^{-4}"), ("1.6 \\times 10^{-19}", "1.6e-19"), ("2^{10}", "1024"),
    ],
    "decoration": [
        ("5", "5 \\text{ cm}"), ("5", "5\\,\\mathrm{cm}"), ("5 \\text{ cm}", "5"), ("5", "5 \\text{ apples}"),
        ("18", "\\$18"), ("90", "90^\\circ"), ("90", "90 \\text{ degrees}"), ("5", "\\left(5\\right)"),
        ("5", "\\mathbf{5}"), ("5", "$5$."), ("-3", "−3"), ("5", " 5 "),
    ],
    "equations": [
        ("5", "x = 5"), ("x=5", "5"), ("y=2x+1", "y = 1 + 2x"), ("y=2x+1", "2x-y+1=0"), ("1, 2", "x=1, x=2"),
    ],
    "intervals": [
        ("[1,2)", "\\left[1, 2\\right)"), ("(-\\infty,3]", "(-\\infty, 3]"), ("x<3", "(-\\infty,3)"), ("x<3", "3>x"),
        ("(-\\infty,1)\\cup(2,\\infty)", "(2,\\infty)\\cup(-\\infty,1)"), ("1<x<2", "(1,2)"),
    ],
    "sets": [
        ("\\{1,2\\}", "\\{2,1\\}"), ("\\{1,2\\}", "2, 1"), ("1,2", "1 \\text{ and } 2"), ("\\{1,2\\}", "\\{1,1,2\\}"),
    ],
    "tuples": [("(1,2)", "(1, 2)"), ("(1,2)", "\\left(1,2\\right)"), ("(3,1)", "(6/2,1)")],
    "plus or minus": [("\\pm 3", "3, -3"), ("3,-3", "\\pm 3"), ("1 \\pm \\sqrt{2}", "1+\\sqrt{2}, 1-\\sqrt{2}")],
    "expressions": [
        ("2\\sqrt{2}", "\\sqrt{8}"), ("\\frac{\\sqrt{2}}{2}", "\\frac{1}{\\sqrt{2}}"), ("\\sqrt[3]{8}", "2"),
        ("2\\pi", "\\pi\\cdot 2"), ("\\frac{\\pi}{2}", "\\pi/2"), ("x^2-1", "(x-1)(x+1)"), ("x+y", "y+x"),
        ("10!", "3628800"),
    ],
    "matrices": [
        ("\\begin{pmatrix}1&2\\\\3&4\\end{pmatrix}", "\\begin{bmatrix} 1 & 2 \\\\ 3 & 4 \\end{bmatrix}"),
        ("\\begin{pmatrix}1/2\\\\1\\end{pmatrix}", "\\begin{pmatrix}0.5\\\\1\\end{pmatrix}"),
    ],
    "words": [("\\text{yes}", "Yes"), ("\\text{Paris}", "Paris"), ("C", "\\text{C}")],
}  # fmt: skip

REFUSED = {
    "another value": [
        ("3", "4"), ("3", "-3"), ("1/2", "2"), ("1/2", "0.51"), ("1/3", "0.33"), ("1/3", "0.3333"), ("\\pi", "3.14"),
        ("\\pi", "22/7"), ("2\\sqrt{2}", "2.83"), ("1000", "1.000"), ("1/2", "50"), ("x^2-1", "y^2-1"), ("2x", "2y"),
        ("x=5", "y=5"), ("\\infty", "-\\infty"),
    ],
    "small numbers that round to the same": [
        ("1.6 \\times 10^{-19}", "0"), ("1.6 \\times 10^{-19}", "1.6 \\times 10^{-20}"), ("0.0000001", "0.0000002"),
        ("1.6 \\times 10^{-19}", "0\\%"),
    ],
    "ends of an interval": [("(1,2)", "[1,2]"), ("(1,2)", "(1,2]"), ("x<3", "x \\leq 3"), ("[1,2]", "[1,3]")],
    "order or number": [
        ("(1,2)", "(2,1)"), ("(1,2,3)", "(3,2,1)"), ("\\{1,2\\}", "\\{1\\}"), ("\\{1,2\\}", "\\{1,2,3\\}"),
        ("\\pm 3", "3"), ("\\begin{pmatrix}1&2\\\\3&4\\end{pmatrix}", "\\begin{pmatrix}1&3\\\\2&4\\end{pmatrix}"),
        ("(3,1)", "(5,2)"),
    ],
    "several guesses": [
        ("3", "3, 4"), ("3", "4, 3"), ("3", "1, 2, 3"), ("3", "3 or 4"), ("3", "1 or 2 or 3"),
        ("3", "3 \\text{ or } 4"), ("3", "$3$ or $4$"), ("3", "\\{3,4\\}"), ("3", "3;4"), ("3", "3|4"),
        ("3", "3 \\lor 4"), ("3", "3 \\\\ 4"), ("3", "3 \\pm 1"), ("3", "\\pm 3"), ("3", "x=3, x=4"),
        ("3", "x=3 \\text{ or } x=4"), ("60\\%", "50\\% or 60\\%"), ("\\text{yes}", "yes or no"),
        ("\\text{yes}", "yes, no"), ("3", "3 / 4"), ("3", "3 4"), ("3", "\\begin{cases} 3 \\\\ 4 \\end{cases}"),
        ("3", "\\begin{pmatrix} 3 & 4 \\end{pmatrix}"),
    ],
    "everything and nothing": [
        ("3", "x | x=x"), ("3", "\\{x \\mid x = x\\}"), ("3", "\\mathbb{R}"), ("3", "\\text{all reals}"),
        ("3", "(-\\infty,\\infty)"), ("3", "x"), ("3", "\\text{answer}"), ("3", "\\emptyset"), ("3", "\\infty"),
        ("3", "[2,4]"), ("3", "True"), ("3", "x=x"), ("\\{1,2\\}", "\\{x,y\\}"), ("3", "\\square"), ("3", "?"),
        ("3", "..."), ("3", "*"), ("3", "\\ldots"),
    ],
    "not a number": [
        ("3", "1/0"), ("3", "\\frac{0}{0}"), ("3", "NaN"), ("3", "nan"), ("3", "\\text{NaN}"), ("3", "inf"),
        ("0", "0/0"), ("\\infty", "1/0"), ("3", "3i"),
    ],
    "programs": [
        ("3", "__import__('os').system('true')"), ("3", "eval(3)"), ("3", "lambda: 3"), ("3", "3 if 1 else 4"),
        ("3", "{}.__class__"), ("3", "Symbol('x')"), ("3", "S(3)"), ("3", "print(3)"), ("3", "\\input{/etc/passwd}"),
    ],
    "look-alikes": [
        ("3", "３"), ("3", "³"), ("3", "٣"), ("3", "III"), ("3", "three"), ("3", "0x3"), ("0", "O"), ("1", "l"),
    ],
}  # fmt: skip


@pytest.fixture(scope="module")
def verifier() -> Iterator[MathVerifier]:
    it = MathVerifier()
    yield it
    it.close()


def judged(verifier: MathVerifier, pairs: list[tuple[str, str]]) -> list[Verdict]:
    prompts = [Prompt("p", "math", "q", gold) for gold, _ in pairs]
    return verifier.score(prompts, [f"Therefore \\boxed{{{answer}}}." for _, answer in pairs])


def test_equivalent_forms_are_accepted(verifier: MathVerifier) -> None:
    pairs = [pair for rows in ACCEPTED.values() for pair in rows]
    refused = [pair for pair, v in zip(pairs, judged(verifier, pairs)) if v.outcome is not Outcome.CORRECT]
    assert refused == []
    assert len(pairs) > 80


def test_other_answers_are_refused_as_wrong_or_unreadable(verifier: MathVerifier) -> None:
    pairs = [pair for rows in REFUSED.values() for pair in rows]
    verdicts = dict(zip(pairs, judged(verifier, pairs)))
    odd = {p: v for p, v in verdicts.items() if v.outcome not in (Outcome.WRONG, Outcome.UNPARSABLE)}
    assert odd == {}
    assert len(pairs) > 80


def test_what_math_verify_takes_for_the_same_and_docs_tell(verifier: MathVerifier) -> None:
    """Lenient where a stricter reader would not be; a change of the library's mind shows here."""
    lenient = [
        ("3", "300\\%"), ("3", "3\\%"), ("0.5", "0.5\\%"), ("5 \\text{ cm}", "5 \\text{ m}"), ("(1,2)", "1,2"),
        ("C", "c"), ("3", "4 = 3"), ("3", "\\{3\\}"), ("3", "[3,3]"), ("3", "\\int_0^3 1 dx"),
        ("3", "3 \\text{ (or 4)}"),
    ]  # fmt: skip
    strict = [
        ("5", "5 = x"), ("(-\\infty,3)", "x<3"), ("5", "5 dollars"), ("1/3", "0.\\overline{3}"), ("12.5\\%", "12.50"),
        ("\\sin(30^\\circ)", "1/2"), ("\\mathbb{R}", "\\text{all reals}"), ("x", "x+2-2"), ("4", "3 \\text{ (or 4)}"),
    ]  # fmt: skip
    found = judged(verifier, lenient + strict)
    assert [v.reward for v in found] == [1.0] * len(lenient) + [0.0] * len(strict)


@pytest.fixture(scope="module")
def pool() -> Iterator[MathPool]:
    it = MathPool(1, MathLimits(5.0, 120.0, 2 * 1024**3))
    yield it
    it.stop()


def written(value: Fraction) -> st.SearchStrategy[str]:
    """The ways to write a number that the short cut reads, as far as they are exact."""
    ways = []
    if value.denominator == 1:
        ways += [str(value), f"{value}.0", f"{value}.000000", f"\\frac{{{2 * value}}}{{2}}", f"{3 * value}/3"]
    above, below = value.numerator, value.denominator
    ways += [f"{above}/{below}", f"\\frac{{{above}}}{{{below}}}", f"\\dfrac{{{7 * above}}}{{{7 * below}}}"]
    if (10**6 * value).denominator == 1:
        ways += [f"{float(value):.6f}"]
    return st.sampled_from(ways)


near = st.sampled_from([Fraction(k, 10**6) for k in (0, 1, -1, 10, 100_000, 10**6)])
numbers = st.one_of(
    st.integers(-(10**9) + 10, 10**9 - 10).map(Fraction),
    st.builds(Fraction, st.integers(-99_999, 99_999), st.integers(1, 99)),
    st.integers(-(10**8), 10**8).map(lambda n: Fraction(n, 10**6)),
)
both = numbers.flatmap(lambda v: near.flatmap(lambda d: st.tuples(written(v), written(v + d))))


@settings(max_examples=250)
@example(("0", "-0"))
@example(("0", "-0.0"))
@example(("-0.5", "-1/2"))
@example(("999999999999", "999999999998"))
@example(("999999999.999999", "1000000000"))
@example(("0.000001", "0.000002"))
@example(("1/3", "0.333333"))
@example(("0.333333", "1/3"))
@example(("1/1000000", "0.000001"))
@given(both)
def test_the_short_cut_for_plain_numbers_agrees_with_math_verify(pool: MathPool, pair: tuple[str, str]) -> None:
    short = plainly_equal(*pair)
    if short is not None:
        assert pool.judge([pair])[0].reward == short


def test_the_short_cut_leaves_rounding_to_math_verify() -> None:
    assert plainly_equal("1/3", "0.333333") is None
    assert plainly_equal("1/3", "2/6") is True
    assert plainly_equal("1/3", "1/2") is False
    assert plainly_equal("0.5", "1/2") is True
    assert plainly_equal("0.5", "0.500001") is False
    for text in ("0.1234567", "1234567890123", "01", "+1", "1/0", "1/-2", "x", "1e3", "1٣", ".5", "5.", "--1"):
        assert plainly_equal(text, "1") is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1,000", "1000"), ("1,00", "1,00"), ("1,000,0", "1,000,0"), ("0,123", "0,123"), ("1, 000", "1, 000"),
        ("12\\,345.5", "12345.5"), ("-1 000", "-1000"), ("1000 000", "1000 000"), ("$x$", "x"),
        ("$x$ or $y$", "$x$ or $y$"), ("5.", "5"), ("5...", "5..."), ("1.2e-4", "1.2E-4"), ("2e", "2e"), ("e3", "e3"),
        ("1  2/3", "1\\frac{2}{3}"),
        ("1 2", "1 2"), ("١ 1/2", "١ 1/2"),
    ],
)  # fmt: skip
def test_numbers_are_rewritten_as_math_verify_reads_them(text: str, expected: str) -> None:
    assert bare(text) == expected


GSM8K = Path(__file__).resolve().parents[3] / "shared" / "data" / "gsm8k_train_2000.jsonl"
ROWS = 2_000


@pytest.mark.skipif(not GSM8K.is_file(), reason="needs GSM8K rows at ../shared/data/gsm8k_train_2000.jsonl")
def test_gsm8k_gold_solutions_score_1_and_those_of_other_rows_0_but_for_equal_answers(verifier: MathVerifier) -> None:
    pool = load_jsonl(GSM8K, "gsm8k").pool
    prompts = [*pool.train, *pool.validation, *pool.test]
    solutions = [p.trace or "" for p in prompts]
    assert len(prompts) == ROWS
    own = verifier.score(prompts, solutions)
    assert [p.question for p, v in zip(prompts, own) if v.reward != 1] == []

    order = random.Random(0).sample(range(len(prompts)), len(prompts))
    other = dict(zip(order, [*order[1:], order[0]]))  # one cycle: no row keeps its own
    assert all(i != j for i, j in other.items())
    found = verifier.score(prompts, [solutions[other[i]] for i in range(len(prompts))])
    values = [value(line) for line in GSM8K.read_text(encoding="utf-8").splitlines()]
    by_question = dict(values)
    golds = [by_question[p.question] for p in prompts]
    coincidences = {i for i, j in other.items() if golds[i] == golds[j]}
    assert {i for i, v in enumerate(found) if v.reward} == coincidences
    assert {v.outcome for v in found} == {Outcome.CORRECT, Outcome.WRONG}
    assert 0 < len(coincidences) < 60


def value(line: str) -> tuple[str, Fraction]:
    """A row's question and the value behind its mark, read without the project's own adapters."""
    row = json.loads(line)
    return row["question"].strip(), Fraction(row["answer"].rsplit("####", 1)[1].strip().replace(",", ""))
