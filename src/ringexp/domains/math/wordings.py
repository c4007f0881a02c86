"""How the questions of the built-in maths problems are worded, by kind and form.

Templates of `str.format` over the numbers `a`, `b`, `c`, `d`, the values that the form shows, and `name` and `thing`.
"""

from collections.abc import Mapping

NAMES = ("Ann", "Ben", "Eva", "Leo", "Mia", "Sam", "Tom", "Zoe")
THINGS = ("apples", "books", "cards", "coins", "eggs", "pens", "shells", "stamps")

WORDINGS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "add": {
        "sum": (
            "What is {a}+{b}?",
            "Compute {b}+{a}.",
            "Add {a} and {b}.",
            "Find the sum of {b} and {a}.",
            "Work out {a} plus {b}.",
        ),
    },
    "subtract": {
        "difference": (
            "What is {a}-{b}?",
            "Compute {a}-{b}.",
            "Subtract {b} from {a}.",
            "Take {b} away from {a}.",
            "Work out {a} minus {b}.",
        ),
    },
    "multiply": {
        "product": (
            "What is {a}*{b}?",
            "Compute {b}*{a}.",
            "Multiply {a} by {b}.",
            "Find the product of {a} and {b}.",
            "Work out {b} times {a}.",
        ),
    },
    "chain": {
        "sum_difference": (
            "What is {a}+{b}-{c}?",
            "Compute {b}+{a}-{c}.",
            "Add {a} and {b}, then subtract {c}.",
        ),
        "product_sum": (
            "What is {a}*{b}+{c}?",
            "Compute {c}+{b}*{a}.",
            "Multiply {a} by {b}, then add {c}.",
        ),
        "products_sum": (
            "What is {a}*{b}+{c}*{d}?",
            "Compute {c}*{d}+{a}*{b}.",
            "Add the products {a}*{b} and {c}*{d}.",
        ),
    },
    "equation": {
        "x_plus": (
            "Solve x+{b}={right}.",
            "Find x if {b}+x={right}.",
            "x plus {b} is {right}. What is x?",
        ),
        "x_times": (
            "Solve {b}x={right}.",
            "Find x if {b}*x={right}.",
            "{b} times x is {right}. What is x?",
        ),
        "x_times_plus": (
            "Solve {b}x+{c}={right}.",
            "Find x if {c}+{b}x={right}.",
            "{b} times x plus {c} is {right}. What is x?",
        ),
    },
    "remainder": {
        "remainder": (
            "What is the remainder of {a} divided by {b}?",
            "Divide {a} by {b}. What is left over?",
            "Find {a} mod {b}.",
        ),
    },
    "word": {
        "sum": (
            "{name} has {a} {thing} and gets {b} more. How many now?",
            "A hat costs {b} dollars and a coat {a}. What do both cost?",
            "{name} is {b} years old. How old in {a} years?",
        ),
        "difference": (
            "{name} has {a} {thing} and gives away {b}. How many are left?",
            "A bag costs {b} dollars. {name} pays with {a}. How much change?",
            "{name} is {a} years old. How old {b} years ago?",
        ),
        "product": (
            "{name} fills {b} boxes with {a} {thing} each. How many {thing}?",
            "One ticket costs {a} dollars. What do {b} tickets cost?",
            "{name} reads {a} pages a day. How many in {b} days?",
        ),
        "quotient": (
            "{name} shares {total} {thing} among {b} friends. How many each?",
            "{b} tickets cost {total} dollars. What does one cost?",
            "{name} packs {total} {thing} in {b} equal boxes. How many in a box?",
        ),
        "product_sum": (
            "{name} has {b} boxes of {a} {thing} and {c} more. How many in all?",
            "{b} tickets cost {a} dollars each and the bus {c}. What is the total?",
            "{name} reads {a} pages a day for {b} days, then {c} more. How many pages?",
        ),
        "product_difference": (
            "{name} has {b} boxes of {a} {thing} and sells {c}. How many are left?",
            "{b} tickets at {a} dollars each, {c} dollars off. What is the total?",
            "{name} earns {a} a day for {b} days and spends {c}. How much is left?",
        ),
    },
    "sequence": {
        "next_term": (
            "What comes next: {t0}, {t1}, {t2}, {t3}?",
            "Continue {t0}, {t1}, {t2}, {t3}. Give the next number.",
            "Find the next term of {t0}, {t1}, {t2}, {t3}.",
        ),
        "nth_term": (
            "Find term {c} of {t0}, {t1}, {t2}, {t3}, ...",
            "{t0}, {t1}, {t2}, ... What is term number {c}?",
            "A list starts {t0}, {t1}, {t2}, {t3}. What is number {c}?",
        ),
    },
    "fraction": {
        "part": (
            "What is {a}/{b} of {total}?",
            "Find {a}/{b} of {total}.",
            "Take {a}/{b} of {total}.",
        ),
        "fraction_sum": (
            "What is {a}/{c}+{b}/{c}?",
            "Compute {b}/{c}+{a}/{c} in lowest terms.",
            "Add {a}/{c} and {b}/{c}.",
        ),
    },
}
