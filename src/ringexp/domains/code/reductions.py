"""Forms of code problems that reduce a list of integers to one: sums, counts and folds."""

from collections.abc import Mapping

from ringexp.domains.code.forms import Form, Telling

_FACTOR, _TERM, _EDGE, _RANGE = range(2, 21), range(1, 41), range(2, 100), range(1, 51)

REDUCE: Mapping[int, tuple[Form, ...]] = {
    1: (
        Form("sum_from", "xs", (_EDGE,), (Telling(
            "return sum(x for x in xs if x > {p})",
            ("sum the elements greater than {p}", "return the total of the numbers above {p}",
             "add up every x in xs with x > {p}"),
            ("Filter, then sum.", "Sum what is above {p}.", "Greater means >."),
        ),), borders="a"),
        Form("count_from", "xs", (_EDGE,), (Telling(
            "return sum(x >= {a} for x in xs)",
            ("count the elements that are at least {a}", "return how many numbers are {a} or more",
             "count every x in xs with x >= {a}"),
            ("Count with >= {a}.", "How many from {a} on.", "At least means >=."),
        ),), borders="a"),
        Form("count_multiples", "xs", (range(2, 41),), (Telling(
            "return sum(x % {a} == 0 for x in xs)",
            ("count the multiples of {a}", "return how many numbers are divisible by {a}",
             "count every x in xs that {a} divides"),
            ("Count remainder 0.", "How many {a} divides.", "x % {a} must be 0."),
        ),), moduli="a"),
        Form("sum_times_plus", "xs", (_FACTOR, _TERM), (Telling(
            "return sum(xs) * {a} + {b}",
            ("multiply the sum of xs by {a}, then add {b}", "add up xs, times {a}, plus {b}",
             "return {b} more than {a} times the total of xs"),
            ("Sum, times {a}, plus {b}.", "The sum first.", "Total, product, then add."),
        ),)),
        Form("count_between", "xs", (_RANGE, range(3, 61)), (Telling(
            "return sum({a} <= x <= {b} for x in xs)",
            ("count the elements from {a} to {b}", "return how many numbers lie between {a} and {b}, both included",
             "count what is neither less than {a} nor greater than {b}"),
            ("Count with two borders.", "How many from {a} to {b}.", "A chained comparison."),
        ),), lambda a, b: a + 2 < b, borders="ab"),
    ),
    2: (
        Form("sum_multiples_times", "xs", (range(2, 31), _FACTOR, _TERM), (Telling(
            "return sum(x for x in xs if x % {a} == 0) * {b} + {c}",
            ("multiply the sum of the multiples of {a} by {b}, then add {c}",
             "add up what {a} divides, times {b}, plus {c}",
             "return {c} more than {b} times the total of multiples of {a}"),
            ("Filter, sum, multiply, add.", "Multiples of {a}, times {b}, plus {c}.", "The filtered sum first."),
        ),), moduli="a"),
        Form("count_times_plus", "xs", (_EDGE, _FACTOR, _TERM), (Telling(
            "return sum(x > {p} for x in xs) * {b} + {c}",
            ("count the elements greater than {p}, times {b}, plus {c}",
             "multiply the number of elements above {p} by {b} and add {c}",
             "return {b} points for every x > {p}, and {c} extra"),
            ("Count, multiply, add.", "How many above {p}, times {b}, plus {c}.", "The count first."),
        ),), borders="a"),
        Form("capped_sum", "xs", (_EDGE, _FACTOR), (Telling(
            "return sum(min(x, {a}) for x in xs) * {b}",
            ("sum the elements, each at most {a}, and multiply by {b}",
             "cut elements above {a} down to {a}, add them up, times {b}",
             "return {b} times the total with each x limited to {a}"),
            ("Cap each, sum, multiply.", "min with {a}, then the sum.", "Cap first, times {b} last."),
        ),), borders="a"),
    ),
    3: (
        Form("fold_mod", "xs", (range(1, 20), range(2, 20), range(21, 60)), (Telling(
            "total = {a}\nfor x in xs:\n    total = (total * {b} + x) % {c}\nreturn total",
            ("start at {a}; for each x multiply by {b}, add x and take the remainder by {c}",
             "fold xs with t = ({b}t+x) mod {c}, from t={a}",
             "from {a}, go through xs: times {b}, plus x, modulo {c}"),
            ("A loop that folds.", "Times {b} plus x, mod {c}.", "Start at {a}, update for each x."),
        ),), negative=False),
        Form("signed_sum", "xs", (range(2, 20), _FACTOR, _TERM), (Telling(
            "total = {c}\nfor x in xs:\n    if x % {a} == 0:\n        total += x * {b}\n    else:\n        total -= x\n"
            "return total",
            ("start at {c}, add {b} times each multiple of {a} and subtract the others",
             "return {c} plus {b}x for each x that {a} divides, minus each other x",
             "go through xs from {c}: multiples of {a} add x*{b}, the rest take x away"),
            ("A loop with two branches.", "Multiples add, others subtract.", "Start at {c}, test x % {a}."),
        ),), moduli="a"),
        Form("count_repeated", "xs", (range(2, 5), _FACTOR, _TERM), (Telling(
            "counts = {{}}\nfor x in xs:\n    counts[x] = counts.get(x, 0) + 1\n"
            "return sum(n >= {a} for n in counts.values()) * {b} + {c}",
            ("count the different elements that occur at least {a} times, times {b}, plus {c}",
             "multiply by {b} the number of values seen {a} or more times, then add {c}",
             "return {c} plus {b} for each value that is in xs {a} times or more"),
            ("Count in a dictionary.", "Values seen {a} times or more.", "Counts, then times {b} plus {c}."),
        ),), repeats=True),
    ),
}
