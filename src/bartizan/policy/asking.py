"""An example of a clause about theft: how an account asked a model, against how honest accounts ask it.

    - asking: {doubt: 9.5}
    - asking: {coverage: 4.6, queries: 200}

Numbers are spreads of honest sessions above what is usual; honest ones reach 4. Those that are left out are ordinary.
"""

from __future__ import annotations

from math import isfinite

from bartizan.policy.document import Node
from bartizan.policy.fields import Fields, shown
from bartizan.profiles.asking import NUMBERS, Asking

ORDINARY, LIMIT, FALSE_ALARMS = 0.5, 4.0, 1.0
QUERIES = 100


def asking_of(fields: Fields, node: Node, where: str) -> Asking | None:
    """The session that an example tells of; None with a complaint where it does not."""
    got = fields.members(node, where, (*NUMBERS, "queries"))
    if got is None:
        return None
    numbers = dict.fromkeys(NUMBERS, ORDINARY) | {"queries": float(QUERIES)}
    for name, value in got.items():
        said = fields.text(value, f"{where}, {name}", plain=True)
        try:
            number = float(said) if said else ORDINARY
        except ValueError:
            number = float("nan")
        if isfinite(number) and abs(number) < 1e15:
            numbers[name] = number
        else:
            fields.no(value, f"{where}, {name}", f"{shown(said)} is not a number", "For example: 9.5")
    deviations = tuple((name, numbers[name]) for name in NUMBERS)
    return Asking("", int(numbers["queries"]), deviations, LIMIT, FALSE_ALARMS)


def told(content: Asking) -> str:
    """A session in a line, for people who read a clause's examples."""
    name, largest = content.largest
    return f"{content.queries:,} queries to a model, {name} {largest:g} spreads above usual"
