"""The verifier with units and tolerances, run for real: equal and unequal quantities, edges, hostile units."""

import subprocess
import sys
import time
from collections.abc import Iterator
from fractions import Fraction

import psutil
import pytest

from ringexp.errors import ConfigError
from ringexp.records import Outcome, Prompt, Verdict
from ringexp.rewards.math import MathVerifier
from ringexp.rewards.quantities import UnreadableError, read_quantity, read_unit, split_tolerance

CORRECT, WRONG, UNPARSABLE, TIMEOUT = Outcome.CORRECT, Outcome.WRONG, Outcome.UNPARSABLE, Outcome.TIMEOUT


def asked(gold: str) -> Prompt:
    return Prompt("p", "science", "q", gold)


@pytest.fixture(scope="module")
def exact() -> Iterator[MathVerifier]:
    it = MathVerifier(cpu_seconds=1.0, units=True)
    yield it
    it.close()


@pytest.fixture(scope="module")
def lenient() -> Iterator[MathVerifier]:
    it = MathVerifier(units=True, relative_tolerance=0.01)
    yield it
    it.close()


def judged(verifier: MathVerifier, gold: str, box: str) -> Verdict:
    return verifier.score([asked(gold)], [f"So we get \\boxed{{{box}}}."])[0]


EQUAL = {
    "270 m": (
        "270 m", "270m", "0.27 km", "27000 cm", "270\\,\\text{m}", "270~\\mathrm{m}", "$270$ m", "\\text{270 m}",
        "2.7 \\times 10^{2}\\,\\text{m}", "2.7\\cdot10^2 m", "2.7*10^2 m", "2.7e2 m", "270.00 meters", "d = 270 m",
        "\\frac{540}{2}\\text{ m}", "540/2 m", "\\frac{2700}{10} m", "270 \\text{ metres}", "+270 m", "270 m.",
        "\\approx 270 m",
    ),
    "1000 g": ("1,000 g", "1{,}000 g", "1\\,000 g", "1 kg", "1 \\mathrm{~kg}", "0.001 t", "10^3 g", "10^{3}\\text{ g}"),
    "0.5 m/s": (
        "\\frac{1}{2} m/s", "\\frac12 \\frac{m}{s}", "1/2 m s^{-1}", "0.5\\,\\mathrm{m\\,s^{-1}}", "50 cm/s",
        "1.8 km/h",
        "0.5 \\frac{\\text{m}}{\\text{s}}", "0.5\\left(\\frac{m}{s}\\right)", "0.5 m s-1", "0.5 meters per second",
    ),
    "5 N": (
        "5~\\text{kg}\\cdot\\text{m}/\\text{s}^2", "5 kg m s^{-2}", "5 kg*m/s**2", "5 kg·m/s²", "0.005 kN", "5 Newton",
    ),
    "8 N m": ("8 J", "8 Nm", "8 N\\cdot m", "8 kg m^2/s^2"),
    "5000 ohm": ("5\\,\\text{k}\\Omega", "5 kΩ", "5 \\mathrm{k\\Omega}", "5000\\,\\Omega", "5 kohm"),
    "25 degC": (
        "25^\\circ C", "25\\,^{\\circ}\\text{C}", "25 °C", "25 deg C", "298.15 K", "77 °F", "25 degrees Celsius",
        "25 C",
    ),
    "300 K": ("300 K", "300\\text{ kelvin}", "26.85 °C"),
    "4.2 J/(g K)": (
        "4200 J/(kg*K)", "4.2 \\frac{\\text{J}}{\\text{g}\\cdot{}^\\circ\\text{C}}", "4.2 J/g/K", "4.2 J g^{-1} K^{-1}",
    ),
    "2 m^2": ("2 m2", "20000 cm^2", "2\\,\\text{m}^{2}", "2 m²"),
    "3 g/cm^3": ("3000 kg/m^3", "3 kg/L", "3 g cm^{-3}"),
    "5 Hz": ("5 1/s", "5 s^{-1}", "5\\,\\frac{1}{\\text{s}}", "5/s"),
    "90 min": ("1.5 h", "5400 s", "\\frac{3}{2} h"),
    "3 day": ("3 days", "72 h"),
    "5e-6 m": ("5\\,\\mu\\text{m}", "5 µm", "5 \\times 10^{-6} m"),
    "50 %": ("50\\%", "50%", "0.5"),
    "0.5": ("0.5", "1/2", "50\\%"),
    "270": ("270", "270 atoms", "270.0", "2.7 \\times 10^2"),
    "-5 degC": ("-5 °C", "268.15 K"),
    "0 m": ("0 m", "0 km"),
    "12 u": ("12 amu",),
}  # fmt: skip

UNEQUAL = {
    ("270 m", "270"): (WRONG, "no unit"),
    ("270 m", "270 s"): (WRONG, "wrong unit"),
    ("270 m", "270 m^2"): (WRONG, "wrong unit"),
    ("5 m/s", "5 m/s/s"): (WRONG, "wrong unit"),
    ("270", "270 m"): (WRONG, "wrong unit"),
    ("270 m", "270 km"): (WRONG, "not equal"),
    ("270 m", "-270 m"): (WRONG, "not equal"),
    ("270 m", "270.0001 m"): (WRONG, "not equal"),
    ("25 degC", "25 K"): (WRONG, "not equal"),
    ("20 K", "20 °C"): (WRONG, "not equal"),
    ("5 C", "5 °C"): (WRONG, "wrong unit"),
    ("50 %", "50"): (WRONG, "not equal"),
    ("0 m", "0.0001 m"): (WRONG, "not equal"),
    ("270 m", "270 foo"): (UNPARSABLE, "unknown unit"),
    ("270 m", "270 m or 280 m"): (UNPARSABLE, "unit cannot be read"),
    ("270 m", "270 m, 3"): (UNPARSABLE, "unit cannot be read"),
    ("270 m", "270,0 m"): (UNPARSABLE, "not a number"),
    ("270 m", "m"): (UNPARSABLE, "no number"),
    ("270 m", "x m"): (UNPARSABLE, "no number"),
    ("270 m", "260, 270 m"): (UNPARSABLE, "not a number"),
}


def test_equal_quantities_however_they_are_written(exact: MathVerifier) -> None:
    table = [(gold, box) for gold, boxes in EQUAL.items() for box in boxes]
    assert len(table) > 80
    found = {(gold, box): judged(exact, gold, box) for gold, box in table}
    assert {k: v for k, v in found.items() if v.outcome is not CORRECT} == {}


def test_what_is_wrong_says_why(exact: MathVerifier) -> None:
    found = {(gold, box): judged(exact, gold, box) for gold, box in UNEQUAL}
    assert {k: (v.outcome, v.detail) for k, v in found.items()} == UNEQUAL


@pytest.mark.parametrize(
    ("gold", "box", "expected"),
    [
        ("270 m", "272.7 m", CORRECT),
        ("270 m", "267.3 m", CORRECT),
        ("270 m", "0.2673 km", CORRECT),
        ("270 m", "272.7001 m", WRONG),
        ("270 m", "267.2999 m", WRONG),
        ("-270 m", "-272.7 m", CORRECT),
        ("100", "101", CORRECT),
        ("100", "99", CORRECT),
        ("100", "102", WRONG),
        ("0 m", "0.001 m", WRONG),
        ("1.414 m", "\\sqrt{2} m", CORRECT),
        ("3.14 m", "\\pi\\text{ m}", CORRECT),
        ("0.333 h", "20 min", CORRECT),
        ("9.81 m/s^2 ± 0.05", "9.86 m/s^2", CORRECT),
        ("9.81 m/s^2 ± 0.05", "9.76 N/kg", CORRECT),
        ("9.81 m/s^2 ± 0.05", "986 cm/s^2", CORRECT),
        ("9.81 m/s^2 ± 0.05", "9.8601 m/s^2", WRONG),
        ("9.81 m/s^2 \\pm 0.2", "10 m/s^2", CORRECT),
        ("9.81 m/s^2 +- 0", "9.82 m/s^2", WRONG),
        ("270 m ± 0", "271 m", WRONG),
        ("12400 J ± 100", "12361 J", CORRECT),
        ("12400 J ± 100", "12.5 kJ", CORRECT),
        ("12400 J ± 100", "12.51 kJ", WRONG),
    ],
)
def test_tolerances_have_exact_edges(lenient: MathVerifier, gold: str, box: str, expected: Outcome) -> None:
    assert judged(lenient, gold, box).outcome is expected


HOSTILE = (
    "3 m^(9^9^9)", "3 m^{99999999}", "3 m**9**9**9", "3 __import__('os').system('true')", "3 m.__class__", "3 eval(m)",
    "3 " + "m" * 900, "3 " + "m*" * 400 + "m", "3 " + "(" * 99 + "m" + ")" * 99, "3 (" + "m/" * 59 + "m)", "3 lambda",
    "3 m\x00", "3 \\frac{m}{", "3 \\frac{}{}", "3 /", "3 ()", "3 #", "3 {}^{}", "3 m^{-", "3 m^99",
    "3 " + "km^12 " * 15, "3 None", "3 " + "\\text{" * 9 + "m" + "}" * 9 + "s", "3 nan", "inf m", "1e99999 m",
    "3" * 500 + " m", "3 yottam^12",
)  # fmt: skip


def test_hostile_units_are_bounded_and_the_next_item_is_judged(exact: MathVerifier) -> None:
    judged(exact, "3 m", "4 m")
    process = psutil.Process(exact.worker_pids[0])
    before = process.cpu_times()
    for box in HOSTILE:
        assert judged(exact, "3 m", box).outcome in (UNPARSABLE, WRONG), box
        assert judged(exact, "3 m", "300 cm").outcome is CORRECT
    after = psutil.Process(exact.worker_pids[0]).cpu_times()
    assert exact.worker_pids == [process.pid]
    assert after.user + after.system - before.user - before.system < 3
    assert process.memory_info().rss < 600 * 1024**2


def test_a_hostile_number_meets_the_cpu_limit(exact: MathVerifier) -> None:
    verdicts = exact.score([asked("3 m")] * 2, ["\\boxed{9^{9^{9^9}} m}", "\\boxed{6/2 m}"])
    assert [v.outcome for v in verdicts] == [TIMEOUT, CORRECT]
    assert "CPU" in verdicts[0].detail


def test_reading_is_linear_in_hostile_text() -> None:
    start = time.process_time()
    repeated = ("1,", "{", "-", "1 ", "x", "x=", "\\text{", "10^{", "~", "\\cdot", "\\frac{", "^", "3 m", "\\,", "3e")
    for text in [start_ + part * (990 // len(part)) for part in repeated for start_ in ("", "3 ", "x=")]:
        try:
            read_quantity(text)
        except UnreadableError as error:
            assert len(str(error)) < 40
    assert time.process_time() - start < 0.5


def test_units_are_read_into_names_and_powers() -> None:
    table = {
        "kg m/s^2": {"kg": 1, "m": 1, "s": -2},
        "J/(g*K)": {"J": 1, "g": -1, "K": -1},
        "J/kg K": {"J": 1, "kg": -1, "K": 1},
        "m/s/s": {"m": 1, "s": -2},
        "\\frac{kg\\cdot m^2}{s^{2} A}": {"kg": 1, "m": 2, "s": -2, "A": -1},
        "(m/s)^2": {"m": 2, "s": -2},
        "\\mathrm{m/s}^2": {"m": 1, "s": -2},
        "m/m": {},
        "": {},
    }
    assert {text: dict(read_unit(text)) for text in table} == table


def test_tolerances_are_read() -> None:
    assert split_tolerance("9.81 m/s^2 ± 0.05") == ("9.81 m/s^2", Fraction(1, 20))
    assert split_tolerance("270 m") == ("270 m", None)
    for text in ("3 m ± x", "3 m ± -1", "3 m ±"):
        with pytest.raises(UnreadableError):
            split_tolerance(text)


def test_golds_that_are_no_quantities_go_to_math_verify_and_unknown_units_are_errors(exact: MathVerifier) -> None:
    assert judged(exact, "x+1", "1+x").outcome is CORRECT
    assert judged(exact, "x+1", "x+2").outcome is WRONG
    assert judged(exact, "\\frac{a}{b}", "a/b").outcome is CORRECT
    assert judged(exact, "270 foo", "270 foo") == Verdict(Outcome.ERROR, "unknown unit in the gold answer")
    assert judged(exact, "", "1/2") == Verdict(Outcome.ERROR, "gold answer cannot be parsed")


def test_verdicts_do_not_depend_on_what_was_judged_before(exact: MathVerifier, lenient: MathVerifier) -> None:
    pairs = [("27 m", "0.027 km"), ("20 degC", "68 °F"), ("2 m", "\\sqrt{4} m"), ("5 N", "5 foo"), ("2 J", "2 W s")]
    found = {pair: judged(exact, *pair) for pair in pairs[::-1]}
    assert found == {pair: judged(lenient, *pair) for pair in pairs}
    assert [found[p].outcome for p in pairs] == [CORRECT, CORRECT, CORRECT, UNPARSABLE, CORRECT]


def test_without_units_integers_cost_no_process_and_pint_is_never_imported() -> None:
    plain = MathVerifier()
    for gold, box, expected in (("270", "270", CORRECT), ("270", "271", WRONG)):
        assert judged(plain, gold, box).outcome is expected
    assert plain.worker_pids == []
    heavy = "{'pint', 'sympy', 'math_verify', 'numpy'}"
    check = (
        "import sys, ringexp.rewards.math_worker as w, ringexp.rewards.quantities, ringexp.rewards.quantity_judge\n"
        f"assert not {heavy} & set(sys.modules)\n"
        "w._judge(w._reader())('1/2', '0.5')\n"
        "assert 'pint' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", check], check=True)


def test_integers_within_the_tolerance_are_not_cut_short(lenient: MathVerifier) -> None:
    short = MathVerifier(units=True, relative_tolerance=0.01)
    assert judged(short, "270", "270").outcome is CORRECT
    assert short.worker_pids == []
    assert judged(lenient, "270", "272").outcome is CORRECT


@pytest.mark.parametrize("options", [{"relative_tolerance": 0.01}, {"units": True, "relative_tolerance": -0.1}])
def test_options_that_mean_nothing_are_refused(options: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match="relative_tolerance"):
        MathVerifier(**options)  # type: ignore[arg-type]
