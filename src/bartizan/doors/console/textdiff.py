"""Two texts line by line: what went, what came, and a few lines around it."""

from __future__ import annotations

import difflib
from dataclasses import dataclass

AROUND = 3
MAX_LINES = 400
MAX_COMPARED = 600  # Lines of either side, without what is the same at both ends: comparing takes their product.


@dataclass(frozen=True, slots=True)
class Line:
    """One line. `sort` is same, gone, new or gap; `number` its place in the new text, in the old one if it is gone."""

    sort: str
    number: int
    text: str


def compared(old: str, new: str) -> tuple[tuple[Line, ...], bool]:
    """The lines that differ with those around them, and whether there are more than are shown."""
    was, now = old.splitlines(), new.splitlines()
    head = _same(was, now)
    tail = _same(was[head:][::-1], now[head:][::-1])
    before, after = was[head : len(was) - tail], now[head : len(now) - tail]
    if max(len(before), len(after)) > MAX_COMPARED:
        groups = [[("replace", head, head + len(before), head, head + len(after))]]
    else:
        # The same lines at both ends, as many as are shown, so that the first change has lines above it.
        first = max(0, head - AROUND)
        a, b = was[first : len(was) - max(0, tail - AROUND)], now[first : len(now) - max(0, tail - AROUND)]
        matcher = difflib.SequenceMatcher(None, a, b, autojunk=False)
        groups = [
            [(tag, i + first, j + first, k + first, m + first) for tag, i, j, k, m in group]
            for group in matcher.get_grouped_opcodes(AROUND)
        ]
    out: list[Line] = []
    for n, group in enumerate(groups):
        if n:
            out.append(Line("gap", 0, ""))
        for tag, i, j, k, m in group:
            if tag == "equal":
                out += [Line("same", at + 1, now[at]) for at in range(k, m)]
                continue
            out += [Line("gone", at + 1, was[at]) for at in range(i, j)]
            out += [Line("new", at + 1, now[at]) for at in range(k, m)]
        if len(out) > MAX_LINES:
            return tuple(out[:MAX_LINES]), True
    return tuple(out), False


def _same(one: list[str], other: list[str]) -> int:
    count = 0
    for a, b in zip(one, other, strict=False):
        if a != b:
            break
        count += 1
    return count
