"""The kinds of built-in code problems and the forms that each of their levels draws."""

from collections.abc import Mapping

from ringexp.domains.code import integers, lists, orders, reductions
from ringexp.domains.code.forms import Form

LEVELS = (1, 2, 3)

FORMS: Mapping[str, Mapping[int, tuple[Form, ...]]] = {
    "arithmetic": integers.ARITHMETIC,
    "condition": integers.CONDITION,
    "number": integers.NUMBER,
    "filter": lists.FILTER,
    "map": lists.MAP,
    "reduce": reductions.REDUCE,
    "edit": orders.EDIT,
    "sort": orders.SORT,
    "string": orders.STRING,
}
"""The problems of each kind: level 1 is one or two operations, level 2 two or three or a condition, level 3 more."""
