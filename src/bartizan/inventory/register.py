"""The register: every AI system in use, what is known of it, what was decided, and since when a decision is waited for.

Rows come from sources (`feeding.feed`), from people (`add`, `set`, `decide`, a file), and stay: a system that nobody
uses any more is part of the record. People are pseudonyms of the vault. A decision is recorded in the ledger before it
holds; what people type as a reason or a note is sealed.

    Register.systems(), .system(id), .waits(now)      what there is, and what waits for somebody
    Register.decide(id, status, by, why, now, …)      approve, tolerate, restrict, block
    Register.set(id, changes, by, now), .add(…)       what people know: owner, purpose, legal basis …
    Register.history(id), .why(decided), .notes(id)   how it came to that
    seen.people(store, …), seen.days(store, …)        who, how much, when
    feeding.feed(register, usages, source, now)       what a source tells
    exceptions.Exceptions                             who may use it nevertheless, until when
    statuses.Statuses                                 what holds for whom, fast: for gateways and the forward door
    coverage.coverage(store, now)                     which sources told, and which are silent
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from bartizan.core.errors import UsageError
from bartizan.inventory import fields
from bartizan.inventory.seen import seen
from bartizan.inventory.system import Decided, Seen, Status, System, Tier
from bartizan.readers.logs.usage import AccountKind, Sort
from bartizan.readers.logs.visit import DAY_US
from bartizan.store.connection import Row, Values
from bartizan.store.state import State as Store
from bartizan.store.state import Transaction
from bartizan.vault import Vault
from bartizan.vault.people import whose

Event = Mapping[str, object]
COLUMNS = (
    "id, kind, name, vendor, category, status, alternative, owner, purpose, data_classes, data_seen, account, "
    "risk_tier, legal_basis, oversight, retention, instructions, review_day, first_us, last_us, created_us, "
    "changed_us, waits_us, decided_us, decided_by"
)
MAX_SYSTEMS = 20_000  # Rows of the register; of hosts that look like AI, what comes beyond is not kept, and said.


@dataclass(frozen=True, slots=True)
class Named:
    """What the catalogue says of a service."""

    name: str
    vendor: str = ""
    category: str = ""


class Register:
    """The AI systems of one home. Every method may be called from any thread.

    Args:
        record: Appends an event to the ledger and returns once it is durable; raises StoreError.
        catalogue: What is known of a service by its id; None for what the catalogue does not have.
    """

    def __init__(
        self,
        store: Store,
        vault: Vault,
        record: Callable[[Event], None],
        catalogue: Callable[[str], Named | None] = lambda _: None,
    ) -> None:
        self.store, self.vault = store, vault
        self.record, self.catalogue = record, catalogue

    # ---- What there is ----------------------------------------------------------------------------------------------

    def systems(
        self,
        *,
        since_day: int = 0,
        status: Status | None = None,
        sorts: Iterable[Sort] = (),
        told: Mapping[str, Seen] | None = None,
    ) -> list[System]:
        """All systems, the one most people use first; those that nobody uses last, by their ids.

        Args:
            since_day: What sources tell counts from this day on (days since 1970).
            sorts: Only these; none: all.
            told: What sources tell, where somebody counted it before.
        """
        wanted = frozenset(sorts)
        told = seen(self.store, since_day) if told is None else told
        found = [
            _system(row, told.get(row[0], Seen()))
            for row in self.store.query(f"SELECT {COLUMNS} FROM system ORDER BY id")  # noqa: S608  Our own names.
        ]
        if status is not None:
            found = [one for one in found if one.status is status]
        if wanted:
            found = [one for one in found if one.sort in wanted]
        return sorted(found, key=lambda one: (-one.seen.people, -one.seen.count, one.id))

    def system(self, id_: str, *, since_day: int = 0, told: Mapping[str, Seen] | None = None) -> System:
        """One of them; `told` as in `systems`. Raises UsageError."""
        found = self._row(id_)
        if found is None:
            raise UsageError(
                f'there is no system "{id_[:120]}" in the register\n  `bartizan usage register list` shows all; '
                "`set` adds one."
            )
        told = seen(self.store, since_day, id_) if told is None else told
        return _system(found, told.get(id_, Seen()))

    def waits(self, now_us: int, limit: int = 1000, told: Mapping[str, Seen] | None = None) -> list[System]:
        """What waits for a decision, longest first: undecided with evidence, or its day of review has come.

        Hosts that merely look like AI come behind the services. `told`: what sources tell, where it is counted.
        """
        rows = self.store.query(
            f"SELECT {COLUMNS} FROM system WHERE waits_us IS NOT NULL OR review_day <= ? "  # noqa: S608
            "ORDER BY kind IN ('candidate', 'look-alike'), coalesce(waits_us, review_day * 86400000000), id LIMIT ?",
            (now_us // DAY_US, limit),
        )
        told = seen(self.store) if told is None else told
        return [_system(row, told.get(row[0], Seen())) for row in rows]

    def waiting(self, now_us: int, sorts: Iterable[Sort] = tuple(Sort)) -> int:
        """How many wait for a decision."""
        query = "SELECT kind, count(*) FROM system WHERE waits_us IS NOT NULL OR review_day <= ? GROUP BY kind"
        counts: dict[str, int] = dict(self.store.query(query, (now_us // DAY_US,)))
        return sum(counts.get(sort.value, 0) for sort in sorts)

    def history(self, id_: str) -> list[Decided]:
        """Every decision about a system, newest first."""
        rows = self.store.query(
            'SELECT id, system, status, alternative, review_day, "by", at_us FROM use_decision WHERE system = ? '
            "ORDER BY id DESC",
            (id_,),
        )
        return [Decided(number, system, Status(status), *rest) for number, system, status, *rest in rows]

    def why(self, decided: Decided) -> str:
        """The reason of a decision; "" where none was given."""
        rows = self.store.query("SELECT sealed_why FROM use_decision WHERE id = ?", (decided.number,))
        return fields.opened(self.vault, f"why {decided.system}", rows[0][0] if rows else None)

    def notes(self, id_: str) -> str:
        """What people wrote down about a system; "" where nobody did."""
        rows = self.store.query("SELECT sealed_notes FROM system WHERE id = ?", (id_,))
        return fields.opened(self.vault, f"notes {id_}", rows[0][0] if rows else None)

    # ---- What people say ---------------------------------------------------------------------------------------------

    def decide(
        self,
        id_: str,
        status: Status,
        by: str,
        now_us: int,
        *,
        why: str = "",
        alternative: str | None = None,
        changes: Mapping[str, str] | None = None,
    ) -> System:
        """Say what may be done with a system, and record it in the ledger; the review that waits ends.

        Args:
            by: A name or a pseudonym.
            why: Sealed. Restricting and blocking take one: those who may not use it are told there is a reason.
            alternative: The id of what may be used instead; None: as it was.
            changes: Fields to set along with it (`owner`, `purpose`, `review_day`, …), as people write them.

        Raises:
            UsageError: No such system, one that cannot be decided on so, a field that is wrong, no reason.
            StoreError: It cannot be recorded: then nothing changes.
        """
        who = self._who(by)
        system = self._decidable(id_, status)
        if status.closed and not why.strip():
            raise UsageError(f"{id_}: say why it is {status.word}")
        other = system.alternative if alternative is None else self._alternative(id_, alternative)
        new = fields.changes(changes or {})
        # A day of review that has come is over with the decision; the next one has to be said.
        passed = "review_day" not in new and system.due(now_us)
        review_day = None if passed else new.get("review_day", system.review_day)
        sealed = fields.sealed(self.vault, f"why {id_}", fields.reason(why)) if why.strip() else None
        self.record(
            _event("use-decided", id_, who)
            | {"status": status.word, "was": system.status.word, "alternative": other, "fields": sorted(new)}
        )
        with self.store.transaction() as tx:
            self._put(tx, id_, {**new, "review_day": review_day}, now_us)
            tx.change(
                "UPDATE system SET status = ?, alternative = ?, waits_us = NULL, decided_us = ?, decided_by = ? "
                "WHERE id = ?",
                (status.value, other, now_us, who, id_),
            )
            assert review_day is None or isinstance(review_day, int)
            tx.change(
                'INSERT INTO use_decision (system, status, alternative, review_day, "by", at_us, sealed_why) '
                "VALUES (?, ?, ?, ?, ?, ?, ?)",
                (id_, status.value, other, review_day, who, now_us, sealed),
            )
        return self.system(id_)

    def set(self, id_: str, changes: Mapping[str, str], by: str, now_us: int, *, notes: str | None = None) -> System:
        """Write down what is known of a system. An id that is new is added: of the catalogue, or one's own.

        Raises UsageError with everything that is wrong, StoreError.
        """
        who = self._who(by)
        new = fields.changes(changes)
        if notes is not None and len(notes) > fields.MAX_TEXT:
            raise UsageError(f"notes are at most {fields.MAX_TEXT} characters")
        sealed = fields.sealed(self.vault, f"notes {id_}", notes) if notes else None
        if self._row(id_) is None:
            self.add(id_, by, now_us)
        self.record(
            _event("use-changed", id_, who) | {"fields": sorted([*new, *(["notes"] if notes is not None else [])])}
        )
        with self.store.transaction() as tx:
            self._put(tx, id_, new, now_us)
            if notes is not None:
                tx.change("UPDATE system SET sealed_notes = ? WHERE id = ?", (sealed, id_))
        return self.system(id_)

    def add(self, id_: str, by: str, now_us: int) -> System:
        """A system that no source told of: a service of the catalogue, or one's own. Raises UsageError."""
        if not fields.ID.fullmatch(id_):
            raise UsageError(f'"{id_[:120]}": an id has lower-case letters and digits, with - . or _ in between')
        named = self.catalogue(id_)
        self.record(_event("use-added", id_, self._who(by)))
        with self.store.transaction() as tx:
            insert(tx, id_, Sort.SERVICE if named else Sort.OWN, named or Named(id_), now_us)
        return self.system(id_)

    # ---- Inside -----------------------------------------------------------------------------------------------------

    def _row(self, id_: str) -> Row | None:
        rows = self.store.query(f"SELECT {COLUMNS} FROM system WHERE id = ?", (id_,))  # noqa: S608  Our own names.
        return rows[0] if rows else None

    def _who(self, by: str) -> str:
        if not by.strip():
            raise UsageError("say who you are: it is kept with what you do")
        return whose(self.vault, by)

    def _decidable(self, id_: str, status: Status) -> System:
        system = self.system(id_)
        if system.sort in (Sort.CANDIDATE, Sort.LOOK_ALIKE) and status is not Status.UNDECIDED and status.closed:
            raise UsageError(
                f"{id_}: is a {system.sort.value}, and no service that is known: it cannot be {status.word}\n"
                "  Give it a name in the catalogue's overlay first, then decide on that."
            )
        return system

    def _alternative(self, id_: str, other: str) -> str:
        other = other.strip()
        if other == id_:
            raise UsageError(f"{id_}: is no alternative to itself")
        if other and self._row(other) is None and self.catalogue(other) is None:
            raise UsageError(f'"{other[:120]}": an alternative is a system of the register or the catalogue')
        return other

    def _put(self, tx: Transaction, id_: str, new: Mapping[str, str | int | None], now_us: int) -> None:
        columns = [*new, "changed_us"]
        assert fields.FIELDS.keys() >= new.keys(), "only names of our own become part of a statement"
        values: Values = (*new.values(), now_us, id_)
        names = ", ".join(f"{name} = ?" for name in columns)
        tx.change(f"UPDATE system SET {names} WHERE id = ?", values)  # noqa: S608


def insert(tx: Transaction, id_: str, sort: Sort, named: Named, now_us: int, *, waits_us: int | None = None) -> int:
    """A row that is not there yet; 1, or 0 where it is."""
    return tx.change(
        "INSERT INTO system (id, kind, name, vendor, category, status, alternative, owner, purpose, data_classes, "
        "data_seen, account, risk_tier, legal_basis, oversight, retention, instructions, first_us, last_us, "
        "created_us, changed_us, waits_us, decided_by) VALUES (?, ?, ?, ?, ?, '', '', '', '', '', '[]', '', '', '', "
        "'', '', '', 0, 0, ?, ?, ?, '') ON CONFLICT (id) DO NOTHING",
        (id_, sort.value, named.name, named.vendor, named.category, now_us, now_us, waits_us),
    )


def _system(row: Row, told: Seen) -> System:
    (id_, sort, name, vendor, category, status, alternative, owner, purpose, classes, found, account, tier, *rest) = row
    legal_basis, oversight, retention, instructions, review_day, *times, decided_by = rest
    return System(
        id=id_,
        sort=Sort(sort),
        name=name,
        vendor=vendor,
        category=category,
        status=Status(status),
        alternative=alternative,
        owner=owner,
        purpose=purpose,
        data_classes=tuple(filter(None, classes.split(", "))),
        data_seen=tuple(json.loads(found)),
        account=AccountKind(account),
        risk_tier=Tier(tier),
        legal_basis=legal_basis,
        oversight=oversight,
        retention=retention,
        instructions=instructions,
        review_day=review_day,
        first_us=times[0],
        last_us=times[1],
        created_us=times[2],
        changed_us=times[3],
        waits_us=times[4],
        decided_us=times[5],
        decided_by=decided_by,
        seen=told,
    )


def _event(what: str, system: str, by: str) -> dict[str, object]:
    return {"event": what, "exchange": "", "system": system, "by": by}
