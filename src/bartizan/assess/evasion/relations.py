"""Relations between the columns of a table, such as `total == a + b`: parsed, never evaluated as Python.

One comparison (==, <=, >=, <, >) of sums, differences, products and quotients of numbers and columns. A name that is
no Python name stands in backticks: `hours-per-week` <= 80.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from bartizan.assess.target import Array
from bartizan.core.errors import UsageError

MAX_LENGTH = 500  # characters
MAX_PARTS = 200  # nodes of the expression
CLOSE = 1e-6  # of the larger side: float32 holds no more
_QUOTED = re.compile(r"`([^`]{1,200})`")
_SIGNS: dict[type[ast.cmpop], str] = {ast.Eq: "==", ast.LtE: "<=", ast.GtE: ">=", ast.Lt: "<", ast.Gt: ">"}

Linear = dict[int, float]  # by column; -1 is the constant


@dataclass(frozen=True, slots=True)
class Relation:
    """`text` as it was written. `linear`: left minus right, where that is linear, else None.

    `given`: the column that stands alone on the left of `==`, and follows from the others; -1 for none.
    """

    text: str
    sign: str
    left: Callable[[Array], Array]
    right: Callable[[Array], Array]
    columns: frozenset[int]
    linear: Linear | None
    given: int = -1

    def holds(self, rows: Array) -> Array:
        """(n,) whether each row (n, columns) keeps it; nothing that cannot be computed does."""
        values = rows.astype(np.float64)
        with np.errstate(all="ignore"):
            left, right = self.left(values), self.right(values)
            close = CLOSE * np.maximum(1.0, np.maximum(np.abs(left), np.abs(right)))
            if self.sign == "==":
                kept = np.abs(left - right) <= close
            elif self.sign in ("<=", ">="):
                kept = left <= right + close if self.sign == "<=" else left >= right - close
            else:
                kept = left < right if self.sign == "<" else left > right
        return np.asarray(np.broadcast_to(kept, len(rows)))


def relation(text: str, columns: Sequence[str], where: str) -> Relation:
    """What was written. Raises UsageError for anything but a comparison of columns."""
    if len(text) > MAX_LENGTH:
        raise UsageError(f"{where}: a relation has at most {MAX_LENGTH} characters")
    index = {name: at for at, name in enumerate(columns)}
    quoted: dict[str, str] = {}

    def unquoted(found: re.Match[str]) -> str:
        quoted[name := f"quoted_{len(quoted)}_"] = found[1]
        return name

    try:
        tree = ast.parse(_QUOTED.sub(unquoted, text).strip(), mode="eval").body
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        raise UsageError(f"{where}: cannot be read as a comparison, such as total == a + b") from None
    if sum(1 for _ in ast.walk(tree)) > MAX_PARTS:
        raise UsageError(f"{where}: a relation has at most {MAX_PARTS} parts")
    if not isinstance(tree, ast.Compare) or len(tree.ops) != 1 or type(tree.ops[0]) not in _SIGNS:
        raise UsageError(f"{where}: a relation is one comparison by ==, <=, >=, < or >")
    used: set[int] = set()

    def column(name: str) -> int:
        name = quoted.get(name, name)
        if name not in index:
            raise UsageError(f'{where}: there is no column called "{name[:60]}"')
        used.add(index[name])
        return index[name]

    left, right = (_Side(part, column, where) for part in (tree.left, tree.comparators[0]))
    difference = None
    one, other = left.linear(tree.left), right.linear(tree.comparators[0])
    if one is not None and other is not None:
        difference = {at: one.get(at, 0.0) - other.get(at, 0.0) for at in {*one, *other}}
    sign = _SIGNS[type(tree.ops[0])]
    alone = column(tree.left.id) if sign == "==" and isinstance(tree.left, ast.Name) else -1
    return Relation(text, sign, left.compiled, right.compiled, frozenset(used), difference, alone)


class _Side:
    """One side of a comparison: what it is worth for rows, and its coefficients where it is linear."""

    def __init__(self, tree: ast.expr, column: Callable[[str], int], where: str) -> None:
        self._column, self._where = column, where
        self.compiled = self._compile(tree)

    def _compile(self, tree: ast.expr) -> Callable[[Array], Array]:
        if isinstance(tree, ast.Name):
            at = self._column(tree.id)
            return lambda rows: rows[:, at]
        if isinstance(tree, ast.Constant) and type(tree.value) in (int, float):
            value = _number(tree)
            return lambda rows: np.full(len(rows), value)
        if isinstance(tree, ast.UnaryOp) and isinstance(tree.op, ast.USub):
            inner = self._compile(tree.operand)
            return lambda rows: -inner(rows)
        if isinstance(tree, ast.BinOp) and type(tree.op) in _ARITHMETIC:
            one, other, op = self._compile(tree.left), self._compile(tree.right), _ARITHMETIC[type(tree.op)]
            return lambda rows: np.asarray(op(one(rows), other(rows)))
        raise UsageError(f"{self._where}: only columns, numbers and + - * / stand in a relation")

    def linear(self, tree: ast.expr) -> Linear | None:
        """Its coefficients; None where columns are multiplied."""
        if isinstance(tree, ast.Name):
            return {self._column(tree.id): 1.0}
        if isinstance(tree, ast.Constant):
            return {-1: _number(tree)}
        if isinstance(tree, ast.UnaryOp):
            inner = self.linear(tree.operand)
            return None if inner is None else {at: -value for at, value in inner.items()}
        assert isinstance(tree, ast.BinOp)
        one, other = self.linear(tree.left), self.linear(tree.right)
        if one is None or other is None:
            return None
        if isinstance(tree.op, ast.Add | ast.Sub):
            sign = 1.0 if isinstance(tree.op, ast.Add) else -1.0
            return {at: one.get(at, 0.0) + sign * other.get(at, 0.0) for at in {*one, *other}}
        if isinstance(tree.op, ast.Div):
            divisor = other.get(-1, 0.0)
            constant = set(other) <= {-1} and divisor != 0
            return {at: value / divisor for at, value in one.items()} if constant else None
        if set(one) <= {-1}:
            one, other = other, one
        return {at: value * other.get(-1, 0.0) for at, value in one.items()} if set(other) <= {-1} else None


def _number(tree: ast.Constant) -> float:
    assert isinstance(tree.value, int | float)
    return float(tree.value) if abs(tree.value) < 1e300 else np.inf


_ARITHMETIC: dict[type[ast.operator], Callable[[Array, Array], Array]] = {
    ast.Add: np.add, ast.Sub: np.subtract, ast.Mult: np.multiply, ast.Div: np.divide,
}  # fmt: skip
