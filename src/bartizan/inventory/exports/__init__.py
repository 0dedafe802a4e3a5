"""The decision table in the words of resolvers, proxies, firewalls and browsers: one module each, found by walking.

What a format cannot say is said in its own comments and in `silent`, never left out quietly.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from pkgutil import iter_modules

from bartizan.inventory.restriction import Table

EVERYBODY_ELSE = "an exception for {who} until {until} cannot be said here: it is stopped for them, too"


@dataclass(frozen=True, slots=True)
class Export:
    """One format.

    Args:
        id: Stable name for commands.
        suffix: Of the file it is written to.
        write: The file's text. Ends with a line end.
        use: How it is put to use, for people.
        checked: The real program that reads it in our tests, or "" and `source` says against what it was checked.
        clients: Whether exceptions for addresses can be said.
        users: Whether exceptions for logins can be said.
        leaks: What still gets through, in one sentence; every such list leaks somewhere.
    """

    id: str
    title: str
    suffix: str
    write: Callable[[Table], str]
    use: str
    source: str
    leaks: str
    checked: str = ""
    clients: bool = False
    users: bool = False

    def silent(self, table: Table) -> tuple[str, ...]:
        """What of the table this format cannot say."""
        unsaid = [
            EVERYBODY_ELSE.format(who=one.client or one.user, until=one.until)
            for one in table.exempt
            if not ((one.client and self.clients) or (one.user and self.users))
        ]
        return (*unsaid, *(f"{host}: {why}" for host, why in table.left_out))


def header(table: Table, mark: str, title: str) -> list[str]:
    """The comment that every export begins with, each line behind `mark`."""
    said = [
        f"{title}: {len(table.entries)} hosts of {len(table.services)} AI services, made by Bartizan {table.made}",
        "Made from the register of AI systems: changes here are lost, decide there instead.",
    ]
    return [f"{mark} {line}" for line in said]


@lru_cache(maxsize=1)
def exports() -> dict[str, Export]:
    """All formats by id."""
    names = sorted(found.name for found in iter_modules(__path__) if not found.ispkg and found.name != "tests")
    found = [getattr(import_module(f"{__name__}.{name}"), "EXPORTS", ()) for name in names]
    return {one.id: one for many in found for one in many}
