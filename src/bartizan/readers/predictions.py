"""Logs of predictions: one JSON object a line, who asked a model what and what it said.

    {"account": "a-17", "time": 1763900000.5, "vector": [0.1, …], "scores": [0.9, 0.1]}

`point` instead of `vector`: where the row lies, for those that keep no rows. `scores`: probabilities, or one label.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import isfinite

from bartizan.core.errors import InputError, LimitError
from bartizan.readers.strict_json import loads

MAX_LINE_BYTES = 4 * 1024 * 1024
MAX_NUMBERS = 1_000_000
MAX_ACCOUNT = 256
MAX_DEPTH = 4
LATEST_S = 253_402_300_799  # The end of the year 9999.


@dataclass(frozen=True, slots=True)
class Prediction:
    """One answer of a model. `row` is flat; with `is_point` it is where the row lies."""

    account: str
    time_us: int
    row: tuple[float, ...]
    scores: tuple[float, ...]
    is_point: bool = False


def prediction(line: bytes) -> Prediction:
    """One line. Raises InputError for what is none, LimitError for what is more than is read."""
    if len(line) > MAX_LINE_BYTES:
        raise LimitError(f"more than {MAX_LINE_BYTES:,} bytes", "line")
    value = loads(line)
    if not isinstance(value, dict):
        raise InputError("is no object", "line")
    account, when = value.get("account"), value.get("time")
    if not isinstance(account, str) or not 0 < len(account) <= MAX_ACCOUNT:
        raise InputError(f"is no text of 1 to {MAX_ACCOUNT} characters", "account")
    if isinstance(when, bool) or not isinstance(when, int | float) or not 0 <= when <= LATEST_S:
        raise InputError("is no time in seconds since 1970", "time")
    name = "point" if "point" in value else "vector"
    row, scores = tuple(_numbers(value.get(name), name)), tuple(_numbers(value.get("scores"), "scores"))
    if not row or not scores:
        raise InputError("is missing or empty", name if not row else "scores")
    return Prediction(account, int(when * 1_000_000), row, scores, name == "point")


def _numbers(value: object, where: str) -> Iterator[float]:
    stack, seen = [(value, 0)], 0
    while stack:
        one, depth = stack.pop()
        if isinstance(one, list):
            if depth >= MAX_DEPTH:
                raise LimitError("lists in lists too deep", where)
            stack.extend((item, depth + 1) for item in reversed(one))
        elif one is None and depth:
            yield 0.0
        elif isinstance(one, bool) or not isinstance(one, int | float) or not isfinite(one):
            raise InputError("is no list of numbers", where)
        else:
            yield float(one)
        seen += 1
        if seen > MAX_NUMBERS:
            raise LimitError(f"more than {MAX_NUMBERS:,} numbers", where)
