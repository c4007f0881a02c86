"""Forms of code problems over the order of a list (editing by position, sorting) and over strings."""

from collections.abc import Mapping

from ringexp.domains.code.forms import LETTERS, Form, Telling

_PLACE, _VALUE, _FACTOR, _TERM = range(1, 7), range(1, 100), range(2, 21), range(1, 41)
_EDGE, _TIMES = range(2, 61), range(2, 10)

EDIT: Mapping[int, tuple[Form, ...]] = {
    1: (
        Form("first_append", "xs", (_PLACE, _VALUE), (Telling(
            "return xs[:{a}] + [{b}]",
            ("take the first {a} elements and append {b}", "return the first {a} of xs, then {b}",
             "cut xs after {a} elements and put {b} at the end"),
            ("Slice the front, then append.", "First {a}, then {b}.", "The front and one more."),
        ),), places="a"),
        Form("last_append", "xs", (_PLACE, _VALUE), (Telling(
            "return xs[-{a}:] + [{b}]",
            ("take the last {a} elements and append {b}", "return the last {a} of xs, then {b}",
             "keep {a} elements at the end of xs and put {b} after them"),
            ("Slice the back, then append.", "Last {a}, then {b}.", "The back and one more."),
        ),), places="a"),
        Form("drop_prepend", "xs", (_PLACE, _VALUE), (Telling(
            "return [{b}] + xs[{a}:]",
            ("drop the first {a} elements and put {b} in front", "return {b}, then xs without its first {a}",
             "skip {a} elements of xs and prepend {b}"),
            ("Slice off the front, then prepend.", "{b}, then from {a} on.", "One more and the rest."),
        ),), places="a"),
        Form("insert", "xs", (_PLACE, _VALUE), (Telling(
            "return xs[:{a}] + [{b}] + xs[{a}:]",
            ("insert {b} after the first {a} elements", "return xs with {b} put in at index {a}",
             "put {b} between the first {a} elements and the rest"),
            ("Front, {b}, rest.", "Two slices around {b}.", "Split at {a}."),
        ),), places="a"),
    ),
    2: (
        Form("rotate_append", "xs", (_PLACE, _VALUE), (Telling(
            "return xs[{a}:] + xs[:{a}] + [{b}]",
            ("move the first {a} elements to the end, then append {b}", "rotate xs left by {a} and put {b} last",
             "return xs from index {a}, then its first {a}, then {b}"),
            ("Rest, front, {b}.", "Two slices swapped.", "Rotate, then append."),
        ),), places="a"),
        Form("reverse_front", "xs", (range(2, 7), _VALUE), (Telling(
            "return xs[:{a}][::-1] + xs[{a}:] + [{b}]",
            ("reverse the first {a} elements, keep the rest, and append {b}",
             "turn round the first {a} of xs, then put {b} last",
             "return the first {a} backwards, the others, then {b}"),
            ("Reverse the front, then the rest.", "Two slices, one backwards.", "Reverse {a}, append {b}."),
        ),), places="a"),
        Form("every_append", "xs", (range(2, 5), _VALUE), (Telling(
            "return xs[::{a}] + [{b}]",
            ("take one element in {a} from the first on, and append {b}",
             "keep the elements at indices divisible by {a}, then {b}", "step through xs by {a} and put {b} last"),
            ("Slice with a step.", "Step {a}, then {b}.", "Every index {a} divides."),
        ),), places="a"),
        Form("middle_append", "xs", (range(1, 5), range(2, 8), _VALUE), (Telling(
            "return xs[{a}:{b}] + [{c}]",
            ("take the elements from index {a} to before index {b} and append {c}",
             "slice xs from {a} to {b}, then {c}",
             "drop {a} elements, stop at index {b}, and put {c} last"),
            ("Slice the middle, then append.", "{a} to {b}, then {c}.", "The middle and one more."),
        ),), lambda a, b, c: a < b, places="ab"),
    ),
    3: (
        Form("every_plus_reversed", "xs", (range(2, 5), _VALUE), (Telling(
            "out = []\nfor x in xs[::{a}]:\n    out.append(x + {b})\nreturn out[::-1]",
            ("take one element in {a} from the first on, add {b} to each, and reverse",
             "step through xs by {a}, raise each by {b}, and turn the list round",
             "return x+{b} for the elements at indices divisible by {a}, last first"),
            ("Step, add, reverse.", "Loop over a slice with step {a}.", "Reverse at the end."),
        ),), places="a"),
        Form("chunk_sums", "xs", (range(2, 6), _FACTOR, _TERM), (Telling(
            "out = []\nfor i in range(0, len(xs), {a}):\n    out.append(sum(xs[i:i + {a}]) * {b} + {c})\nreturn out",
            ("cut xs in chunks of {a} and list each chunk's sum times {b}, plus {c}",
             "for every {a} elements in a row give {b} times their sum, plus {c}",
             "sum xs by groups of {a}, multiply each sum by {b} and add {c}"),
            ("Loop by steps of {a}.", "Sum each slice, times {b} plus {c}.", "Chunks, then sums."),
        ),), places="a"),
        Form("separators", "xs", (range(2, 5), _VALUE, _TERM), (Telling(
            "out = []\nfor i, x in enumerate(xs):\n    if i % {a} == 0:\n        out.append({b})\n"
            "    out.append(x + {c})\nreturn out",
            ("add {c} to each element and put {b} before every index divisible by {a}",
             "write {b} in front of each group of {a} elements, each raised by {c}",
             "list x+{c} for all x, with {b} ahead of indices 0, {a}, and so on by {a}"),
            ("Enumerate, test the index.", "{b} at each multiple of {a}.", "Loop with two appends."),
        ),), places="a"),
    ),
}

SORT: Mapping[int, tuple[Form, ...]] = {
    1: (
        Form("sort_with", "xs", (_EDGE, _EDGE), (Telling(
            "return sorted(xs + [{a}, {b}])",
            ("add {a} and {b} to xs and sort", "sort xs with {a} and {b} put in",
             "return xs, {a} and {b} in rising order"),
            ("Append both, then sort.", "Sort the longer list.", "Rising order."),
        ),), lambda a, b: a < b, borders="ab"),
        Form("sort_with_down", "xs", (_EDGE, _EDGE), (Telling(
            "return sorted(xs + [{a}, {b}], reverse=True)",
            ("add {a} and {b} to xs and sort, largest first", "sort xs with {a} and {b} put in, descending",
             "return xs, {a} and {b} in falling order"),
            ("Append both, then sort in reverse.", "Sort the longer list down.", "Falling order."),
        ),), lambda a, b: a < b, borders="ab"),
        Form("smallest_append", "xs", (_PLACE, _VALUE), (Telling(
            "return sorted(xs)[:{a}] + [{b}]",
            ("take the {a} smallest elements in rising order and append {b}", "sort xs, keep the first {a}, then {b}",
             "return the {a} least of xs, smallest first, then {b}"),
            ("Sort, slice, append.", "The {a} smallest, then {b}.", "Sort first."),
        ),), places="a"),
        Form("largest_append", "xs", (_PLACE, _VALUE), (Telling(
            "return sorted(xs)[-{a}:] + [{b}]",
            ("take the {a} largest elements in rising order and append {b}", "sort xs, keep the last {a}, then {b}",
             "return the {a} greatest of xs in rising order, then {b}"),
            ("Sort, slice the end, append.", "The {a} largest, then {b}.", "Sort first."),
        ),), places="a"),
    ),
    2: (
        Form("closest", "xs", (range(2, 61), range(2, 7)), (Telling(
            "return sorted(xs, key=lambda x: abs(x - {a}))[:{b}]",
            ("take the {b} elements closest to {a}, closest first (ties as in xs)",
             "sort xs by distance from {a}, keeping ties in order, and take the first {b}",
             "return the {b} numbers nearest to {a}, by rising distance, ties as in xs"),
            ("Sort by distance, then slice.", "The key is abs(x - {a}).", "A key, then the first {b}."),
        ),), borders="a", places="b"),
        Form("by_remainder", "xs", (range(3, 21), _VALUE), (Telling(
            "return sorted(xs, key=lambda x: x % {a}) + [{b}]",
            ("sort xs by remainder modulo {a} (ties as in xs), then append {b}",
             "order the elements by x mod {a}, keeping ties in order, and put {b} last",
             "return xs by rising remainder of {a}, ties as in xs, then {b}"),
            ("Sort by remainder, then append.", "The key is x % {a}.", "A key, then {b}."),
        ),), moduli="a", negative=False),
        Form("large_down", "xs", (_EDGE, _FACTOR), (Telling(
            "return sorted([x * {b} for x in xs if x > {p}], reverse=True)",
            ("take the elements greater than {p}, times {b}, largest first",
             "multiply each x > {p} by {b} and sort in falling order",
             "drop what is {p} or less, scale by {b}, sort descending"),
            ("Filter, multiply, sort down.", "Above {p}, times {b}, reversed.", "Sort in reverse at the end."),
        ),), borders="a"),
    ),
    3: (
        Form("by_remainder_then_size", "xs", (range(3, 13), range(2, 7), _TERM), (Telling(
            "ys = sorted(xs, key=lambda x: (x % {a}, -x))\nreturn [y + {c} for y in ys[:{b}]]",
            ("sort xs by remainder modulo {a}, larger first in a tie, keep {b} and add {c} to each",
             "order by x mod {a}, then falling x; return the first {b}, each plus {c}",
             "take the first {b} by rising x mod {a} (ties: largest first), raised by {c}"),
            ("A key of two parts.", "Remainder first, then -x.", "Sort, slice, add."),
        ),), moduli="a", places="b", negative=False),
        Form("by_frequency", "xs", (range(2, 5), _FACTOR, _TERM), (Telling(
            "counts = {{}}\nfor x in xs:\n    counts[x] = counts.get(x, 0) + 1\n"
            "ys = sorted(counts, key=lambda x: (-counts[x], x))\nreturn [y * {b} + {c} for y in ys[:{a}]]",
            ("take the {a} most frequent values (ties: smallest first), each times {b} plus {c}",
             "sort the different values by falling count, then rising; give {b}y+{c} for the first {a}",
             "return y*{b}+{c} for the {a} values seen most, smaller first in a tie"),
            ("Count in a dictionary, then sort.", "The key is (-count, value).", "Count, sort, slice."),
        ),), places="a", repeats=True),
        Form("different_sorted", "xs", (_EDGE, _FACTOR, _TERM), (Telling(
            "out = []\nfor x in sorted(set(xs)):\n    if x >= {a}:\n        out.append(x * {b} - {c})\nreturn out",
            ("sort the different elements that are at least {a} and give each times {b}, minus {c}",
             "drop repeats and what is below {a}, sort, and change x to {b}x-{c}",
             "return x*{b}-{c} for each different x >= {a}, in rising order"),
            ("A set drops repeats.", "Sort the set, test {a}.", "Set, sort, filter, change."),
        ),), borders="a"),
    ),
}

STRING: Mapping[int, tuple[Form, ...]] = {
    1: (
        Form("replace", "s", (LETTERS, LETTERS), (Telling(
            "return s.replace('{a}', '{b}')",
            ("replace every '{a}' by '{b}'", "change each letter {a} in s to {b}",
             "return s with '{b}' in place of '{a}'", "turn all {a} into {b}"),
            ("Replace {a} by {b}.", "One replace does it.", "Each {a} becomes {b}."),
        ),), lambda a, b: a != b),
        Form("wrap", "s", (LETTERS, LETTERS), (Telling(
            "return '{a}' + s + '{b}'",
            ("put '{a}' before s and '{b}' after it", "return {a}, then s, then {b}",
             "add '{a}' at the start and '{b}' at the end of s"),
            ("Front, s, back.", "{a} first, {b} last.", "Join three strings."),
        ),)),
        Form("repeat_append", "s", (_TIMES, LETTERS), (Telling(
            "return s * {a} + '{b}'",
            ("repeat s {a} times, then append '{b}'", "return {a} copies of s, then {b}",
             "write s {a} times and put '{b}' at the end"),
            ("Repeat, then append.", "s times {a}, then {b}.", "Copies first."),
        ),)),
        Form("remove_append", "s", (LETTERS, LETTERS), (Telling(
            "return s.replace('{a}', '') + '{b}'",
            ("remove every '{a}', then append '{b}'", "return s without the letter {a}, then {b}",
             "delete all {a} and put '{b}' at the end"),
            ("Remove {a}, then append.", "Replace {a} by nothing.", "Delete, then add {b}."),
        ),), lambda a, b: a != b),
    ),
    2: (
        Form("replace_repeat", "s", (LETTERS, LETTERS, _TIMES), (Telling(
            "return s.replace('{a}', '{b}') * {c}",
            ("replace every '{a}' by '{b}' and repeat the result {c} times",
             "change each letter {a} to {b}, then give {c} copies", "turn all {a} into {b} and write that {c} times"),
            ("Replace, then repeat.", "{a} becomes {b}, times {c}.", "Copies last."),
        ),), lambda a, b, c: a != b),
        Form("count_letter", "s", (LETTERS, _FACTOR, _TERM), (Telling(
            "return s.count('{a}') * {b} + {c}",
            ("count the letter '{a}' in s, times {b}, plus {c}", "multiply the number of {a} in s by {b} and add {c}",
             "return {b} points for each '{a}', and {c} extra"),
            ("Count, multiply, add.", "How many {a}, times {b}, plus {c}.", "The count first."),
        ),)),
        Form("reverse_wrap", "s", (LETTERS, LETTERS, range(2, 5)), (Telling(
            "return '{a}' + s[::-1] * {c} + '{b}'",
            ("reverse s, repeat it {c} times, and put '{a}' before and '{b}' after",
             "return {a}, then {c} copies of s backwards, then {b}",
             "write s from its end {c} times, between '{a}' and '{b}'"),
            ("Reverse, repeat, wrap.", "{a}, backwards times {c}, {b}.", "The slice ::-1 reverses."),
        ),)),
        Form("join_append", "s", (LETTERS, LETTERS), (Telling(
            "return '{a}'.join(s) + '{b}'",
            ("put '{a}' between the letters of s, then append '{b}'", "join the letters of s with {a} and add {b}",
             "write {a} between each two letters and '{b}' at the end"),
            ("Join, then append.", "{a} between, {b} last.", "join takes the letters."),
        ),)),
    ),
    3: (
        Form("long_words", "text", (range(2, 7), LETTERS, LETTERS), (Telling(
            "words = [w for w in text.split() if len(w) > {a}]\nreturn '{b}'.join(words) + '{c}'",
            ("join with '{b}' the words longer than {a} letters, then append '{c}'",
             "put '{b}' between the words of more than {a} letters and '{c}' at the end",
             "split text, drop words of {a} letters or fewer, join the rest by {b}, add {c}"),
            ("Split, filter, join, append.", "Words longer than {a}.", "Test len(w)."),
        ),), places="a"),
        Form("shift_letters", "s", (range(1, 26), LETTERS), (Telling(
            "out = ''\nfor c in s:\n    out += chr((ord(c) - 97 + {a}) % 26 + 97)\nreturn out + '{b}'",
            ("shift each letter {a} on in the alphabet, round from z to a, and append '{b}'",
             "move letters forward by {a}, wrapping at z, then add {b}",
             "return s in a Caesar cipher of {a}, then '{b}'"),
            ("Shift modulo 26.", "ord, plus {a}, chr.", "Loop over the letters."),
        ),)),
        Form("frequent_letters", "s", (range(2, 5), LETTERS), (Telling(
            "counts = {{}}\nfor c in s:\n    counts[c] = counts.get(c, 0) + 1\n"
            "return '{b}'.join(c for c in counts if counts[c] >= {a})",
            ("join with '{b}' the different letters that occur at least {a} times, in order",
             "list once each letter seen {a} or more times, in order, with '{b}' between",
             "count letters and join by {b}, as first seen, those with a count of {a} or more"),
            ("Count in a dictionary.", "Letters seen {a} times or more.", "Counts, filter, join."),
        ),), repeats=True),
    ),
}
