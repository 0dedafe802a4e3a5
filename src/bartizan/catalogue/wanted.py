"""The map a log reader looks hosts up in: at the speed of a dictionary for those it has seen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bartizan.catalogue.apps import Apps
from bartizan.catalogue.hostnames import hostname
from bartizan.catalogue.listing import Listed

if TYPE_CHECKING:
    from bartizan.catalogue.catalogue import Catalogue

MAX_CACHED = 500_000  # Hosts, about 60 MB; more distinct ones than that begin anew.
MAX_HELD = 64 * 1024 * 1024  # Bytes of all that is remembered, by and large: hostile names are long ones.
LISTED = 512  # Bytes of what the catalogue says about one host.
APP = b"app:"  # Before the name of an application, which has no host.
MAX_KEY = 512  # Bytes; longer ones are looked up and not remembered, so that they cannot fill the memory.


class Wanted(dict[bytes, Listed | None]):
    """A host as logged → what the catalogue says, None where nobody wants to hear of it. `wanted[raw]` never fails.

    An application is asked for in the same way, as `app:` and its name; then what is said has no host.
    `cleared` counts how often the memory of hosts was full and began anew.
    """

    __slots__ = ("_apps", "_catalogue", "_held", "cleared")

    def __init__(self, catalogue: Catalogue) -> None:
        super().__init__()
        self._catalogue = catalogue
        self._apps: Apps | None = None
        self._held = 0
        self.cleared = 0

    def __missing__(self, raw: bytes) -> Listed | None:
        found = (
            self._app(raw) if raw.startswith(APP) else self._catalogue.known(hostname(raw.decode("utf-8", "replace")))
        )
        if found is not None and not found.matters:
            found = None
        if len(raw) <= MAX_KEY:
            self._held += len(raw) + (LISTED if found is not None else 0)
            if len(self) >= MAX_CACHED or self._held > MAX_HELD:
                self.clear()
                self._held = 0
                self.cleared += 1
            self[raw] = found
        return found

    def _app(self, raw: bytes) -> Listed | None:
        if self._apps is None:  # Most logs name none.
            self._apps = Apps(self._catalogue)
        return self._apps.find(raw[len(APP) :].decode("utf-8", "replace"))
