"""Wordings of the built-in science problems of level 3; see `science.wordings`."""

from collections.abc import Mapping

LARGE: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "motion": {
        "minutes_trip": (
            "A train runs at {a} km/h for {b} min. How far in km?",
            "Speed {a} km/h, time {b} min. Find the distance in km.",
            "How many km does a bus at {a} km/h go in {b} min?",
        ),
        "run": (
            "A ship covers {a} km in {b} min. How fast in m/s?",
            "Distance {a} km, time {b} min. Find the speed in m/s.",
            "{a} km in {b} min: what mean speed in m/s is that?",
        ),
    },
    "force": {
        "weight": (
            "What is the weight in N of {a} kg? Use g = 9.81 m/s^2.",
            "Mass {a} kg, g = 9.81 m/s^2. Find the weight in N.",
            "With g = 9.81 m/s^2, how many N pull on {a} kg?",
        ),
        "gram_force": (
            "A mass of {a} g is accelerated at {b} m/s^2. What force in N?",
            "Mass {a} g, acceleration {b} m/s^2. Find the force in N.",
            "What force in N gives {a} g an acceleration of {b} m/s^2?",
        ),
    },
    "electricity": {
        "milliampere": (
            "A current of {a} mA flows through {b} ohm. What voltage in V?",
            "Resistance {b} ohm, current {a} mA. Find the voltage in V.",
            "Which voltage in V drives {a} mA through {b} ohm?",
        ),
        "parallel": (
            "{a} ohm and {b} ohm lie in parallel. What total resistance in ohm?",
            "In parallel: {a} ohm, {b} ohm. Find the whole resistance in ohm.",
            "Which one resistance in ohm replaces {a} ohm parallel to {b} ohm?",
        ),
    },
    "energy": {
        "lift": (
            "A mass of {a} kg is lifted by {b} cm. What energy in J? Use g = 9.81 m/s^2.",
            "Mass {a} kg, height {b} cm, g = 9.81 m/s^2. Find the potential energy in J.",
            "With g = 9.81 m/s^2, how many J raise {a} kg by {b} cm?",
        ),
        "car": (
            "A mass of {a} kg moves at {b} km/h. What kinetic energy in J?",
            "Mass {a} kg, speed {b} km/h. Find the kinetic energy in J.",
            "How many J of kinetic energy have {a} kg at {b} km/h?",
        ),
    },
    "waves": {
        "radio": (
            "A radio sends at {a} MHz. What wavelength in m? Use 3*10^8 m/s for light.",
            "Frequency {a} MHz, speed 3*10^8 m/s. Find the wavelength in m.",
            "How many m long is a radio wave of {a} MHz at 3*10^8 m/s?",
        ),
        "sound": (
            "A tone has {a} Hz. What wavelength in cm? Sound has 343 m/s.",
            "Frequency {a} Hz, speed of sound 343 m/s. Find the wavelength in cm.",
            "How many cm long is a sound wave of {a} Hz at 343 m/s?",
        ),
    },
    "density": {
        "block": (
            "A block of {b} cm^3 has a mass of {a} g. What density in g/cm^3?",
            "Mass {a} g, volume {b} cm^3. Find the density in g/cm^3.",
            "{b} cm^3 of an alloy weigh {a} g. Give its density in g/cm^3.",
        ),
        "tank": (
            "A body of {b} cm^3 has a density of {a} g/cm^3. What mass in kg?",
            "Volume {b} cm^3, density {a} g/cm^3. Find the mass in kg.",
            "How many kg are {b} cm^3 of a liquid with {a} g/cm^3?",
        ),
    },
    "pressure": {
        "small_surface": (
            "A force of {a} N acts on {b} cm^2. What pressure in Pa?",
            "Force {a} N, area {b} cm^2. Find the pressure in Pa.",
            "{a} N are spread over {b} cm^2. How many Pa is that?",
        ),
        "water_column": (
            "What pressure in kPa lies under {a} m of water? (1000 kg/m^3, g = 9.81 m/s^2)",
            "Depth {a} m, density 1000 kg/m^3, g = 9.81 m/s^2. Find the water pressure in kPa.",
            "With g = 9.81 m/s^2 and 1000 kg/m^3, how many kPa do {a} m of water give?",
        ),
    },
    "work": {
        "motor": (
            "A motor does {a} kJ of work in {b} min. What power in W?",
            "Work {a} kJ, time {b} min. Find the power in W.",
            "{a} kJ in {b} min: how many W is that?",
        ),
        "crane": (
            "A crane lifts {a} kg by {b} m in {c} s. What power in W? Use g = 9.81 m/s^2.",
            "Mass {a} kg, height {b} m, time {c} s, g = 9.81 m/s^2. Find the power in W.",
            "With g = 9.81 m/s^2, how many W lift {a} kg by {b} m in {c} s?",
        ),
    },
    "moles": {
        "amount": (
            "How many mol are {a} g of a salt with {b} g/mol?",
            "Mass {a} g, molar mass {b} g/mol. Find the amount in mol.",
            "A gas has {b} g/mol. What amount in mol are {a} g?",
        ),
        "gas": (
            "What volume in L have {a} g of a gas with {b} g/mol? (22.4 L/mol)",
            "Mass {a} g, molar mass {b} g/mol, 22.4 L/mol. Find the volume in L.",
            "A gas has {b} g/mol and 22.4 L/mol. How many L are {a} g?",
        ),
    },
    "dilution": {
        "mixed": (
            "{c} L of water are added to {b} L with {a} g/L. What concentration in g/L?",
            "{b} L of a solution with {a} g/L get {c} L of water. Find the new g/L.",
            "How many g/L has a mixture of {b} L with {a} g/L and {c} L of water?",
        ),
        "stock": (
            "How many mL of {a} mol/L make {c} mL of {b} mol/L?",
            "Stock {a} mol/L, wanted {c} mL with {b} mol/L. Find the stock volume in mL.",
            "What volume in mL of acid with {a} mol/L is in {c} mL diluted to {b} mol/L?",
        ),
    },
    "atoms": {
        "decay": (
            "Of {a} mg of a nuclide, how many mg are left after {b} half-lives?",
            "Start {a} mg, time {b} half-lives. Find the mass left in mg.",
            "{a} mg decay for {b} half-lives. What mass in mg remains?",
        ),
        "isotopes": (
            "{b} % of an element has {a} u, the rest {c} u. What mean atomic mass in u?",
            "Isotopes: {a} u ({b} %) and {c} u (the rest). Find the mean mass in u.",
            "An element is {b} % isotope {a} u, else {c} u. How many u on average?",
        ),
    },
    "temperature": {
        "hot": (
            "How many deg C are {a} deg F?",
            "Convert {a} deg F to deg C.",
            "A furnace is at {a} deg F. What is that in deg C?",
        ),
        "mixture": (
            "{a} kg of water at {b} deg C and {c} kg at {d} deg C are mixed. What deg C?",
            "Mix {a} kg of water of {b} deg C with {c} kg of {d} deg C. Find the deg C.",
            "What temperature in deg C have {c} kg at {d} deg C and {a} kg at {b} deg C, both water, once mixed?",
        ),
    },
    "units": {
        "km_per_hour": ("Convert {a} km/h to m/s.", "How many m/s are {a} km/h?", "Write {a} km/h in m/s."),
        "mile": (
            "Convert {a} miles to km. (1 mile = 1.609 km)",
            "How many km are {a} miles of 1.609 km?",
            "With 1.609 km to the mile, write {a} miles in km.",
        ),
        "calorie": (
            "Convert {a} cal to J. (1 cal = 4.184 J)",
            "How many J are {a} cal of 4.184 J?",
            "With 4.184 J to the cal, write {a} cal in J.",
        ),
    },
}
"""Wordings by kind and law."""
