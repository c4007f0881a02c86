"""Forms of code problems over a list of integers that give a list: keep some elements, or change each."""

from collections.abc import Mapping

from ringexp.domains.code.forms import Form, Telling

_FACTOR, _TERM, _EDGE, _RANGE = range(2, 21), range(1, 41), range(2, 100), range(1, 51)

FILTER: Mapping[int, tuple[Form, ...]] = {
    1: (
        Form("keep_from", "xs", (_EDGE,), (
            Telling(
                "return [x for x in xs if x > {p}]",
                ("keep the elements greater than {p}", "return the numbers in xs above {p}"),
                ("Filter with > {p}.", "Keep x above {p}.", "Greater means >."),
            ),
            Telling(
                "return [x for x in xs if x >= {a}]",
                ("keep the elements that are at least {a}", "return the numbers in xs that are {a} or more"),
                ("Filter with >= {a}.", "Keep x from {a} on.", "At least means >=."),
            ),
        ), borders="a"),
        Form("keep_below", "xs", (_EDGE,), (
            Telling(
                "return [x for x in xs if x < {a}]",
                ("keep the elements less than {a}", "return the numbers in xs below {a}"),
                ("Filter with < {a}.", "Keep x below {a}.", "Less means <."),
            ),
            Telling(
                "return [x for x in xs if x <= {p}]",
                ("keep the elements that are at most {p}", "return the numbers in xs that are {p} or less"),
                ("Filter with <= {p}.", "Keep x up to {p}.", "At most means <=."),
            ),
        ), borders="a"),
        Form("keep_between", "xs", (_RANGE, range(3, 61)), (Telling(
            "return [x for x in xs if {a} <= x <= {b}]",
            ("keep the elements from {a} to {b}", "return the numbers in xs between {a} and {b}, both included",
             "drop what is less than {a} or greater than {b}"),
            ("Two borders, both included.", "Keep {a} up to {b}.", "A chained comparison."),
        ),), lambda a, b: a + 2 < b, borders="ab"),
        Form("keep_outside", "xs", (_RANGE, range(3, 61)), (Telling(
            "return [x for x in xs if x < {a} or x > {b}]",
            ("keep the elements less than {a} or greater than {b}", "drop the numbers from {a} to {b}",
             "return those in xs that are below {a} or above {b}"),
            ("Either side of the range.", "Below {a} or above {b}.", "Two tests with or."),
        ),), lambda a, b: a + 2 < b, borders="ab"),
        Form("keep_multiples", "xs", (range(2, 41),), (Telling(
            "return [x for x in xs if x % {a} == 0]",
            ("keep the multiples of {a}", "return the numbers in xs divisible by {a}",
             "drop the elements that {a} does not divide"),
            ("Filter by remainder 0.", "Divisible by {a}.", "x % {a} must be 0."),
        ),), moduli="a"),
    ),
    2: (
        Form("keep_other_from", "xs", (range(2, 13), _EDGE), (Telling(
            "return [x for x in xs if x >= {b} and x % {a} != 0]",
            ("keep the elements that are at least {b} and not divisible by {a}",
             "return the numbers from {b} on that {a} does not divide",
             "drop multiples of {a} and whatever is less than {b}"),
            ("Two tests with and.", "From {b} on, no multiples of {a}.", "Border and remainder."),
        ),), lambda a, b: b % a, borders="b", moduli="a"),
        Form("large_times", "xs", (_EDGE, _FACTOR), (Telling(
            "return [x * {b} for x in xs if x > {p}]",
            ("keep the elements greater than {p} and multiply each by {b}",
             "return {b} times each number in xs above {p}", "drop what is {p} or less, then scale the rest by {b}"),
            ("Filter, then multiply.", "Above {p}, times {b}.", "Keep some, change them."),
        ),), borders="a"),
        Form("small_plus", "xs", (_EDGE, _TERM), (Telling(
            "return [x + {b} for x in xs if x < {a}]",
            ("keep the elements less than {a} and add {b} to each", "return each number in xs below {a}, plus {b}",
             "drop what is {a} or more, then raise the rest by {b}"),
            ("Filter, then add.", "Below {a}, plus {b}.", "Keep some, change them."),
        ),), borders="a"),
        Form("multiples_times", "xs", (range(2, 31), _FACTOR), (Telling(
            "return [x * {b} for x in xs if x % {a} == 0]",
            ("keep the multiples of {a} and multiply each by {b}", "return {b} times each number that {a} divides",
             "drop what {a} does not divide, then scale the rest by {b}"),
            ("Filter, then multiply.", "Multiples of {a}, times {b}.", "Keep some, change them."),
        ),), moduli="a"),
    ),
    3: (
        Form("multiples_or_large", "xs", (range(2, 10), range(2, 13), _EDGE), (Telling(
            "out = []\nfor x in xs:\n    if x % {a} == 0:\n        out.append(x * {b})\n    elif x >= {c}:\n"
            "        out.append(x)\nreturn out",
            ("take multiples of {a} times {b}, other elements only if at least {c}, and drop the rest",
             "in order, give {b}x for each x that {a} divides and x for each other x >= {c}",
             "go through xs: multiples of {a} become x*{b}, others stay from {c} on or go"),
            ("Loop with two tests.", "Multiples first, then the large ones.", "Append what passes."),
        ),), lambda a, b, c: c % a, borders="c", moduli="a"),
        Form("first_seen", "xs", (range(1, 31), _TERM), (Telling(
            "seen = {{}}\nfor x in xs:\n    if x > {p} and x not in seen:\n        seen[x] = x + {b}\n"
            "return list(seen.values())",
            ("take each different element greater than {p} once, in order, plus {b}",
             "drop repeats and what is {p} or less, then add {b} to each",
             "give x+{b} for the first of each x > {p}"),
            ("A dictionary keeps the first.", "Test {p} and repeats.", "Loop and remember."),
        ),), borders="a", repeats=True),
        Form("drop_after_large", "xs", (range(20, 81), _FACTOR, _TERM), (Telling(
            "out = []\nfor x in xs:\n    if x > {a}:\n        break\n    out.append(x * {b} + {c})\nreturn out",
            ("stop at the first element greater than {a}; before it give x*{b}+{c} for each",
             "until an element exceeds {a}, multiply each by {b} and add {c}",
             "return {b}x+{c} for the elements before the first above {a}"),
            ("Loop with a break.", "Break above {a}.", "Append until one is too large."),
        ),), borders="a"),
    ),
}

MAP: Mapping[int, tuple[Form, ...]] = {
    1: (
        Form("each_plus", "xs", (range(1, 100),), (Telling(
            "return [x + {a} for x in xs]",
            ("add {a} to each element", "return each number in xs plus {a}", "raise all elements by {a}"),
            ("Add to each.", "Each x plus {a}.", "A list with the sums."),
        ),)),
        Form("each_times", "xs", (range(2, 61),), (Telling(
            "return [x * {a} for x in xs]",
            ("multiply each element by {a}", "return {a} times each number in xs", "scale all elements by {a}"),
            ("Multiply each.", "Each x times {a}.", "A list with the products."),
        ),)),
        Form("each_from", "xs", (range(1, 100),), (Telling(
            "return [{a} - x for x in xs]",
            ("subtract each element from {a}", "return {a} minus each number in xs", "change each x to {a}-x"),
            ("Take each from {a}.", "{a} minus each x.", "A list with the differences."),
        ),)),
        Form("each_times_plus", "xs", (_FACTOR, _TERM), (Telling(
            "return [x * {a} + {b} for x in xs]",
            ("multiply each element by {a}, then add {b}", "return {a} times each number, plus {b}",
             "change each x to {a}x+{b}"),
            ("Multiply each, then add.", "Each x times {a}, plus {b}.", "Products first, then sums."),
        ),)),
        Form("each_times_minus", "xs", (_FACTOR, _TERM), (Telling(
            "return [x * {a} - {b} for x in xs]",
            ("multiply each element by {a}, then subtract {b}", "return {a} times each number, minus {b}",
             "change each x to {a}x-{b}"),
            ("Multiply each, then subtract.", "Each x times {a}, minus {b}.", "Products first, less {b}."),
        ),)),
    ),
    2: (
        Form("large_scaled", "xs", (_EDGE, _FACTOR), (Telling(
            "return [x * {b} if x > {p} else x for x in xs]",
            ("multiply the elements greater than {p} by {b} and keep the others",
             "return {b}x for each x above {p}, else x", "scale by {b} what is more than {p}, leave the rest"),
            ("A condition for each.", "Above {p} times {b}, else x.", "Change only the large ones."),
        ),), borders="a"),
        Form("multiples_shifted", "xs", (range(2, 13), _TERM, _TERM), (Telling(
            "return [x + {b} if x % {a} == 0 else x - {c} for x in xs]",
            ("add {b} to the multiples of {a} and subtract {c} from the others",
             "return x+{b} for each x that {a} divides, else x-{c}",
             "raise multiples of {a} by {b}, lower the rest by {c}"),
            ("A condition for each.", "Multiples plus {b}, others minus {c}.", "The remainder decides."),
        ),), moduli="a"),
        Form("index_weighted", "xs", (_FACTOR, _FACTOR), (Telling(
            "return [x * {a} + i * {b} for i, x in enumerate(xs)]",
            ("multiply each element by {a} and add {b} times its index",
             "return {a}x+{b}i for each x at index i, from 0", "scale by {a}, then raise the element at i by {b}*i"),
            ("Enumerate gives the index.", "x times {a}, i times {b}.", "Index and element together."),
        ),)),
    ),
    3: (
        Form("running_total", "xs", (range(1, 61), _FACTOR), (Telling(
            "total = {a}\nout = []\nfor x in xs:\n    total += x * {b}\n    out.append(total)\nreturn out",
            ("start at {a}, add {b} times each element in turn, and list the totals",
             "return the running totals of {b}x, from {a}", "list what {a} becomes as each x adds {b}*x"),
            ("A running total in a loop.", "Start at {a}, append each total.", "Add {b}*x, then append."),
        ),)),
        Form("each_by_band", "xs", (_RANGE, _RANGE, _TERM, range(2, 13)), (Telling(
            "out = []\nfor x in xs:\n    if x < {a}:\n        out.append(x + {c})\n    elif x < {b}:\n"
            "        out.append(x * {d})\n    else:\n        out.append(x)\nreturn out",
            ("add {c} to elements below {a}, multiply those below {b} by {d}, keep the rest",
             "change x < {a} to x+{c}, other x < {b} to {d}x, and leave x from {b} on",
             "for each x: plus {c} under {a}, times {d} from {a} to under {b}, else x"),
            ("Three cases in a loop.", "Below {a}, below {b}, the rest.", "Test the lower border first."),
        ),), lambda a, b, c, d: a + 2 < b and a * d != a + c, borders="ab"),
        Form("neighbour_steps", "xs", (_FACTOR, _TERM), (Telling(
            "out = []\nfor i in range(1, len(xs)):\n    out.append((xs[i] - xs[i - 1]) * {a} + {b})\nreturn out",
            ("take each element minus the one before, times {a}, plus {b}",
             "list the steps between neighbours, each multiplied by {a} and raised by {b}",
             "return {a}d+{b} for each difference d of an element and the one before"),
            ("Loop from index 1.", "Difference, times {a}, plus {b}.", "Compare each with the one before."),
        ),)),
    ),
}
