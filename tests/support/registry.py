"""A register over real files, and what sources tell it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from bartizan.core.errors import StoreError
from bartizan.inventory.exceptions import Exceptions
from bartizan.inventory.feeding import Fed, SourceKind, SourceRead, feed
from bartizan.inventory.names import Names
from bartizan.inventory.register import Named, Register
from bartizan.inventory.statuses import Statuses
from bartizan.readers.logs.usage import AccountKind, Reached, Sort, Usage
from bartizan.readers.logs.visit import DAY_US, Evidence
from bartizan.store.state import State as Store
from bartizan.vault import Vault

DAY = 20_400
NOW = DAY * DAY_US + 9 * 3_600_000_000
SERVICES = {
    "some-chat": Named("Some Chat", "Some Vendor", "chat"),
    "other-chat": Named("Other Chat", "Other Vendor", "chat"),
}
HEAD = b"".join(b"%d 10.0.0.1 TCP_TUNNEL/200 CONNECT some-chat.example:443\n" % n for n in range(400))


def used(
    actor: str = "ada@example.org",
    system: str = "some-chat",
    day: int = DAY,
    evidence: Evidence = Evidence.CONNECTED,
    count: int = 1,
    bytes_up: int = 0,
    *,
    sort: Sort = Sort.SERVICE,
    tier: str = "A",
    account: AccountKind = AccountKind.UNKNOWN,
    lookalike_of: str = "",
) -> Usage:
    """A use of a system."""
    first_us = day * DAY_US + 8 * 3_600_000_000
    to = Reached(system, sort, "", tier, lookalike_of, 0.6 if sort is Sort.CANDIDATE else 0.0)
    return Usage(actor, to, day, evidence, count, bytes_up, 1, account, first_us, first_us + 60_000_000)


@dataclass
class Registry:
    """A register, the ledger replaced by a list: it is below, and tested there."""

    store: Store
    vault: Vault
    events: list[Mapping[str, object]] = field(default_factory=list)
    fails: bool = False
    officers: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.register = Register(self.store, self.vault, self.record, SERVICES.get)
        self.exceptions = Exceptions(self.store, self.vault, self.record)
        self.names = Names(self.store, self.vault, self.record, lambda who: who in self.officers)

    def record(self, event: Mapping[str, object]) -> None:
        if self.fails:
            raise StoreError("the disk is full")
        self.events.append(event)

    def statuses(self) -> Statuses:
        return Statuses(self.store, self.vault)

    def feed(
        self, *usages: Usage, head: bytes = HEAD, format_: str = "squid", now_us: int = NOW, origin: str = ""
    ) -> Fed:
        return feed(self.register, usages, SourceRead(SourceKind.LOGS, format_, head, origin), now_us)

    def who(self, name: str) -> str:
        return self.vault.pseudonym(name)

    def told(self) -> list[str]:
        return [str(event["event"]) for event in self.events]
