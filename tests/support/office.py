"""A desk over real files, and what somebody wants to pass."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from bartizan.cases import Case, Desk, Granted, Wanted
from bartizan.core.decision import Action
from bartizan.core.errors import StoreError
from bartizan.core.subject import Context, Grant
from bartizan.store.state import State as Store
from bartizan.vault import Vault

NOW = 1_763_879_881_000_000
ASKED = Wanted(
    Action.JUSTIFY,
    "ada@example.org",
    "openai",
    {"no-secrets": "d1"},
    {"no-secrets": frozenset({"a" * 64})},
    ("secret.x",),
    ("Say why.",),
    "01J0",
    "gateway-0.1",
)
HELD = replace(ASKED, action=Action.REVIEW)


@dataclass
class Office:
    """A desk over real files, the ledger replaced by a list: it is below, and tested there."""

    store: Store
    vault: Vault
    events: list[Mapping[str, object]] = field(default_factory=list)
    fails: bool = False
    person_only: frozenset[str] = frozenset()
    reviewers: int = 1

    def __post_init__(self) -> None:
        self.desk = Desk(
            self.store,
            self.vault,
            self.record,
            person_only=lambda clause: clause in self.person_only,
            grant_days=lambda _: 30,
            approvals=lambda _: self.reviewers,
        )

    def record(self, event: Mapping[str, object]) -> None:
        if self.fails:
            raise StoreError("the disk is full")
        self.events.append(event)

    def open(self, wanted: Wanted = ASKED, now_us: int = NOW) -> Case:
        return self.desk.open(wanted, b"the text", now_us).case

    def grants(self, person: str = ASKED.person, now_us: int = NOW) -> frozenset[Grant]:
        return Granted(self.store, self.vault).history(Context(person=person, when_us=now_us)).grants
