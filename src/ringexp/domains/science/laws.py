"""The laws of the built-in science problems: each one's arithmetic form, its formula and the unit of its answer."""

from collections.abc import Mapping

from ringexp.domains.science.forms import (
    Law,
    difference,
    over,
    product,
    product_sum,
    quotient,
    quotient_product,
    sum_product,
    times,
    total,
)
from ringexp.domains.science.ratios import fahrenheit, ratio, weighted

_TENTHS = (1, 0)

_SMALL: Mapping[str, Law] = {
    "distance": product("v*t", "m"),
    "speed": quotient("d/t", "m/s"),
    "duration": quotient("d/v", "s"),
    "force": product("m*a", "N"),
    "acceleration": quotient("F/m", "m/s^2"),
    "mass_of_force": quotient("F/a", "kg"),
    "voltage": product("R*I", "V"),
    "electric_power": product("V*I", "W"),
    "current": quotient("V/R", "A"),
    "resistance": quotient("V/I", "ohm"),
    "energy_used": product("P*t", "J"),
    "energy_of_weight": product("W*h", "J"),
    "energy_time": quotient("E/P", "s"),
    "wave_speed": product("f*L", "m/s"),
    "frequency": quotient("v/L", "Hz"),
    "wavelength": quotient("v/f", "m"),
    "mass_of_volume": product("V*D", "g"),
    "density": quotient("m/V", "g/cm^3"),
    "volume": quotient("m/D", "cm^3"),
    "force_of_pressure": product("p*A", "N"),
    "pressure": quotient("F/A", "Pa"),
    "area": quotient("F/p", "m^2"),
    "work": product("F*d", "J"),
    "power": quotient("W/t", "W"),
    "way": quotient("W/F", "m"),
    "mass_of_moles": product("M*n", "g"),
    "molar_mass": quotient("m/n", "g/mol"),
    "solute": product("c*V", "g"),
    "concentration": quotient("m/V", "g/L"),
    "atoms": product("N*k", ""),
    "neutrons": difference("A-Z", ""),
    "mass_number": total("Z+N", ""),
    "to_kelvin": total("C+273", "K", 273),
    "from_kelvin": difference("T-273", "degC", 273),
    "rise": difference("T2-T1", "K"),
    "km_m": times("km", "m", 1000),
    "kg_g": times("kg", "g", 1000),
    "litre_ml": times("L", "mL", 1000),
    "m_cm": times("m", "cm", 100),
    "cm_mm": times("cm", "mm", 10),
    "hour_min": times("h", "min", 60),
    "min_s": times("min", "s", 60),
    "week_day": times("week", "day", 7),
    "m_km": over("m", "km", 1000),
    "ml_litre": over("mL", "L", 1000),
    "cm_m": over("cm", "m", 100),
    "s_min": over("s", "min", 60),
}
"""Level 1: one operation on small whole numbers."""

_MIDDLE: Mapping[str, Law] = {
    "slow_distance": product("v*t", "m", _TENTHS),
    "final_speed": product_sum("t*a+u", "m/s"),
    "slow_force": product("a*m", "N", _TENTHS),
    "pull": product_sum("m*a+R", "N"),
    "small_voltage": product("I*R", "V", _TENTHS),
    "series": sum_product("(R1+R2)*I", "V"),
    "potential": product("m*h*g", "J", (0, 0), 1),
    "kinetic": ratio("m*v*v/2={a}*{b}*{b}/2", "J", lambda n: (n[0], n[1], n[1]), lambda n: (2,), digits=0),
    "short_waves": product("L*f", "m/s", _TENTHS),
    "counted_waves": quotient_product("N/t*L", "m/s"),
    "light_mass": product("D*V", "g", _TENTHS),
    "sunk_mass": sum_product("(V2-V1)*D", "g", -1),
    "small_area": product("A*p", "N", _TENTHS),
    "ground_pressure": quotient_product("m/A*g", "Pa"),
    "short_work": product("d*F", "J", _TENTHS),
    "pulling_power": ratio("F*d/t={a}*{b}/{c}", "W", lambda n: (n[0], n[1]), lambda n: (n[2],), digits=0),
    "part_moles": product("n*M", "g", _TENTHS),
    "two_elements": sum_product("(M1+M2)*n", "g"),
    "part_solute": product("V*c", "g", _TENTHS),
    "diluted": ratio("c*V/W={a}*{b}/{c}", "mg/L", lambda n: (n[0], n[1]), lambda n: (n[2],), digits=0),
    "many_atoms": product("N*k", ""),
    "many_neutrons": sum_product("(A-Z)*N", "", -1),
    "heating": product_sum("t*r+C", "degC"),
    "fahrenheit": fahrenheit(0),
    "part_km": times("km", "m", 1000, 1),
    "part_hours": times("h", "min", 60, 1),
    "day_hour": times("day", "h", 24),
    "min_and_s": product_sum("60*m+s", "s", 60),
}
"""Level 2: products of two digits by two, decimals, two steps."""

_LARGE: Mapping[str, Law] = {
    "minutes_trip": ratio("v*t/60={a}*{b}/60", "km", lambda n: n, lambda n: (60,)),
    "run": ratio("d/t={a}*1000/({b}*60)", "m/s", lambda n: (n[0], 1000), lambda n: (n[1], 600), (1, 0)),
    "weight": ratio("m*g={a}*9.81", "N", lambda n: (981, n[0]), lambda n: (1000,), (1, 0)),
    "gram_force": ratio("m*a={a}/1000*{b}", "N", lambda n: n, lambda n: (10000,), (0, 1)),
    "milliampere": ratio("R*I={a}*{b}/1000", "V", lambda n: n, lambda n: (1000,)),
    "parallel": ratio(
        "R1*R2/(R1+R2)={a}*{b}/({a}+{b})", "ohm", lambda n: n, lambda n: (n[0] + n[1],)
    ),
    "lift": ratio("m*g*h={a}*9.81*{b}/100", "J", lambda n: (981, *n), lambda n: (10000,)),
    "car": ratio(
        "m*v*v/2={a}*({b}/3.6)^2/2={a}*{b}*{b}/25.92", "J", lambda n: (n[0], n[1], n[1], 100), lambda n: (2592,)
    ),
    "radio": ratio("c/f=300/{a}", "m", lambda n: (300,), lambda n: n),
    "sound": ratio("v/f*100=343*100/{a}", "cm", lambda n: (343, 100), lambda n: n),
    "block": ratio("m/V={a}/{b}", "g/cm^3", lambda n: n[:1], lambda n: n[1:]),
    "tank": ratio("D*V={a}*{b}/1000", "kg", lambda n: n, lambda n: (10000,), (1, 0)),
    "small_surface": ratio("F/A={a}*10000/{b}", "Pa", lambda n: (n[0], 10000), lambda n: n[1:]),
    "water_column": ratio("D*g*h/1000=9.81*{a}", "kPa", lambda n: (981, n[0]), lambda n: (1000,), (1,)),
    "motor": ratio("W/t={a}*1000/({b}*60)", "W", lambda n: (n[0], 1000), lambda n: (n[1], 60)),
    "crane": ratio("m*g*h/t={a}*9.81*{b}/{c}", "W", lambda n: (981, *n[:2]), lambda n: (n[2], 100)),
    "amount": ratio("m/M={a}/{b}", "mol", lambda n: (n[0], 100), lambda n: n[1:], (0, 2)),
    "gas": ratio("m/M*22.4={a}/{b}*22.4", "L", lambda n: (224, n[0]), lambda n: (n[1], 10)),
    "mixed": ratio("c*V/(V+W)={a}*{b}/({b}+{c})", "g/L", lambda n: n[:2], lambda n: (n[1] + n[2],)),
    "stock": ratio("c*V/S={b}*{c}/{a}", "mL", lambda n: n[1:], lambda n: (n[0], 10), (1, 2, 0)),
    "decay": ratio("N/2^k={a}/2^{b}", "mg", lambda n: (n[0],), lambda n: (2 ** n[1],)),
    "isotopes": weighted("mean", "u", lambda n: (n[0], n[1], n[2], 100 - n[1]), digits=4),
    "mixture": weighted("mean", "degC", lambda n: (n[1], n[0], n[3], n[2])),
    "hot": fahrenheit(3),
    "km_per_hour": ratio("{a}/3.6", "m/s", lambda n: (n[0], 10), lambda n: (36,)),
    "mile": ratio("{a}*1.609", "km", lambda n: (1609, n[0]), lambda n: (10000,), (1,)),
    "calorie": ratio("{a}*4.184", "J", lambda n: (4184, n[0]), lambda n: (1000,)),
}
"""Level 3: unit conversions and constants on the way, answers to three or four significant digits."""

LAWS: Mapping[str, Law] = {**_SMALL, **_MIDDLE, **_LARGE}
"""Every law by name; a law belongs to one kind and one level."""
