"""What holds for whom, fast: for gateways, the forward door, and what is exported.

Answers come from memory. Another process's change is heard of within a quarter of a second, an exception ends on its
microsecond: its time is compared with the clock that is given, not with when somebody cleaned up.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from bartizan.inventory.exceptions import Exceptions as Kept
from bartizan.inventory.exceptions import UseException, Who
from bartizan.inventory.system import Standing, Status
from bartizan.readers.logs.usage import AccountKind
from bartizan.store.state import State as Store
from bartizan.vault import Vault

FRESH_S = 0.25  # How old the answer may be. Asking the file each time would cost some 10 µs a request.


@dataclass(frozen=True, slots=True)
class _Known:
    """The register as doors need it, read at once."""

    systems: Mapping[str, Standing]
    exceptions: Mapping[str, tuple[UseException, ...]]  # by system, for everyone first


class Statuses:
    """What was decided about each system. Every method may be called from any thread."""

    def __init__(self, store: Store, vault: Vault, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._store, self._vault, self._monotonic = store, vault, monotonic
        self._lock = threading.Lock()
        self._known = _Known({}, {})
        self._version, self._checked_s = -1, float("-inf")

    def statuses(self, now_us: int) -> Mapping[str, Status]:
        """The status of every service and system of one's own, undecided ones too, by id.

        One that everybody may use by an exception in force is a tolerated one. Candidates and look-alikes are not in
        it: nothing may be restricted because a host merely looks like AI. Raises StoreError.
        """
        known = self._fresh(now_us)
        return {id_: self._standing(known, one, "", frozenset(), now_us).status for id_, one in known.systems.items()}

    def standings(self, now_us: int) -> Mapping[str, Standing]:
        """The same, with names and alternatives: what exports are made of."""
        known = self._fresh(now_us)
        return {id_: self._standing(known, one, "", frozenset(), now_us) for id_, one in known.systems.items()}

    def status_for(self, system: str, person: str, groups: Iterable[str], now_us: int) -> Standing:
        """What holds for one person: the status with their exceptions, what else may be used.

        A system that the register does not have is undecided.

        Args:
            person: A name or a pseudonym, "" for nobody in particular.

        Raises:
            StoreError: The register cannot be read.
        """
        known = self._fresh(now_us)
        found = known.systems.get(system)
        if found is None:
            return Standing(system)
        if not found.decided.closed or system not in known.exceptions:
            return found
        return self._standing(known, found, person, frozenset(groups), now_us)

    def _standing(self, known: _Known, found: Standing, person: str, groups: frozenset[str], now_us: int) -> Standing:
        exceptions = known.exceptions.get(found.system, ())
        if not found.decided.closed or not exceptions:
            return found
        named = any(one.who_kind is Who.PERSON for one in exceptions) and person
        who = (person if person.startswith("p-") else self._vault.pseudonym(person)) if named else ""
        for one in exceptions:
            if one.holds(now_us) and one.covers(who, groups):
                return Standing(
                    found.system,
                    found.name,
                    Status.TOLERATED,
                    found.decided,
                    found.alternative,
                    found.alternative_name,
                    one.id,
                    found.account,
                )
        return found

    def _fresh(self, now_us: int) -> _Known:
        with self._lock:
            if self._monotonic() - self._checked_s >= FRESH_S:
                version = self._store.version()
                if version != self._version:
                    self._known = self._read(now_us)
                self._version, self._checked_s = version, self._monotonic()
            return self._known

    def _read(self, now_us: int) -> _Known:
        rows = self._store.query(
            "SELECT s.id, s.name, s.status, s.alternative, coalesce(a.name, s.alternative), s.account FROM system s "
            "LEFT JOIN system a ON a.id = s.alternative WHERE s.kind IN ('service', 'own')"
        )
        systems = {
            id_: Standing(id_, name or id_, Status(status), Status(status), other, other_name, "", AccountKind(account))
            for id_, name, status, other, other_name, account in rows
        }
        exceptions: dict[str, tuple[UseException, ...]] = {}
        for one in Kept(self._store, self._vault, lambda _: None).in_force(now_us):
            exceptions[one.system] = (*exceptions.get(one.system, ()), one)
        return _Known(systems, exceptions)
