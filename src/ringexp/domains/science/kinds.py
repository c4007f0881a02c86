"""The kinds of built-in science problems: which laws and numbers each of their levels draws."""

from collections.abc import Mapping

from ringexp.domains.math.forms import Numbers
from ringexp.domains.math.kinds import Space

LEVELS = (1, 2, 3)

_DIGIT, _TWO, _FACTOR, _SMALL = range(2, 10), range(10, 100), range(11, 100), range(11, 50)
_UNITS, _THREE = range(2, 200), range(101, 1000)
_ONE, _PAIR = (_FACTOR, _DIGIT), (_FACTOR, _FACTOR)
_TRIPLE = (_FACTOR, _DIGIT, _FACTOR)


def _spaces(names: str, ranges: tuple[range, ...]) -> tuple[Space, ...]:
    return tuple(Space(name, ranges) for name in names.split())


def _decimal(n: Numbers) -> bool:
    """The number that is shown in tenths has a digit behind its point."""
    return n[0] % 10 != 0


def _tenths(name: str, other: range = _FACTOR) -> Space:
    return Space(name, (_FACTOR, other), _decimal)


def _whole(n: Numbers) -> bool:
    """a*b/c is whole, and neither a nor b is a multiple of c, which would make it one step."""
    return n[0] * n[1] % n[2] == 0 and n[0] % n[2] != 0 and n[1] % n[2] != 0


def _nucleus(n: Numbers) -> bool:
    """Mass number and atomic number of a nucleus that could be."""
    return 2 * n[1] <= n[0] <= 2.6 * n[1]


def _nucleons(n: Numbers) -> bool:
    return n[0] <= n[1] <= 1.6 * n[0]


def _inexact(n: Numbers) -> bool:
    return n[0] % n[1] != 0


def _growing(n: Numbers) -> bool:
    return n[0] > n[1]


def _sum(name: str) -> Space:
    """Two whole numbers that sum to 99 at most, the larger first."""
    return Space(name, (_TWO, range(2, 50)), lambda n: n[0] >= n[1] and sum(n) <= 99)


def _difference(name: str) -> Space:
    return Space(name, (_FACTOR, range(2, 99)), _growing)


def _isotopes(n: Numbers) -> bool:
    """A lighter isotope that is the more frequent one, and one that has up to four neutrons more."""
    return n[0] < n[2] <= n[0] + 4


def _warmer(n: Numbers) -> bool:
    return n[1] > n[3] and n[0] != n[2]


SPACES: Mapping[str, Mapping[int, tuple[Space, ...]]] = {
    "motion": {
        1: (*_spaces("distance speed duration", _ONE), _sum("faster"), _difference("slower")),
        2: (_tenths("slow_distance"), Space("final_speed", _TRIPLE)),
        3: (*_spaces("minutes_trip", _PAIR), _tenths("run")),
    },
    "force": {
        1: (*_spaces("force acceleration mass_of_force", _ONE), _sum("same_way"), _difference("against")),
        2: (_tenths("slow_force"), Space("pull", _TRIPLE)),
        3: (Space("weight", (_THREE,), _decimal), *_spaces("gram_force", (_THREE, _FACTOR))),
    },
    "electricity": {
        1: (
            *_spaces("voltage electric_power current resistance", _ONE),
            _sum("in_series"),
            _difference("other_resistor"),
        ),
        2: (_tenths("small_voltage"), Space("series", (_FACTOR, _SMALL, _DIGIT), _growing)),
        3: (*_spaces("milliampere", (_THREE, _FACTOR)), Space("parallel", _PAIR, _growing)),
    },
    "energy": {
        1: _spaces("energy_used energy_of_weight energy_time", _ONE),
        2: (*_spaces("potential", _PAIR), *_spaces("kinetic", _ONE)),
        3: (*_spaces("lift", _PAIR), *_spaces("car", (_FACTOR, range(20, 100)))),
    },
    "waves": {
        1: _spaces("wave_speed frequency wavelength", _ONE),
        2: (_tenths("short_waves"), Space("counted_waves", (_FACTOR, _DIGIT, _DIGIT))),
        3: _spaces("radio sound", (_THREE,)),
    },
    "density": {
        1: _spaces("mass_of_volume density volume", _ONE),
        2: (_tenths("light_mass"), Space("sunk_mass", (_FACTOR, _SMALL, _DIGIT), _growing)),
        3: (Space("block", (_THREE, _FACTOR), _inexact), Space("tank", (range(7, 30), _THREE), _decimal)),
    },
    "pressure": {
        1: _spaces("force_of_pressure pressure area", _ONE),
        2: (_tenths("small_area"), Space("ground_pressure", (_FACTOR, _DIGIT, range(10, 11)))),
        3: (*_spaces("small_surface", _PAIR), Space("water_column", (_THREE,), _decimal)),
    },
    "work": {
        1: _spaces("work power way", _ONE),
        2: (_tenths("short_work"), Space("pulling_power", (_FACTOR, _SMALL, _DIGIT), _whole)),
        3: (*_spaces("motor", _PAIR), *_spaces("crane", (_FACTOR, _DIGIT, _SMALL))),
    },
    "moles": {
        1: (
            *_spaces("mass_of_moles molar_mass", _ONE),
            _sum("reaction_product"),
            _difference("reaction_partner"),
        ),
        2: (_tenths("part_moles"), Space("two_elements", (_FACTOR, _SMALL, _DIGIT), _growing)),
        3: (Space("amount", (_THREE, range(1801, 9999, 7)), lambda n: n[1] % 10 != 0), *_spaces("gas", _PAIR)),
    },
    "dilution": {
        1: _spaces("solute concentration", _ONE),
        2: (_tenths("part_solute"), Space("diluted", (_FACTOR, _SMALL, _DIGIT), _whole)),
        3: (
            *_spaces("mixed", (_FACTOR, _FACTOR, _SMALL)),
            Space("stock", (_FACTOR, _FACTOR, _THREE), lambda n: n[0] % 10 != 0 and n[1] < 10 * n[0]),
        ),
    },
    "atoms": {
        1: (
            Space("atoms", _ONE),
            Space("neutrons", (range(10, 100), range(5, 50)), _nucleus),
            Space("mass_number", (range(5, 60), range(5, 96)), _nucleons),
        ),
        2: (*_spaces("many_atoms", _PAIR), Space("many_neutrons", (_TWO, range(5, 50), _DIGIT), _nucleus)),
        3: (
            *_spaces("decay", (_THREE, range(3, 7))),
            Space("isotopes", (range(20, 99), range(51, 99), range(21, 100)), _isotopes),
        ),
    },
    "temperature": {
        1: (
            Space("to_kelvin", (range(2, 500),)),
            Space("from_kelvin", (range(275, 800),)),
            _difference("rise"),
        ),
        2: (Space("heating", (_SMALL, _DIGIT, _TWO)), Space("fahrenheit", (range(9, 2700, 9),))),
        3: (
            Space("hot", (_THREE,), lambda n: n[0] % 9 != 0),
            Space("mixture", (_DIGIT, _FACTOR, _DIGIT, _FACTOR), _warmer),
        ),
    },
    "units": {
        1: (
            *_spaces("km_m kg_g litre_ml m_cm cm_mm m_km ml_litre cm_m", (_UNITS,)),
            *_spaces("hour_min min_s week_day s_min", (range(2, 100),)),
        ),
        2: (
            *(Space(name, (range(11, 1000),), _decimal) for name in ("part_km", "part_hours")),
            *_spaces("day_hour", (_FACTOR,)),
            *_spaces("min_and_s", (range(2, 60), range(1, 60))),
        ),
        3: (
            Space("km_per_hour", (_THREE,), lambda n: n[0] % 18 != 0),
            Space("mile", (_THREE,), _decimal),
            Space("calorie", (_THREE,)),
        ),
    },
}
"""The problems of each kind and level."""
