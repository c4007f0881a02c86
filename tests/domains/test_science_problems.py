"""The built-in science problems: disjoint splits, right answers and units, true steps, traces that score 1."""

import re
from collections import Counter
from collections.abc import Callable, Iterator
from fractions import Fraction

import pytest

from ringexp.domains import math, science
from ringexp.domains.math.kinds import SPACES as MATH_SPACES
from ringexp.domains.procedural import SPLITS, split_of
from ringexp.domains.science import generate
from ringexp.domains.science.kinds import LEVELS, SPACES
from ringexp.domains.science.laws import LAWS
from ringexp.domains.science.numbers import rounded, shifted, written
from ringexp.domains.science.wordings import WORDINGS
from ringexp.errors import ConfigError
from ringexp.records import Outcome, Prompt
from ringexp.rewards.math import MathVerifier

CELLS = len(SPACES) * len(LEVELS)
EASY = ["motion", "force", "electricity", "moles", "units", "temperature"]
NUMBER = r"\d+(?:\.\d+)?"


@pytest.fixture(scope="module")
def verifier() -> Iterator[MathVerifier]:
    it = MathVerifier(units=True)
    yield it
    it.close()


def law_of(prompt: Prompt) -> str:
    return prompt.id.split("/")[2]


class Given:
    """The numbers of a question by the unit behind them."""

    def __init__(self, question: str) -> None:
        self.text = question

    def __getitem__(self, unit: str) -> Fraction:
        return self.all(unit)[0]

    def all(self, unit: str) -> list[Fraction]:
        found = re.findall(rf"(?<![\w.])({NUMBER}) (?:deg )?{re.escape(unit)}(?![\w/^*-]|-)", self.text)
        return [Fraction(n) for n in found]


g, G = Fraction(10), Fraction("9.81")
INDEPENDENT: dict[str, Callable[[Given], Fraction]] = {
    "distance": lambda q: q["m/s"] * q["s"],
    "speed": lambda q: q["m"] / q["s"],
    "duration": lambda q: q["m"] / q["m/s"],
    "force": lambda q: q["kg"] * q["m/s^2"],
    "acceleration": lambda q: q["N"] / q["kg"],
    "mass_of_force": lambda q: q["N"] / q["m/s^2"],
    "voltage": lambda q: q["ohm"] * q["A"],
    "electric_power": lambda q: q["V"] * q["A"],
    "current": lambda q: q["V"] / q["ohm"],
    "resistance": lambda q: q["V"] / q["A"],
    "energy_used": lambda q: q["W"] * q["s"],
    "energy_of_weight": lambda q: q["N"] * q["m"],
    "energy_time": lambda q: q["J"] / q["W"],
    "wave_speed": lambda q: q["Hz"] * q["m"],
    "frequency": lambda q: q["m/s"] / q["m"],
    "wavelength": lambda q: q["m/s"] / q["Hz"],
    "mass_of_volume": lambda q: q["cm^3"] * q["g/cm^3"],
    "density": lambda q: q["g"] / q["cm^3"],
    "volume": lambda q: q["g"] / q["g/cm^3"],
    "force_of_pressure": lambda q: q["Pa"] * q["m^2"],
    "pressure": lambda q: q["N"] / q["m^2"],
    "area": lambda q: q["N"] / q["Pa"],
    "work": lambda q: q["N"] * q["m"],
    "power": lambda q: q["J"] / q["s"],
    "way": lambda q: q["J"] / q["N"],
    "mass_of_moles": lambda q: q["mol"] * q["g/mol"],
    "molar_mass": lambda q: q["g"] / q["mol"],
    "solute": lambda q: q["L"] * q["g/L"],
    "concentration": lambda q: q["g"] / q["L"],
    "faster": lambda q: sum(q.all("m/s")),
    "slower": lambda q: q.all("m/s")[0] - q.all("m/s")[1],
    "same_way": lambda q: sum(q.all("N")),
    "in_series": lambda q: sum(q.all("ohm")),
    "reaction_product": lambda q: sum(q.all("g")),
    "reaction_partner": lambda q: q.all("g")[0] - q.all("g")[1],
    "to_kelvin": lambda q: q["C"] + 273,
    "from_kelvin": lambda q: q["K"] - 273,
    "km_m": lambda q: q["km"] * 1000,
    "min_s": lambda q: q["min"] * 60,
    "s_min": lambda q: q["s"] / 60,
    "cm_m": lambda q: q["cm"] / 100,
    "week_day": lambda q: q["weeks"] * 7,
    "slow_distance": lambda q: q["m/s"] * q["s"],
    "pull": lambda q: q["kg"] * q["m/s^2"] + q["N"],
    "series": lambda q: sum(q.all("ohm")) * q["A"],
    "potential": lambda q: q["kg"] * g * q["m"],
    "kinetic": lambda q: q["kg"] * q["m/s"] ** 2 / 2,
    "light_mass": lambda q: q["cm^3"] * q["g/cm^3"],
    "ground_pressure": lambda q: q["kg"] * g / q["m^2"],
    "pulling_power": lambda q: q["N"] * q["m"] / q["s"],
    "diluted": lambda q: q["mg/L"] * q.all("L")[0] / q.all("L")[1],
    "fahrenheit": lambda q: (q["F"] - 32) * 5 / 9,
    "day_hour": lambda q: q["days"] * 24,
    "min_and_s": lambda q: q["min"] * 60 + q["s"],
    "minutes_trip": lambda q: q["km/h"] * q["min"] / 60,
    "run": lambda q: q["km"] * 1000 / (q["min"] * 60),
    "weight": lambda q: q["kg"] * G,
    "gram_force": lambda q: q["g"] / 1000 * q["m/s^2"],
    "milliampere": lambda q: q["mA"] * q["ohm"] / 1000,
    "parallel": lambda q: 1 / (1 / q.all("ohm")[0] + 1 / q.all("ohm")[1]),
    "lift": lambda q: q["kg"] * G * q["cm"] / 100,
    "car": lambda q: q["kg"] * (q["km/h"] / Fraction("3.6")) ** 2 / 2,
    "radio": lambda q: 300 / q["MHz"],
    "sound": lambda q: 34300 / q["Hz"],
    "block": lambda q: q["g"] / q["cm^3"],
    "tank": lambda q: q["cm^3"] * q["g/cm^3"] / 1000,
    "small_surface": lambda q: q["N"] / (q["cm^2"] / 10000),
    "water_column": lambda q: q["m"] * G,
    "motor": lambda q: q["kJ"] * 1000 / (q["min"] * 60),
    "crane": lambda q: q["kg"] * G * q["m"] / q["s"],
    "amount": lambda q: q["g"] / q["g/mol"],
    "gas": lambda q: q["g"] / q["g/mol"] * Fraction("22.4"),
    "hot": lambda q: (q["F"] - 32) * 5 / 9,
    "km_per_hour": lambda q: q["km/h"] / Fraction("3.6"),
    "mile": lambda q: q["miles"] * Fraction("1.609"),
    "calorie": lambda q: q["cal"] * Fraction("4.184"),
}


def parts(answer: str) -> tuple[Fraction, str, Fraction]:
    """Number, unit and tolerance of a gold answer."""
    plain, _, tolerance = answer.partition(" ± ")
    number, _, unit = plain.partition(" ")
    return Fraction(number), unit, Fraction(tolerance or 0)


def problems(per_cell: int, split: str = "train", seed: int = 3) -> list[Prompt]:
    return generate(per_cell * CELLS, split, seed)


def test_answers_agree_with_an_independent_computation_from_the_question() -> None:
    checked: Counter[str] = Counter()
    for split in SPLITS:
        for prompt in problems(24, split):
            name = law_of(prompt)
            if name in INDEPENDENT:
                number, _, tolerance = parts(prompt.answer)
                exact = INDEPENDENT[name](Given(prompt.question))
                assert abs(exact - number) <= tolerance / 2, (prompt, float(exact))
                assert bool(tolerance) == (prompt.level == 3), prompt
                checked[name] += 1
    assert set(checked) == set(INDEPENDENT)
    assert min(checked.values()) >= 6


def evaluate(expression: str) -> Fraction:
    """An independent evaluation of digits, + - * / with the usual precedence."""
    total = Fraction(0)
    for sign, term in re.findall(r"([+-]?)([\d.*/]+)", expression):
        value = Fraction(1)
        for operator, factor in re.findall(rf"([*/]?)({NUMBER})", term):
            value = value / Fraction(factor) if operator == "/" else value * Fraction(factor)
        total += -value if sign == "-" else value
    return total


def test_every_written_step_is_true_and_traces_have_the_promised_size() -> None:
    steps = 0
    step = re.compile(rf"(?<![\w.(){{}}*/+-])(\d[\d.+*/-]*\d)=({NUMBER})(?: r (\d+))?(?![\d.*/+(-]|=)(?! [A-Za-z]*=)")
    for prompt in problems(30, seed=5):
        trace = prompt.trace or ""
        assert 20 <= len(trace) <= (0, 130, 310, 450)[prompt.level], prompt
        assert 15 <= len(prompt.question) <= (0, 80, 110, 140)[prompt.level], prompt
        assert (prompt.question + trace).isascii()
        assert trace.endswith(f"\\boxed{{{prompt.answer.split(' ± ')[0]}}}.")
        for left, right, rest in step.findall(trace):
            if rest:
                dividend, divisor = map(int, left.split("/"))
                assert divmod(dividend, divisor) == (int(right), int(rest)), prompt
            else:
                assert evaluate(left) == Fraction(right.rstrip(".")), (left, right, prompt)
            steps += 1
    assert steps > 60 * CELLS


def test_units_stand_in_the_question_and_are_the_law_s_own() -> None:
    for prompt in problems(30):
        _, unit, _ = parts(prompt.answer)
        assert unit == LAWS[law_of(prompt)].unit
        spoken = {"day": "days", "degC": "deg C"}.get(unit, unit)
        assert not unit or re.search(rf"(?<![\w/]){re.escape(spoken)}(?![\w/^])", prompt.question), prompt
        assert unit or re.search("how many|count|number", prompt.question, re.IGNORECASE), prompt


def computations(kind: str, level: int) -> list[str]:
    """What the problems of a cell compute, one entry a problem."""
    return [
        LAWS[space.form].computes(space.at(i))
        for space in SPACES[kind][level]
        for i in range(len(space))
        if space.fits(space.at(i))
    ]


def test_level_one_has_room_for_the_run_s_pool_and_no_computation_in_two_splits() -> None:
    for kind in SPACES:
        counts = Counter(map(split_of, computations(kind, 1)))
        assert counts["train"] >= 1000, kind
        assert counts["validation"] >= 100, kind
        assert counts["test"] >= 150, kind
        assert len(set(computations(kind, 1))) >= 600, kind
    drawn = {s: generate(n, s, 0, [1], EASY) for s, n in (("train", 2400), ("validation", 240), ("test", 420))}
    done = {split: {what(p) for p in prompts} for split, prompts in drawn.items()}
    assert not done["train"] & done["test"]
    assert not done["train"] & done["validation"]
    assert not done["validation"] & done["test"]


def what(prompt: Prompt) -> str:
    """What a problem computes, as its split was decided by."""
    return LAWS[law_of(prompt)].computes(tuple(map(int, prompt.id.split("/")[3].split("-"))))


@pytest.mark.parametrize("split", SPLITS)
def test_a_problem_s_split_is_that_of_what_it_computes(split: str) -> None:
    assert {split_of(what(p)) for seed in range(2) for p in problems(8, split, seed)} == {split}


def test_the_same_numbers_lie_in_one_split_whatever_the_law_and_the_domain() -> None:
    assert LAWS["distance"].computes((45, 6)) == LAWS["force"].computes((45, 6)) == "product:45,6"
    assert LAWS["slow_distance"].computes((27, 45)) == LAWS["many_atoms"].computes((45, 27)) == "product:45,27"
    assert LAWS["milliampere"].computes((305, 40)) == LAWS["gram_force"].computes((305, 40))
    assert MATH_SPACES["multiply"][1][0].form == "product"
    bare = {p.id.split("/", 2)[2] for p in math.generate(500, "train", 0, [1], ["multiply"])}
    told = {what(p).replace("product:", "product/").replace(",", "-") for p in generate(150, "test", 0, [1], EASY)}
    assert not bare & told


def test_generation_is_a_pure_function_with_prefixes_and_balance() -> None:
    prompts = problems(12, seed=11)
    assert prompts == problems(12, seed=11)
    assert prompts[:50] == generate(50, "train", 11)
    assert prompts != problems(12, seed=12)
    assert len({p.id for p in prompts}) == len(prompts)
    assert set(Counter((p.kind, p.level) for p in prompts).values()) == {12}
    assert {p.domain for p in prompts} == {"science"}
    assert len({p.question for p in prompts}) == len(prompts)


def test_every_law_has_three_wordings_and_a_place() -> None:
    placed = {kind: [s.form for spaces in levels.values() for s in spaces] for kind, levels in SPACES.items()}
    assert sorted(name for names in placed.values() for name in names) == sorted(LAWS)
    for kind, names in placed.items():
        assert sorted(WORDINGS[kind]) == sorted(names)
        assert all(len(set(w)) >= 3 for w in WORDINGS[kind].values()), kind
    assert len(SPACES) >= 10


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"split": "dev"}, "science: unknown split 'dev': use one of train, validation, test"),
        ({"levels": [4]}, "unknown level 4: use some of 1, 2, 3"),
        ({"kinds": ["biology"]}, "unknown kind 'biology': use some of motion"),
        ({"kinds": []}, "no kind given"),
        ({"count": -1}, "cannot generate -1"),
        ({"count": 900, "split": "test", "levels": [1], "kinds": ["dilution"]}, "kind 'dilution' level 1 has only 166"),
    ],
)
def test_arguments_that_name_nothing_are_refused(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(message)):
        generate(**{"count": 3, "split": "train", "seed": 0, **arguments})  # type: ignore[arg-type]


def test_numbers_are_written_and_rounded_exactly() -> None:
    assert [shifted(47, -1), shifted(5, -2), shifted(12, 3), shifted(120, -1)] == ["4.7", "0.05", "12000", "12"]
    table = {"1/3": "0.333", "2/3": "0.667", "12345": "12300", "12.25": "12.3", "0.09996": "0.1", "999.5": "1000"}
    assert {k: written(rounded(Fraction(k), 3)) for k in table} == table
    with pytest.raises(ValueError, match="no finite decimal form"):
        written(Fraction(1, 3))


def test_every_gold_trace_scores_one_and_another_answer_scores_zero(verifier: MathVerifier) -> None:
    prompts = problems(8, seed=2)
    traces = [p.trace or "" for p in prompts]
    verdicts = verifier.score(prompts, traces)
    assert [(p, v) for p, v in zip(prompts, verdicts) if v.outcome is not Outcome.CORRECT] == []
    shifted_by_one = verifier.score(prompts, traces[1:] + traces[:1])
    assert sum(v.outcome is Outcome.WRONG for v in shifted_by_one) >= 0.97 * len(prompts)


def test_only_what_a_policy_writes_is_judged_not_the_tolerance() -> None:
    law = LAWS["weight"]
    assert law.gold((656,)) == "644 N ± 1"
    assert law.answer((656,)) == "644 N"
    assert science.LAWS["distance"].gold((45, 6)) == "270 m"
