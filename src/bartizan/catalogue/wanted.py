"""The map a log reader looks hosts up in: at the speed of a dictionary for those it has seen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bartizan.catalogue.apps import Apps
from bartizan.catalogue.hostnames import hostname
from bartizan.catalogue.listing import Listed

if TYPE_CHECKING:
    from bartizan.catalogue.catalogue import Catalogue

MAX_CACHED = 500_000  # Hosts, about 60 MB; more distinct ones than that begin anew.
APP = b"app:"  # Before the name of an application, which has no host.
MAX_KEY = 512  # Bytes; longer ones are looked up and not remembered, so that they cannot fill the memory.


class Wanted(dict[bytes, Listed | None]):
    """A host as logged → what the catalogue says, None where nobody wants to hear of it. `wanted[raw]` never fails.

    An application is asked for in the same way, as `app:` and its name; then what is said has no host.
    `cleared` counts how often the memory of hosts was full and began anew.
    """

    __slots__ = ("_apps", "_catalogue", "cleared")

    def __init__(self, catalogue: Catalogue) -> None:
        super().__init__()
        self._catalogue = catalogue
        self._apps: Apps | None = None
        self.cleared = 0

    def __missing__(self, raw: bytes) -> Listed | None:
        found = (
            self._app(raw) if raw.startswith(APP) else self._catalogue.known(hostname(raw.decode("utf-8", "replace")))
        )
        if found is not None and not found.matters:
            found = None
        if len(raw) <= MAX_KEY:
            if len(self) >= MAX_CACHED:
                self.clear()
                self.cleared += 1
            self[raw] = found
        return found

    def _app(self, raw: bytes) -> Listed | None:
        if self._apps is None:  # Most logs name none.
            self._apps = Apps(self._catalogue)
        return self._apps.find(raw[len(APP) :].decode("utf-8", "replace"))
