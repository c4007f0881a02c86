"""Forms of code problems over one integer: arithmetic, conditions, quotients, remainders and digits."""

from collections.abc import Mapping

from ringexp.domains.code.forms import Form, Telling

_FACTOR, _TERM, _EDGE, _OUT = range(2, 21), range(1, 41), range(2, 41), range(1, 31)
_DIGITS = "sum(int(d) for d in str(x))"

ARITHMETIC: Mapping[int, tuple[Form, ...]] = {
    1: (
        Form("mul_add", "x", (_FACTOR, _TERM), (Telling(
            "return x * {a} + {b}",
            ("multiply x by {a}, then add {b}", "return x times {a}, plus {b}", "compute {a}x+{b}",
             "give {b} more than {a} times x"),
            ("Multiply first, then add.", "Times {a}, then plus {b}.", "The product first, then the sum."),
        ),), lambda a, b: b % a),
        Form("mul_sub", "x", (_FACTOR, _TERM), (Telling(
            "return x * {a} - {b}",
            ("multiply x by {a}, then subtract {b}", "return x times {a}, minus {b}", "compute {a}x-{b}",
             "give {b} less than {a} times x"),
            ("Multiply first, then subtract.", "Times {a}, then minus {b}.", "The product first, less {b}."),
        ),), lambda a, b: b % a),
        Form("add_mul", "x", (_FACTOR, _FACTOR), (Telling(
            "return (x + {a}) * {b}",
            ("add {a} to x, then multiply by {b}", "return x plus {a}, all times {b}", "compute {b}(x+{a})"),
            ("Add first, then multiply.", "Plus {a}, then times {b}.", "The sum first, in brackets."),
        ),)),
        Form("sub_mul", "x", (_FACTOR, _FACTOR), (Telling(
            "return (x - {a}) * {b}",
            ("subtract {a} from x, then multiply by {b}", "return x minus {a}, all times {b}", "compute {b}(x-{a})"),
            ("Subtract first, then multiply.", "Minus {a}, then times {b}.", "The difference first, in brackets."),
        ),)),
        Form("from_mul", "x", (range(1, 61), range(2, 13)), (Telling(
            "return {a} - x * {b}",
            ("subtract {b} times x from {a}", "return {a} minus {b} times x", "compute {a}-{b}x"),
            ("Multiply, then take it from {a}.", "{a} less the product.", "The product goes away from {a}."),
        ),)),
    ),
    2: (
        Form("square_mul_add", "x", (_FACTOR, _TERM), (Telling(
            "return x * x * {a} + {b}",
            ("multiply the square of x by {a}, then add {b}", "square x, times {a}, plus {b}", "compute {a}x^2+{b}"),
            ("Square, multiply, then add.", "x times x, times {a}, plus {b}.", "The square comes first."),
        ),)),
        Form("mul_add_mod", "x", (range(2, 13), range(1, 21), range(5, 31)), (Telling(
            "return (x * {a} + {b}) % {c}",
            ("multiply x by {a}, add {b}, and take the remainder by {c}", "compute ({a}x+{b}) mod {c}",
             "return the remainder of {a} times x plus {b} divided by {c}"),
            ("Multiply, add, then the remainder.", "The brackets first, then mod {c}.", "{a}x+{b}, then % {c}."),
        ),), lambda a, b, c: a < c and b < c, moduli="c", negative=False),
        Form("plus_times_minus", "x", (_FACTOR, _FACTOR), (Telling(
            "return (x + {a}) * (x - {b})",
            ("multiply x plus {a} by x minus {b}", "compute (x+{a})(x-{b})",
             "return the product of x+{a} and x-{b}"),
            ("Sum and difference, then the product.", "Two brackets, multiplied.", "x+{a} times x-{b}."),
        ),)),
        Form("distance_mul", "x", (_TERM, _FACTOR), (Telling(
            "return abs(x - {a}) * {b}",
            ("multiply the distance between x and {a} by {b}", "compute {b}*|x-{a}|",
             "take the absolute value of x minus {a}, times {b}"),
            ("The distance, then times {b}.", "abs, then multiply.", "Absolute difference first."),
        ),), borders="a"),
    ),
    3: (
        Form("polynomial", "x", (_FACTOR, _FACTOR, _TERM), (Telling(
            "return x * x * {a} + x * {b} - {c}",
            ("compute {a}x^2+{b}x-{c}", "add {a} times x squared and {b} times x, then subtract {c}",
             "return {a} times the square of x, plus {b} times x, minus {c}"),
            ("The square term, the x term, then minus {c}.", "Three terms in order.", "Square, x, constant."),
        ),)),
        Form("step_sum", "x", (_FACTOR, _TERM), (Telling(
            "total = {b}\nfor i in range(1, x + 1):\n    total += i * {a}\nreturn total",
            ("start with {b} and add {a} times i for each i from 1 to x", "add up {a}*i for i from 1 to x, plus {b}",
             "return {b} plus the sum of {a}*1, {a}*2, ... up to {a}*x"),
            ("Loop from 1 to x.", "Start at {b}, add {a}*i each time.", "A running total."),
        ),), negative=False),
        Form("sum_or_constant", "x", (range(2, 10), range(2, 13), range(1, 13)), (Telling(
            "total = 0\nfor i in range(1, x + 1):\n    total += i * {b} if i % {a} == 0 else {c}\nreturn total",
            ("for i from 1 to x, add {b}*i if {a} divides i, else {c}",
             "sum over i=1..x: {b} times i when i is a multiple of {a}, otherwise {c}",
             "total {b}*i for the multiples of {a} up to x and {c} for each other number from 1"),
            ("Loop from 1 to x, test i % {a}.", "Multiples add {b}*i, others {c}.", "A running total with a test."),
        ),), moduli="a", negative=False),
    ),
}

CONDITION: Mapping[int, tuple[Form, ...]] = {
    1: (
        Form("threshold", "x", (_EDGE, _OUT, _OUT), (
            Telling(
                "return {b} if x > {p} else {c}",
                ("return {b} if x is greater than {p}, else {c}", "give {b} when x > {p}, otherwise {c}"),
                ("Compare x with {p}.", "Above {p}: {b}.", "Greater or not."),
            ),
            Telling(
                "return {b} if x >= {a} else {c}",
                ("return {b} if x is at least {a}, else {c}", "give {b} when x >= {a}, otherwise {c}"),
                ("Compare x with {a}.", "From {a} on: {b}.", "At least means >=."),
            ),
            Telling(
                "return {c} if x < {a} else {b}",
                ("return {c} if x is less than {a}, else {b}", "give {c} when x < {a}, otherwise {b}"),
                ("Compare x with {a}.", "Below {a}: {c}.", "Less or not."),
            ),
        ), lambda a, b, c: b != c, borders="a"),
        Form("divisible", "x", (range(2, 13), _OUT, _OUT), (Telling(
            "return {b} if x % {a} == 0 else {c}",
            ("return {b} if x is divisible by {a}, else {c}", "give {b} when {a} divides x, otherwise {c}",
             "return {b} for multiples of {a} and {c} for other x"),
            ("Test the remainder by {a}.", "Divisible means remainder 0.", "x % {a} tells."),
        ),), lambda a, b, c: b != c, moduli="a"),
        Form("replace_low", "x", (_EDGE, range(1, 61)), (
            Telling(
                "return x if x >= {a} else {b}",
                ("return x if x is at least {a}, else {b}", "keep x when x >= {a}, otherwise give {b}"),
                ("Keep x from {a} on.", "At least means >=.", "Small x becomes {b}."),
            ),
            Telling(
                "return {b} if x < {a} else x",
                ("return {b} if x is less than {a}, else x", "give {b} when x < {a}, otherwise keep x"),
                ("Below {a}: {b}.", "Less means <.", "Small x becomes {b}."),
            ),
        ), lambda a, b: a != b, borders="a"),
        Form("replace_high", "x", (_EDGE, range(1, 61)), (Telling(
            "return {b} if x > {p} else x",
            ("return {b} if x is greater than {p}, else x", "give {b} when x > {p}, otherwise keep x",
             "change x to {b} if it is above {p}"),
            ("Above {p}: {b}.", "Greater means >.", "Large x becomes {b}."),
        ),), lambda a, b: a != b, borders="a"),
    ),
    2: (
        Form("shift_by_side", "x", (_EDGE, _OUT, _OUT), (Telling(
            "return x + {b} if x > {p} else x - {c}",
            ("add {b} to x if x is greater than {p}, else subtract {c}", "return x+{b} when x > {p}, otherwise x-{c}",
             "raise x by {b} above {p} and lower it by {c} if not"),
            ("Compare with {p}, then add or subtract.", "Above {p} add, else subtract.", "Two branches."),
        ),), borders="a"),
        Form("scale_or_shift", "x", (_EDGE, range(2, 13), _OUT), (Telling(
            "return x * {b} if x >= {a} else x + {c}",
            ("multiply x by {b} if x is at least {a}, else add {c}", "return {b}x when x >= {a}, otherwise x+{c}",
             "give {b} times x from {a} on, and x plus {c} below"),
            ("Compare with {a}, then multiply or add.", "From {a} on multiply, else add.", "Two branches."),
        ),), lambda a, b, c: a * b != a + c, borders="a"),
        Form("divide_or_grow", "x", (range(2, 10), range(2, 10), range(1, 21)), (Telling(
            "return x // {a} if x % {a} == 0 else x * {b} + {c}",
            ("divide x by {a} if that is exact, else return {b}x+{c}",
             "return x/{a} when {a} divides x, otherwise {b} times x plus {c}",
             "give x//{a} for multiples of {a}; for other x give x*{b}+{c}"),
            ("Test the remainder, then divide or grow.", "Exact: divide. Else times {b} plus {c}.", "Two branches."),
        ),), moduli="a", negative=False),
    ),
    3: (
        Form("three_bands", "x", (_EDGE, _EDGE, _OUT, _OUT, _OUT), (Telling(
            "if x < {a}:\n    return {c}\nif x < {b}:\n    return {d}\nreturn {e}",
            ("return {c} if x is below {a}, {d} if it is below {b}, else {e}",
             "give {c} for x < {a}, {d} for {a} <= x < {b} and {e} from {b} on",
             "return {e} if x >= {b}, {d} if only x >= {a}, and {c} under {a}"),
            ("Test the lower border first.", "Three cases in order.", "Below {a}, below {b}, the rest."),
        ),), lambda a, b, c, d, e: a + 1 < b and c != d and d != e, borders="ab"),
        Form("clamp_mul", "x", (_EDGE, _EDGE, _FACTOR), (Telling(
            "y = min(max(x, {a}), {b})\nreturn y * {c}",
            ("limit x to the range {a} to {b}, then multiply by {c}",
             "raise x to at least {a}, cut it to at most {b}, and return it times {c}",
             "clamp x between {a} and {b} and give {c} times that"),
            ("Clamp, then multiply.", "max for the floor, min for the top.", "First max, then min, then times {c}."),
        ),), lambda a, b, c: a + 1 < b, borders="ab"),
        Form("multiple_or_large", "x", (range(2, 10), _OUT, _EDGE, range(2, 10)), (Telling(
            "if x % {a} == 0:\n    return x + {b}\nif x > {c}:\n    return x * {d}\nreturn x",
            ("add {b} to multiples of {a}, multiply other x above {c} by {d}, and keep the rest",
             "return x+{b} if {a} divides x, else {d}x if x > {c}, else x",
             "if x is divisible by {a} give x+{b}; if not and x > {c} give x*{d}; otherwise x"),
            ("Test the divisor first.", "Multiples, then large ones, then the rest.", "Three cases in order."),
        ),), lambda a, b, c, d: (c + 1) % a, borders="c", moduli="a"),
    ),
}

NUMBER: Mapping[int, tuple[Form, ...]] = {
    1: (
        Form("rem_add", "x", (range(3, 31), _TERM), (Telling(
            "return x % {a} + {b}",
            ("take the remainder of x by {a}, then add {b}", "return x mod {a}, plus {b}",
             "divide x by {a} and add {b} to what is left over"),
            ("The remainder, then add.", "x % {a}, then plus {b}.", "Modulo gives what is left."),
        ),), moduli="a", negative=False),
        Form("quot_add", "x", (range(2, 31), _TERM), (Telling(
            "return x // {a} + {b}",
            ("divide x by {a}, rounded down, then add {b}", "return the whole quotient of x by {a}, plus {b}",
             "count how often {a} fits in x and add {b}"),
            ("Whole division, then add.", "x // {a}, then plus {b}.", "Rounded down means //."),
        ),), moduli="a", negative=False),
        Form("rem_mul", "x", (range(3, 31), _FACTOR), (Telling(
            "return x % {a} * {b}",
            ("take the remainder of x by {a}, then multiply by {b}", "return x mod {a}, times {b}",
             "divide x by {a} and multiply what is left over by {b}"),
            ("The remainder, then multiply.", "x % {a}, then times {b}.", "Modulo gives what is left."),
        ),), moduli="a", negative=False),
        Form("quot_mul", "x", (range(2, 31), _FACTOR), (Telling(
            "return x // {a} * {b}",
            ("divide x by {a}, rounded down, then multiply by {b}", "return the whole quotient of x by {a}, times {b}",
             "count how often {a} fits in x and multiply by {b}"),
            ("Whole division, then multiply.", "x // {a}, then times {b}.", "Rounded down means //."),
        ),), moduli="a", negative=False),
    ),
    2: (
        Form("digits_mul_add", "x", (_FACTOR, _TERM), (Telling(
            f"return {_DIGITS} * {{a}} + {{b}}",
            ("multiply the digit sum of x by {a}, then add {b}", "add up the digits of x, times {a}, plus {b}",
             "return {b} more than {a} times the sum of x's digits"),
            ("Digit sum, times {a}, plus {b}.", "Sum the digits first.", "Digits come from str(x)."),
        ),), negative=False),
        Form("quot_plus_rem", "x", (range(2, 21), range(3, 21)), (Telling(
            "return x // {a} + x % {b}",
            ("add the whole quotient of x by {a} and the remainder of x by {b}", "compute x // {a} plus x mod {b}",
             "divide x by {a}, rounded down, and add what is left of x after dividing by {b}"),
            ("Quotient plus remainder.", "x // {a} and x % {b}.", "Two divisions, one sum."),
        ),), lambda a, b: a != b, moduli="ab", negative=False),
        Form("digits_mod_add", "x", ((4, 5, 6, 7, 8, 10, 11, 12), range(1, 100)), (Telling(
            f"return {_DIGITS} % {{a}} + {{b}}",
            ("take the digit sum of x modulo {a}, then add {b}", "add up the digits of x, mod {a}, plus {b}",
             "return {b} more than the remainder by {a} of the sum of x's digits"),
            ("Digit sum, mod {a}, plus {b}.", "Sum the digits first.", "Digits come from str(x)."),
        ),), negative=False),
    ),
    3: (
        Form("multiples_sum", "x", (range(2, 12), range(3, 20), _TERM), (Telling(
            "total = {c}\nfor i in range(1, x + 1):\n    if i % {a} == 0 or i % {b} == 0:\n        total += i\n"
            "return total",
            ("add to {c} every i from 1 to x that is divisible by {a} or {b}",
             "sum the numbers from 1 to x that {a} or {b} divides, plus {c}",
             "start at {c} and add all multiples of {a} or {b} up to x"),
            ("Loop from 1 to x with two tests.", "Start at {c}, add the multiples.", "A running total with a test."),
        ),), lambda a, b, c: a < b and b % a, moduli="ab", negative=False),
        Form("large_digits", "x", (range(1, 8), range(2, 13), _TERM), (Telling(
            "total = 0\nfor d in str(x):\n    if int(d) > {a}:\n        total += int(d)\nreturn total * {b} + {c}",
            ("sum the digits of x greater than {a}, times {b}, plus {c}",
             "add up those digits of x that exceed {a}, multiply by {b} and add {c}",
             "return {c} plus {b} times the sum of x's digits above {a}"),
            ("Loop over the digits.", "Only digits above {a} count.", "Sum, then times {b} plus {c}."),
        ),), negative=False),
        Form("digits_in_base", "x", ((2, 3, 4, 5, 6, 7, 8, 9, 11, 12), _TERM), (Telling(
            "total = 0\nfor d in str(x):\n    total = total * {a} + int(d)\nreturn total + {b}",
            ("read the digits of x in base {a}, then add {b}",
             "from 0, for each digit of x multiply by {a} and add the digit; at the end add {b}",
             "go through the digits d of x with t = {a}t+d from t=0, and return t+{b}"),
            ("Loop over the digits.", "Times {a} plus the digit, each time.", "A total that shifts by {a}."),
        ),), negative=False),
    ),
}
