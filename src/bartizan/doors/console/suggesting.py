"""What the search box suggests: its fields with the words they take, and the values that are frequent now.

A `<datalist>` offers what holds all that was typed, so every suggestion begins with what stands in the box already.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bartizan.events import Filter
from bartizan.events.row import DISCIPLINES, OUTCOMES

Frequent = Mapping[str, Sequence[tuple[str, int]]]  # field -> (value, how often)

FIELDS = ("clause", "risk", "who", "app", "model", "provider", "door", "key", "group")
EACH = 5
MAX_VALUE = 80  # A longer name is no suggestion.
FIXED = (
    *(f"action:{outcome}" for outcome in OUTCOMES),
    "-action:allow",
    *(f"severity:{severity}" for severity in ("critical", "high+", "medium+")),
    *(f"discipline:{discipline}" for discipline in DISCIPLINES),
    "failed:yes",
    "-would:allow",
    *(f"after:{span}" for span in ("15m", "1h", "24h", "7d")),
    "before:1h",
)
BEGUN = tuple(f"{field}:" for field in (*FIELDS, "kind", "exchange", "shape"))


def terms(frequent: Frequent) -> list[str]:
    """All of them, the frequent values first."""
    found = [
        Filter().plus(field, value).text
        for field in FIELDS
        for value, _ in frequent.get(field, ())
        if value.isprintable() and len(value) <= MAX_VALUE
    ]
    return [*found, *FIXED, *(one for one in BEGUN if not any(term.startswith(one) for term in found))]
