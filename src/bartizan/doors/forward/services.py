"""What is known of a host that is asked for: the catalogue says what it is, the register what was decided for whom."""

from __future__ import annotations

import time
from functools import lru_cache
from typing import TYPE_CHECKING

from bartizan.home.catalogues import catalogue
from bartizan.inventory.statuses import Statuses
from bartizan.readers.tunnel import UNKNOWN, Known

if TYPE_CHECKING:
    from bartizan.catalogue.listing import Listed
    from bartizan.home import Home
    from bartizan.vault import Identity

HOSTS = 20_000  # remembered; looking one up costs some 10 µs
SHARED = "support"  # Hosts that many services share for signing in and loading: nothing follows from them.


class Services:
    """Both, ready to be asked for every tunnel. The catalogue is the one in force at the start."""

    def __init__(self, home: Home) -> None:
        """Raises InputError where the home's own words about hosts cannot be read."""
        self._statuses = Statuses(home.state, home.vault)
        self._lookup = lru_cache(maxsize=HOSTS)(catalogue(home.path).lookup)

    def known(self, host: str, identity: Identity) -> Known:
        """What a host is, and what holds there for this person now. Raises StoreError."""
        listed: Listed = self._lookup(host)
        service = listed.service
        if listed.lookalike_of:
            return Known(lookalike_of=listed.lookalike_of)
        if service is None or listed.endpoint == SHARED:
            return UNKNOWN if listed.tier is None else Known(tier=listed.tier)
        standing = self._statuses.status_for(service.id, identity.person, identity.groups, time.time_ns() // 1000)
        other = standing.alternative_name or standing.alternative
        return Known(service.id, service.name, listed.tier or "", standing.status.value, other)
