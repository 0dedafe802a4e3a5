"""The map a log reader looks hosts up in: at the speed of a dictionary for those it has seen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bartizan.catalogue.hostnames import hostname
from bartizan.catalogue.listing import Listed

if TYPE_CHECKING:
    from bartizan.catalogue.catalogue import Catalogue

MAX_CACHED = 500_000  # Hosts, about 60 MB; more distinct ones than that begin anew.
MAX_KEY = 512  # Bytes; longer ones are looked up and not remembered, so that they cannot fill the memory.


class Wanted(dict[bytes, Listed | None]):
    """A host as logged → what the catalogue says, None where nobody wants to hear of it. `wanted[raw]` never fails.

    `cleared` counts how often the memory of hosts was full and began anew.
    """

    __slots__ = ("_catalogue", "cleared")

    def __init__(self, catalogue: Catalogue) -> None:
        super().__init__()
        self._catalogue = catalogue
        self.cleared = 0

    def __missing__(self, raw: bytes) -> Listed | None:
        found = self._catalogue.known(hostname(raw.decode("utf-8", "replace")))
        if found is not None and not found.matters:
            found = None
        if len(raw) <= MAX_KEY:
            if len(self) >= MAX_CACHED:
                self.clear()
                self.cleared += 1
            self[raw] = found
        return found
