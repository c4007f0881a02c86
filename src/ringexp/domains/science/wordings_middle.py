"""Wordings of the built-in science problems of level 2; see `science.wordings`."""

from collections.abc import Mapping

MIDDLE: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "motion": {
        "slow_distance": (
            "A boat moves at {a} m/s for {b} s. How far in m?",
            "Speed {a} m/s, time {b} s. Find the distance in m.",
            "What distance in m does a walker at {a} m/s cover in {b} s?",
        ),
        "final_speed": (
            "A car at {c} m/s speeds up by {b} m/s^2 for {a} s. Final speed in m/s?",
            "Start {c} m/s, acceleration {b} m/s^2, time {a} s. Find the final speed in m/s.",
            "A rocket flies at {c} m/s. How fast in m/s after {a} s at {b} m/s^2?",
        ),
    },
    "force": {
        "slow_force": (
            "A mass of {b} kg is accelerated at {a} m/s^2. What force in N?",
            "Mass {b} kg, acceleration {a} m/s^2. Find the force in N.",
            "What force in N gives {b} kg an acceleration of {a} m/s^2?",
        ),
        "pull": (
            "A sledge of {a} kg is to gain {b} m/s^2 against {c} N of friction. What pull in N?",
            "Mass {a} kg, acceleration {b} m/s^2, friction {c} N. Find the driving force in N.",
            "Friction holds a cart of {a} kg with {c} N. What force in N gives it {b} m/s^2?",
        ),
    },
    "electricity": {
        "small_voltage": (
            "A current of {a} A flows through {b} ohm. What voltage in V?",
            "Resistance {b} ohm, current {a} A. Find the voltage in V.",
            "Which voltage in V drives {a} A through {b} ohm?",
        ),
        "series": (
            "{a} ohm and {b} ohm in series carry {c} A. What voltage in V?",
            "Resistors of {a} ohm and {b} ohm lie in series. Which voltage in V drives {c} A?",
            "In series: {a} ohm, {b} ohm. Current {c} A. Find the whole voltage in V.",
        ),
    },
    "energy": {
        "potential": (
            "A mass of {a} kg is lifted by {b} m. What energy in J? (g = 10 m/s^2)",
            "Mass {a} kg, height {b} m, g = 10 m/s^2. Find the potential energy in J.",
            "With g = 10 m/s^2, how many J raise {a} kg by {b} m?",
        ),
        "kinetic": (
            "A mass of {a} kg moves at {b} m/s. What kinetic energy in J?",
            "Mass {a} kg, speed {b} m/s. Find the kinetic energy in J.",
            "How many J of kinetic energy have {a} kg at {b} m/s?",
        ),
    },
    "waves": {
        "short_waves": (
            "A wave has {b} Hz and a wavelength of {a} m. What speed in m/s?",
            "Frequency {b} Hz, wavelength {a} m. Find the wave speed in m/s.",
            "How fast in m/s is a wave of {a} m length at {b} Hz?",
        ),
        "counted_waves": (
            "{a} waves of {c} m length pass in {b} s. What wave speed in m/s?",
            "In {b} s there are {a} waves, each {c} m long. Find their speed in m/s.",
            "A buoy counts {a} waves in {b} s. Each is {c} m long. How fast in m/s?",
        ),
    },
    "density": {
        "light_mass": (
            "A body of {b} cm^3 has a density of {a} g/cm^3. What mass in g?",
            "Volume {b} cm^3, density {a} g/cm^3. Find the mass in g.",
            "How many g are {b} cm^3 of a metal with {a} g/cm^3?",
        ),
        "sunk_mass": (
            "A stone of {c} g/cm^3 raises water from {b} cm^3 to {a} cm^3. What mass in g?",
            "Water rises from {b} cm^3 to {a} cm^3. The body has {c} g/cm^3. Find its mass in g.",
            "A body with {c} g/cm^3 lifts the level from {b} to {a} cm^3. How many g is it?",
        ),
    },
    "pressure": {
        "small_area": (
            "A pressure of {b} Pa acts on {a} m^2. What force in N?",
            "Pressure {b} Pa, area {a} m^2. Find the force in N.",
            "How many N press on {a} m^2 at {b} Pa?",
        ),
        "ground_pressure": (
            "{a} kg stand on {b} m^2. What pressure in Pa? (g = {c} m/s^2)",
            "Mass {a} kg, area {b} m^2, g = {c} m/s^2. Find the pressure in Pa.",
            "With g = {c} m/s^2, how many Pa do {a} kg on {b} m^2 give?",
        ),
    },
    "work": {
        "short_work": (
            "A force of {b} N pulls over {a} m. What work in J?",
            "Force {b} N, distance {a} m. Find the work in J.",
            "How many J does it take to push with {b} N for {a} m?",
        ),
        "pulling_power": (
            "A force of {a} N pulls over {b} m in {c} s. What power in W?",
            "Force {a} N, distance {b} m, time {c} s. Find the power in W.",
            "In {c} s a horse pulls {b} m with {a} N. How many W is that?",
        ),
    },
    "moles": {
        "part_moles": (
            "What is the mass in g of {a} mol of a gas with {b} g/mol?",
            "Amount {a} mol, molar mass {b} g/mol. Find the mass in g.",
            "A salt has {b} g/mol. How many g are {a} mol?",
        ),
        "two_elements": (
            "Atoms X ({a} g/mol) and Y ({b} g/mol) form XY. What mass in g have {c} mol of XY?",
            "X has {a} g/mol, Y has {b} g/mol. How many g are {c} mol of XY?",
            "Find the mass in g of {c} mol of XY, with X {a} g/mol and Y {b} g/mol.",
        ),
    },
    "dilution": {
        "part_solute": (
            "How many g of salt are in {a} L with {b} g/L?",
            "Concentration {b} g/L, volume {a} L. Find the mass in g.",
            "{a} L of sugar water hold {b} g/L. What mass of sugar in g?",
        ),
        "diluted": (
            "{b} L with {a} mg/L of salt boil down to {c} L. What concentration in mg/L?",
            "A solution of {b} L with {a} mg/L shrinks to {c} L. Find the new mg/L.",
            "How many mg/L has {b} L of {a} mg/L after drying to {c} L?",
        ),
    },
    "atoms": {
        "many_atoms": (
            "A molecule has {b} atoms. How many atoms are in {a} molecules?",
            "How many atoms do {a} molecules of {b} atoms each have?",
            "Count the atoms of {a} molecules with {b} atoms each.",
        ),
        "many_neutrons": (
            "An atom has mass number {a} and {b} protons. How many neutrons have {c} such atoms?",
            "Mass number {a}, atomic number {b}. Count the neutrons of {c} atoms.",
            "{c} nuclei have {a} nucleons each, {b} of them protons. How many neutrons in all?",
        ),
    },
    "temperature": {
        "heating": (
            "An oven at {c} deg C warms by {b} K a minute. What temperature in deg C after {a} min?",
            "Start {c} deg C, rise {b} K/min, time {a} min. Find the temperature in deg C.",
            "A furnace of {c} deg C gains {b} K each minute. How many deg C in {a} min?",
        ),
        "fahrenheit": (
            "How many deg C are {a} deg F?",
            "Convert {a} deg F to deg C.",
            "A furnace is at {a} deg F. What is that in deg C?",
        ),
    },
    "units": {
        "part_km": ("Convert {a} km to m.", "How many m are {a} km?", "Write {a} km in m."),
        "part_hours": ("Convert {a} h to min.", "How many min are {a} h?", "Write {a} h in min."),
        "day_hour": ("Convert {a} days to h.", "How many h are {a} days?", "Write {a} days in h."),
        "min_and_s": ("Convert {a} min {b} s to s.", "How many s are {a} min and {b} s?", "Write {a} min {b} s in s."),
    },
}
"""Wordings by kind and law."""
