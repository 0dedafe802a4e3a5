"""What a row of a table may be: types, ranges, columns that never change or only grow, what a change costs, relations.

    columns:
      age: {type: int, min: 17, max: 90, direction: up, cost: 5}
      sex: {type: category, mutable: no}
      income: {type: real, min: 0, step: 100}
      colour_red: {type: one-hot, group: colour}
      colour_blue: {type: one-hot, group: colour}
      total: {type: int}
    relations:
      - total == open + closed

A column that is not named never changes. `cost` multiplies how far a column's change counts; a change of a category
counts as 1, whichever it is. `draft` writes such a file from data.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import numpy as np

from bartizan.assess.data import Data
from bartizan.assess.evasion.relations import Relation, relation
from bartizan.assess.target import Array
from bartizan.core.errors import PolicyError, UsageError
from bartizan.policy.document import List, Map, Node, Text, parse

MAX_BYTES = 512 * 1024
MAX_COLUMNS = 5000
MAX_RELATIONS = 200
FIELDS = ("type", "mutable", "direction", "min", "max", "step", "cost", "group", "values")
YES, NO = ("yes", "true"), ("no", "false")
FEW = 20  # whole numbers of no more different values are drafted as ordinal


class Kind(StrEnum):
    """What a column holds."""

    INT = "int"
    REAL = "real"
    ORDINAL = "ordinal"  # whole numbers in an order
    CATEGORY = "category"  # codes without an order
    ONE_HOT = "one-hot"  # 0 or 1; of the columns of a group one is 1


@dataclass(frozen=True, slots=True)
class Column:
    """One column: `direction` is up, down or any; `step` 0 is any number."""

    name: str
    kind: Kind = Kind.REAL
    mutable: bool = True
    direction: str = "any"
    low: float = -np.inf
    high: float = np.inf
    step: float = 0.0
    cost: float = 1.0
    group: str = ""
    values: tuple[str, ...] = ()  # names of the codes 0, 1, …

    def said(self, value: float) -> str:
        """A value as a person reads it."""
        if self.values and 0 <= value < len(self.values) and value == int(value):
            return self.values[int(value)]
        return f"{value:.10g}" if self.kind is not Kind.REAL else f"{value:.6g}"


@dataclass(frozen=True, slots=True)
class Schema:
    """Columns in the order of the rows, and relations between them."""

    columns: tuple[Column, ...]
    relations: tuple[Relation, ...] = ()

    @property
    def groups(self) -> tuple[tuple[int, ...], ...]:
        """The columns of each one-hot group."""
        names = dict.fromkeys(one.group for one in self.columns if one.kind is Kind.ONE_HOT)
        return tuple(tuple(at for at, one in enumerate(self.columns) if one.group == name) for name in names)

    def possible(self, rows: Array, x: Array) -> Array:
        """(n,) whether each of rows (n, columns) is one that row `x` can become."""
        values = rows.astype(np.float64)
        kept = np.ones(len(rows), bool)
        before = x.astype(np.float64)
        for at, one in enumerate(self.columns):
            value, same = (
                values[:, at],
                (values[:, at] == before[at]) | (np.isnan(values[:, at]) & np.isnan(before[at])),
            )
            fits = (value >= one.low - 1e-6 * abs(one.low)) & (value <= one.high + 1e-6 * abs(one.high))
            if one.direction != "any":
                fits &= value >= before[at] if one.direction == "up" else value <= before[at]
            if one.step:
                origin = one.low if np.isfinite(one.low) else 0.0
                times = (value - origin) / one.step
                fits &= np.abs(times - np.round(times)) <= 1e-4
            kept &= same | (fits & one.mutable)
        for group in self.groups:
            kept &= values[:, list(group)].sum(axis=1) == 1
        for one_relation in self.relations:
            kept &= one_relation.holds(values)
        return kept

    def told(self, x: Array, row: Array) -> str:
        """A change in words: column by column, from what to what."""
        parts = []
        for one, before, after in zip(self.columns, x.tolist(), row.tolist(), strict=True):
            if before != after and not (np.isnan(before) and np.isnan(after)):
                parts.append(f"{one.name}: {one.said(before)} → {one.said(after)}")
        return "; ".join(parts)


def names_of(data: Data, width: int) -> tuple[str, ...]:
    """The columns' names; their numbers where the data gave none."""
    return data.columns if len(data.columns) == width else tuple(f"column{at}" for at in range(width))


def read_schema(path: Path, names: Sequence[str], unnamed: bool = False) -> Schema:
    """A schema file for rows with these columns. Raises UsageError: what, where, what to do.

    Args:
        unnamed: The data names no columns (an archive of arrays); a schema of as many gives them its names, in order.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise UsageError(f"{path.name} is larger than {MAX_BYTES:,} bytes")
        document = parse(path.read_text("utf-8"), path.name)
    except (OSError, UnicodeDecodeError):
        raise UsageError(f"{path.name}: cannot be read as text") from None
    except PolicyError as error:
        raise UsageError(str(error)) from None
    if unnamed and isinstance(document, Map):
        for key, value in document.members:
            given = tuple(name.value for name, _ in value.members) if isinstance(value, Map) else ()
            if key.value == "columns" and len(set(given)) == len(given) == len(names):
                names = given if not set(given) & set(names) else names
    return _Reading(path.name, tuple(names)).schema(document)


@dataclass(frozen=True, slots=True)
class _Reading:
    """Takes a document apart; every refusal says in which line."""

    file: str
    names: tuple[str, ...]

    def schema(self, document: Node) -> Schema:
        """The whole file."""
        if not isinstance(document, Map):
            raise self._no(document, "a schema has columns: and relations:")
        found: dict[str, Column] = {}
        relations: list[Relation] = []
        for key, value in document.members:
            if key.value == "columns" and isinstance(value, Map):
                if len(value.members) > MAX_COLUMNS:
                    raise self._no(key, f"a schema has at most {MAX_COLUMNS:,} columns")
                for name, one in value.members:
                    if name.value not in self.names:
                        known = ", ".join(self.names[:8])
                        raise self._no(name, f'the data has no column "{name.value[:60]}"; it has {known[:200]}')
                    found[name.value] = self._column(name.value, one)
            elif key.value == "relations" and isinstance(value, List) and len(value.items) <= MAX_RELATIONS:
                relations += [self._relation(one) for one in value.items]
            else:
                raise self._no(key, f"columns: is a mapping, relations: a list of at most {MAX_RELATIONS}")
        columns = tuple(found.get(name, Column(name, mutable=False)) for name in self.names)
        return Schema(columns, tuple(relations))

    def _relation(self, node: Node) -> Relation:
        if not isinstance(node, Text):
            raise self._no(node, "a relation is one line of text")
        return relation(node.value, self.names, f"{self.file}:{node.line}")

    def _column(self, name: str, node: Node) -> Column:
        if not isinstance(node, Map):
            raise self._no(node, f"a column is a mapping of {', '.join(FIELDS)}")
        given: dict[str, Node] = {}
        for key, value in node.members:
            if key.value not in FIELDS or key.value in given:
                raise self._no(key, f"a column has each once: {', '.join(FIELDS)}")
            given[key.value] = value
        kind = Kind(self._one_of(given, "type", tuple(Kind), "real"))
        if (kind is Kind.ONE_HOT) != ("group" in given):
            raise self._no(node, "a one-hot column, and no other, says which group it belongs to")
        low, high = self._number(given, "min", -np.inf), self._number(given, "max", np.inf)
        step = self._number(given, "step", 0.0 if kind is Kind.REAL else 1.0)
        cost = self._number(given, "cost", 1.0)
        if low > high or step < 0 or cost <= 0:
            raise self._no(node, "min is no larger than max, a step not below 0, a cost above 0")
        values = self._values(given)
        if kind is Kind.ONE_HOT:
            low, high = 0.0, 1.0
        if kind is Kind.CATEGORY:
            low, high = max(low, 0.0), min(high, len(values) - 1 if values else np.inf)
            if not np.isfinite(high):
                raise self._no(node, "a category names its values, or its largest code as max")
        return Column(
            name, kind, self._one_of(given, "mutable", (*YES, *NO), "yes") in YES,
            self._one_of(given, "direction", ("any", "up", "down"), "any"), low, high, step, cost,
            self._text(given, "group"), values,
        )  # fmt: skip

    def _values(self, given: dict[str, Node]) -> tuple[str, ...]:
        node = given.get("values")
        if node is None:
            return ()
        if not isinstance(node, List) or not all(isinstance(one, Text) for one in node.items):
            raise self._no(node, "values are a list of names")
        return tuple(one.value for one in node.items if isinstance(one, Text))

    def _text(self, given: dict[str, Node], field: str) -> str:
        node = given.get(field)
        if node is None:
            return ""
        if not isinstance(node, Text):
            raise self._no(node, f"{field} is one word")
        return node.value

    def _one_of(self, given: dict[str, Node], field: str, allowed: Sequence[str], usual: str) -> str:
        value = self._text(given, field) or usual
        if value.lower() not in allowed:
            raise self._no(given[field], f"{field} is one of {', '.join(allowed)}")
        return value.lower()

    def _number(self, given: dict[str, Node], field: str, usual: float) -> float:
        text = self._text(given, field)
        if not text:
            return usual
        try:
            number = float(text)
        except ValueError:
            number = np.nan
        if not np.isfinite(number):
            raise self._no(given[field], f"{field} is a number")
        return number

    def _no(self, node: Node, what: str) -> UsageError:
        return UsageError(f"{self.file}:{node.line}:{node.column}: {what}")


def draft(data: Data) -> str:
    """A schema file to begin with, from the values there are: types, ranges and one-hot groups as they look."""
    rows = [part.reshape(len(part), -1) for part in (data.x_train, data.x_test) if part is not None]
    if not rows:
        raise UsageError("there are no rows to draft a schema from")
    table = np.concatenate(rows).astype(np.float64)
    lines = [
        "# Drafted from the data: say which columns never change, which only grow, and what a change costs.",
        "columns:",
    ]
    groups = {at: f"group{number + 1}" for number, group in enumerate(_one_hot(table)) for at in group}
    for at, name in enumerate(names_of(data, table.shape[1])):
        lines.append(f"  {_quoted(name)}: {{{_drafted(table[:, at], groups.get(at), data.categories.get(name, ()))}}}")
    return "\n".join(lines) + "\n"


def _drafted(column: Array, group: str | None, values: tuple[str, ...]) -> str:
    known = column[~np.isnan(column)]
    if group:
        return f"type: one-hot, group: {group}"
    if values:
        return f"type: category, values: [{', '.join(_quoted(one) for one in values)}]"
    if not len(known):
        return "type: real, mutable: no"
    low, high = f"{known.min():.10g}", f"{known.max():.10g}"
    whole = bool((known == np.round(known)).all())
    kind = "real" if not whole else "ordinal" if len(np.unique(known)) <= FEW else "int"
    return f"type: {kind}, min: {low}, max: {high}"


def _one_hot(table: Array) -> list[list[int]]:
    """Neighbouring columns of 0 and 1 of which every row has exactly one."""
    binary = ((table == 0) | (table == 1)).all(axis=0)
    groups: list[list[int]] = []
    at = 0
    while at < table.shape[1]:
        total, end, found = np.zeros(len(table)), at, 0
        while end < table.shape[1] and binary[end] and not found:
            total = total + table[:, end]
            end += 1
            if total.max() > 1:
                break
            found = end if end - at > 1 and (total == 1).all() else 0
        if found:
            groups.append(list(range(at, found)))
        at = found or at + 1
    return groups


def _quoted(name: str) -> str:
    return '"' + name.replace("\\", "\\\\").replace('"', '\\"').replace("\n", " ") + '"'
