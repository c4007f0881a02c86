"""How the questions of the built-in science problems are worded, by kind and law; each states the unit of its answer.

Templates of `str.format` over `{a}`, `{b}`, `{c}`, `{d}`, the numbers that the law shows.
"""

from collections.abc import Mapping

from ringexp.domains.science.wordings_large import LARGE
from ringexp.domains.science.wordings_middle import MIDDLE

ROUNDING = "Give {} significant figures."

_SMALL: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "motion": {
        "distance": (
            "A car drives at {a} m/s for {b} s. How far in m?",
            "A cyclist moves at {a} m/s. What distance in m after {b} s?",
            "Speed {a} m/s, time {b} s. Find the distance in m.",
            "In {b} s a train at {a} m/s goes how many m?",
        ),
        "speed": (
            "A car covers {a} m in {b} s. How fast in m/s?",
            "Distance {a} m, time {b} s. Find the speed in m/s.",
            "A bird flies {a} m in {b} s. What is its speed in m/s?",
        ),
        "duration": (
            "A car drives {a} m at {b} m/s. How long in s?",
            "Distance {a} m, speed {b} m/s. Find the time in s.",
            "How many s does a runner at {b} m/s need for {a} m?",
        ),
        "faster": (
            "A car at {a} m/s gains {b} m/s. How fast in m/s is it then?",
            "Speed {a} m/s, gain {b} m/s. Find the new speed in m/s.",
            "On a train at {a} m/s a man walks forward at {b} m/s. His speed in m/s?",
        ),
        "slower": (
            "A car at {a} m/s loses {b} m/s. How fast in m/s is it then?",
            "Speed {a} m/s, loss {b} m/s. Find the new speed in m/s.",
            "A boat at {a} m/s meets a current of {b} m/s. Its speed over ground in m/s?",
        ),
    },
    "force": {
        "force": (
            "A mass of {a} kg is accelerated at {b} m/s^2. What force in N?",
            "Mass {a} kg, acceleration {b} m/s^2. Find the force in N.",
            "What force in N gives {a} kg an acceleration of {b} m/s^2?",
        ),
        "acceleration": (
            "A force of {a} N acts on {b} kg. What acceleration in m/s^2?",
            "Force {a} N, mass {b} kg. Find the acceleration in m/s^2.",
            "{a} N push a cart of {b} kg. How fast does it speed up, in m/s^2?",
        ),
        "mass_of_force": (
            "A force of {a} N gives a body {b} m/s^2. What is its mass in kg?",
            "Force {a} N, acceleration {b} m/s^2. Find the mass in kg.",
            "Which mass in kg does {a} N accelerate at {b} m/s^2?",
        ),
        "same_way": (
            "Forces of {a} N and {b} N pull the same way. What force in N?",
            "Two men push a cart with {a} N and {b} N. What total force in N?",
            "Add a force of {b} N to one of {a} N in the same direction. Result in N?",
        ),
        "against": (
            "A force of {a} N acts against one of {b} N. What net force in N?",
            "Push {a} N, friction {b} N. Find the net force in N.",
            "In a tug of war {a} N pull left and {b} N right. What net force in N?",
        ),
    },
    "electricity": {
        "voltage": (
            "A current of {b} A flows through {a} ohm. What voltage in V?",
            "Resistance {a} ohm, current {b} A. Find the voltage in V.",
            "Which voltage in V drives {b} A through {a} ohm?",
        ),
        "electric_power": (
            "A lamp takes {b} A at {a} V. What is its power in W?",
            "Voltage {a} V, current {b} A. Find the power in W.",
            "A heater draws {b} A from {a} V. How many W is that?",
        ),
        "current": (
            "{a} V lie across {b} ohm. What current in A?",
            "Voltage {a} V, resistance {b} ohm. Find the current in A.",
            "How many A flow through {b} ohm at {a} V?",
        ),
        "resistance": (
            "{a} V drive {b} A through a wire. What resistance in ohm?",
            "Voltage {a} V, current {b} A. Find the resistance in ohm.",
            "Which resistance in ohm lets {b} A flow at {a} V?",
        ),
        "in_series": (
            "Resistors of {a} ohm and {b} ohm are in series. What resistance in ohm?",
            "In series: {a} ohm, {b} ohm. Find the total in ohm.",
            "What resistance in ohm have {b} ohm and {a} ohm in a row?",
        ),
        "other_resistor": (
            "Two resistors in series have {a} ohm, one of them {b} ohm. The other in ohm?",
            "Total {a} ohm in series, first {b} ohm. Find the second in ohm.",
            "What in ohm must join {b} ohm in series to make {a} ohm?",
        ),
    },
    "energy": {
        "energy_used": (
            "A lamp of {a} W burns for {b} s. What energy in J?",
            "Power {a} W, time {b} s. Find the energy in J.",
            "How many J does a motor of {a} W use in {b} s?",
        ),
        "energy_of_weight": (
            "A weight of {a} N is lifted by {b} m. What energy in J?",
            "Weight {a} N, height {b} m. Find the gain of energy in J.",
            "How many J does it take to raise {a} N by {b} m?",
        ),
        "energy_time": (
            "A device of {b} W has used {a} J. How long did it run, in s?",
            "Energy {a} J, power {b} W. Find the time in s.",
            "For how many s do {a} J feed {b} W?",
        ),
    },
    "waves": {
        "wave_speed": (
            "A wave has {a} Hz and a wavelength of {b} m. What speed in m/s?",
            "Frequency {a} Hz, wavelength {b} m. Find the wave speed in m/s.",
            "How fast in m/s is a wave of {b} m length at {a} Hz?",
        ),
        "frequency": (
            "A wave of {b} m length runs at {a} m/s. What frequency in Hz?",
            "Wave speed {a} m/s, wavelength {b} m. Find the frequency in Hz.",
            "How many Hz has a wave of {b} m length at {a} m/s?",
        ),
        "wavelength": (
            "A wave of {b} Hz runs at {a} m/s. What wavelength in m?",
            "Wave speed {a} m/s, frequency {b} Hz. Find the wavelength in m.",
            "How many m long is a wave of {b} Hz at {a} m/s?",
        ),
    },
    "density": {
        "mass_of_volume": (
            "A body of {a} cm^3 has a density of {b} g/cm^3. What mass in g?",
            "Volume {a} cm^3, density {b} g/cm^3. Find the mass in g.",
            "How many g are {a} cm^3 of a metal with {b} g/cm^3?",
        ),
        "density": (
            "A body of {b} cm^3 has a mass of {a} g. What density in g/cm^3?",
            "Mass {a} g, volume {b} cm^3. Find the density in g/cm^3.",
            "{b} cm^3 of a powder weigh {a} g. Give its density in g/cm^3.",
        ),
        "volume": (
            "A body of {a} g has a density of {b} g/cm^3. What volume in cm^3?",
            "Mass {a} g, density {b} g/cm^3. Find the volume in cm^3.",
            "How many cm^3 do {a} g of a metal with {b} g/cm^3 fill?",
        ),
    },
    "pressure": {
        "force_of_pressure": (
            "A pressure of {a} Pa acts on {b} m^2. What force in N?",
            "Pressure {a} Pa, area {b} m^2. Find the force in N.",
            "How many N press on {b} m^2 at {a} Pa?",
        ),
        "pressure": (
            "A force of {a} N acts on {b} m^2. What pressure in Pa?",
            "Force {a} N, area {b} m^2. Find the pressure in Pa.",
            "{a} N are spread over {b} m^2. How many Pa is that?",
        ),
        "area": (
            "A force of {a} N makes a pressure of {b} Pa. On what area in m^2?",
            "Force {a} N, pressure {b} Pa. Find the area in m^2.",
            "Over how many m^2 do {a} N give {b} Pa?",
        ),
    },
    "work": {
        "work": (
            "A force of {a} N pulls over {b} m. What work in J?",
            "Force {a} N, distance {b} m. Find the work in J.",
            "How many J does it take to push with {a} N for {b} m?",
        ),
        "power": (
            "A motor does {a} J of work in {b} s. What power in W?",
            "Work {a} J, time {b} s. Find the power in W.",
            "{a} J in {b} s: how many W is that?",
        ),
        "way": (
            "{a} J of work are done with {b} N. Over what distance in m?",
            "Work {a} J, force {b} N. Find the distance in m.",
            "How many m can {b} N push for {a} J?",
        ),
    },
    "moles": {
        "mass_of_moles": (
            "What is the mass in g of {b} mol of a gas with {a} g/mol?",
            "Amount {b} mol, molar mass {a} g/mol. Find the mass in g.",
            "A salt has {a} g/mol. How many g are {b} mol?",
        ),
        "molar_mass": (
            "{b} mol of a gas have a mass of {a} g. What molar mass in g/mol?",
            "Amount {b} mol, mass {a} g. Find the molar mass in g/mol.",
            "{a} g of a salt are {b} mol. Give its molar mass in g/mol.",
        ),
        "reaction_product": (
            "{a} g of iron react with {b} g of sulfur. How many g of product?",
            "Reactants of {a} g and {b} g react fully. Find the mass of the product in g.",
            "{a} g of a metal take up {b} g of oxygen. What mass in g has the oxide?",
        ),
        "reaction_partner": (
            "An oxide of {a} g was made from {b} g of metal. How many g of oxygen?",
            "Product {a} g, first reactant {b} g. Find the second in g.",
            "{a} g of a salt split into {b} g of solid and a gas. What mass in g has the gas?",
        ),
    },
    "dilution": {
        "solute": (
            "How many g of salt are in {b} L with {a} g/L?",
            "Concentration {a} g/L, volume {b} L. Find the mass in g.",
            "{b} L of sugar water hold {a} g/L. What mass of sugar in g?",
        ),
        "concentration": (
            "{a} g of salt are in {b} L. What concentration in g/L?",
            "Mass {a} g, volume {b} L. Find the concentration in g/L.",
            "{b} L of water hold {a} g of sugar. How many g/L is that?",
        ),
    },
    "atoms": {
        "atoms": (
            "A molecule has {b} atoms. How many atoms are in {a} molecules?",
            "How many atoms do {a} molecules of {b} atoms each have?",
            "Count the atoms of {a} molecules with {b} atoms each.",
        ),
        "neutrons": (
            "A nucleus has mass number {a} and {b} protons. How many neutrons?",
            "Mass number {a}, atomic number {b}. Find the number of neutrons.",
            "Of {a} nucleons {b} are protons. How many are neutrons?",
        ),
        "mass_number": (
            "A nucleus has {a} protons and {b} neutrons. What mass number?",
            "Protons {a}, neutrons {b}. Find the number of nucleons.",
            "Give the mass number of an atom with {b} neutrons and {a} protons.",
        ),
    },
    "temperature": {
        "to_kelvin": (
            "How many K are {a} deg C? Use 273.",
            "Convert {a} deg C to K, with 0 deg C = 273 K.",
            "A gas is at {a} deg C. Its temperature in K? (0 deg C = 273 K)",
        ),
        "from_kelvin": (
            "How many deg C are {a} K? Use 273.",
            "Convert {a} K to deg C, with 0 deg C = 273 K.",
            "A gas is at {a} K. Its temperature in deg C? (0 deg C = 273 K)",
        ),
        "rise": (
            "Water warms from {b} deg C to {a} deg C. What rise in K?",
            "From {b} K to {a} K: find the rise of temperature in K.",
            "An oven cools from {a} deg C to {b} deg C. By how many K?",
        ),
    },
    "units": {
        "km_m": ("Convert {a} km to m.", "How many m are {a} km?", "Write {a} km in m."),
        "kg_g": ("Convert {a} kg to g.", "How many g are {a} kg?", "Write {a} kg in g."),
        "litre_ml": ("Convert {a} L to mL.", "How many mL are {a} L?", "Write {a} L in mL."),
        "m_cm": ("Convert {a} m to cm.", "How many cm are {a} m?", "Write {a} m in cm."),
        "cm_mm": ("Convert {a} cm to mm.", "How many mm are {a} cm?", "Write {a} cm in mm."),
        "hour_min": ("Convert {a} h to min.", "How many min are {a} h?", "Write {a} h in min."),
        "min_s": ("Convert {a} min to s.", "How many s are {a} min?", "Write {a} min in s."),
        "week_day": ("Convert {a} weeks to days.", "How many days are {a} weeks?", "Write {a} weeks in days."),
        "m_km": ("Convert {a} m to km.", "How many km are {a} m?", "Write {a} m in km."),
        "ml_litre": ("Convert {a} mL to L.", "How many L are {a} mL?", "Write {a} mL in L."),
        "cm_m": ("Convert {a} cm to m.", "How many m are {a} cm?", "Write {a} cm in m."),
        "s_min": ("Convert {a} s to min.", "How many min are {a} s?", "Write {a} s in min."),
    },
}

WORDINGS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    kind: {**small, **MIDDLE[kind], **LARGE[kind]} for kind, small in _SMALL.items()
}
"""Three wordings or more of every law, by kind."""
