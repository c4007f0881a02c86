"""Programs one operator away from a right one: `ast` mutations, for showing that tests tell right from wrong."""

import ast
import copy
from collections.abc import Iterator
from typing import Any, NamedTuple

SWAPS: dict[type[ast.AST], type[ast.AST]] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Add, ast.Div: ast.Mult, ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Mult, ast.Pow: ast.Mult, ast.LShift: ast.RShift, ast.RShift: ast.LShift, ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd, ast.BitXor: ast.BitOr, ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE,
    ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.In: ast.NotIn, ast.NotIn: ast.In, ast.Is: ast.IsNot,
    ast.IsNot: ast.Is, ast.And: ast.Or, ast.Or: ast.And, ast.USub: ast.UAdd, ast.UAdd: ast.USub,
}  # fmt: skip
"""Each operator and what it is flipped to; `not` is dropped."""


class Mutant(NamedTuple):
    """`line` of the source (1 is the first), the operator's place among the line's, the flip, and the new source."""

    line: int
    place: int
    flip: str
    source: str

    @property
    def key(self) -> str:
        """What tells it from the others of its source."""
        return f"{self.line}:{self.place} {self.flip}"


def mutants(source: str, first_line: int = 1) -> Iterator[Mutant]:
    """Every operator from `first_line` on flipped once, all else as it was. Raises SyntaxError."""
    tree = ast.parse(source)
    places: dict[int, int] = {}
    for index, node in enumerate(ast.walk(tree)):
        if not isinstance(node, ast.expr | ast.stmt) or node.lineno < first_line:
            continue
        for slot, operator in _operators(node):
            place = places[node.lineno] = places.get(node.lineno, 0) + 1
            flipped = copy.deepcopy(tree)
            target = next(n for i, n in enumerate(ast.walk(flipped)) if i == index)
            flip = _flip(target, slot)
            if isinstance(operator, ast.Not):
                flipped = _without_not(flipped, target)
            yield Mutant(node.lineno, place, flip, ast.unparse(flipped) + "\n")


def _operators(node: ast.AST) -> list[tuple[int, ast.AST]]:
    """The operators of a node that can be flipped, by their place in it."""
    if isinstance(node, ast.Compare):
        found: list[ast.AST] = list(node.ops)
    elif isinstance(node, ast.BinOp | ast.UnaryOp | ast.BoolOp | ast.AugAssign):
        found = [node.op]
    else:
        found = []
    return [(i, op) for i, op in enumerate(found) if type(op) in SWAPS or isinstance(op, ast.Not)]


def _flip(node: ast.AST, slot: int) -> str:
    """Flip the operator in place; what was done, e.g. `Lt>LtE`."""
    holder = node.ops if isinstance(node, ast.Compare) else None
    before = holder[slot] if holder is not None else node.op  # type: ignore[attr-defined]
    if isinstance(before, ast.Not):
        return "Not>"
    after: Any = SWAPS[type(before)]()
    if holder is not None:
        holder[slot] = after
    else:
        node.op = after  # type: ignore[attr-defined]
    return f"{type(before).__name__}>{type(after).__name__}"


def _without_not(tree: ast.Module, target: ast.AST) -> ast.Module:
    class Drop(ast.NodeTransformer):
        def visit_UnaryOp(self, node: ast.UnaryOp) -> ast.AST:
            self.generic_visit(node)
            return node.operand if node is target else node

    kept: ast.Module = Drop().visit(tree)
    return ast.fix_missing_locations(kept)
