"""What a source tells goes into the register: once, however often the source is read.

A log is read again when it has grown, when it was rotated, compressed or copied, and by mistake. So a source is known
by what it begins with, not by its name: a keyed digest of its first 16 KiB (decompressed). Reading it again replaces
what it told before by what it tells now, number by number, whichever is larger; nothing is added twice. A log that
had less than that at its first reading is known again by what it had.

A source that only grows and is followed (`watch`, a log of the ledger) is fed in steps instead: each says where it
begins and ends, a step that does not begin where the last one ended is refused, and numbers are added.

Two files that tell of the same lines and begin differently (two exports whose periods overlap) are two sources. Nobody
can see that in numbers, so `Fed.overlapping` says with how many others of the same format and origin the time overlaps.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice

from bartizan.core.errors import UsageError
from bartizan.inventory.register import MAX_SYSTEMS, Named, Register, insert
from bartizan.readers.logs.usage import Sort, Usage
from bartizan.readers.logs.visit import DAY_US
from bartizan.store.connection import Values
from bartizan.store.state import State, Transaction

HEAD_BYTES = 16 * 1024  # What a log is known by: more than any header, so that two logs of one hour differ in it.
ASKED_AT_ONCE = 100  # Systems in one record.
AT_ONCE = 5_000  # Rows a transaction: other processes wait for at most some tens of milliseconds.


class SourceKind(StrEnum):
    """Where something was seen."""

    LOGS = "logs"
    ENDPOINT = "endpoint"
    CODE = "code"
    LEDGER = "ledger"


@dataclass(frozen=True, slots=True)
class SourceRead:
    """One reading of one source.

    Args:
        kind: Where.
        format: Of a log: the format's id, as in "squid"; else "" or the name of what was looked through.
        head: The first HEAD_BYTES bytes, decompressed; of what is no log, a name that stays (a machine, a repository).
        origin: What an operator calls it ("proxy-1"), "" where nobody did. No name of a person or a file.
        first_us: The time of its first line that has one, 0 where none has. `last_us`: of the last one.
        lines: How many were read. `junk`: how many were none of the format.
        begin: Where this step begins, -1 where the source was read from its beginning. `end`: where it ends. Same unit.
    """

    kind: SourceKind
    format: str
    head: bytes
    origin: str = ""
    first_us: int = 0
    last_us: int = 0
    lines: int = 0
    junk: int = 0
    begin: int = -1
    end: int = 0


@dataclass(frozen=True, slots=True)
class Fed:
    """What became of a reading.

    Args:
        source: The id of the source.
        known: It was read before.
        rows: How many numbers were kept or made larger.
        new: Ids of systems that the register did not have.
        waiting: Ids of those that wait for a decision since this reading.
        left_out: Hosts that look like AI and were not kept, because the register is full.
        changed: What it told that was not known: (system, pseudonym, day).
        overlapping: Other sources of this format and origin whose time overlaps: they may tell of the same lines.
        lasting: It is known by what tells it from others; not so a log that is short and told nothing so far.
    """

    source: str
    known: bool
    rows: int
    new: tuple[str, ...] = ()
    waiting: tuple[str, ...] = ()
    left_out: int = 0
    changed: frozenset[tuple[str, str, int]] = frozenset()
    overlapping: int = 0
    lasting: bool = True


def feed(register: Register, usages: Iterable[Usage], source: SourceRead, now_us: int) -> Fed:
    """Keep what a source tells. Actors become pseudonyms; an address is a person's as much as a name is.

    One usage per actor, system, day, evidence and account; `usages` may hold a key several times, which is added up.

    Raises:
        UsageError: A step does not begin where the last one ended.
        StoreError: It cannot be kept.
    """
    return _Feeding(register, source, now_us).feed(usages)


_Key = tuple[str, str, int, int, str]


class _Feeding:
    def __init__(self, register: Register, source: SourceRead, now_us: int) -> None:
        self._register, self._source, self._now_us = register, source, now_us
        self._store, self._vault = register.store, register.vault

    def feed(self, usages: Iterable[Usage]) -> Fed:
        rows: dict[_Key, list[int]] = {}
        systems: dict[str, tuple[Sort, Named, int, int]] = {}
        for some in _some(usages):
            people = self._people(some)
            for usage in some:
                self._counted(rows, usage, people[usage.actor])
                self._named(systems, usage)
        first_us = self._source.first_us or min(filter(None, (row[3] for row in rows.values())), default=0)
        last_us = max([self._source.last_us, *(row[4] for row in rows.values())])
        new, left_out = self._systems(systems)
        kept = {key: row for key, row in rows.items() if key[0] not in left_out}
        id_, size, known = self._identity(nothing=not kept)
        fresh = self._fresh(id_, kept) if known else kept
        self._rows(id_, size, fresh, first_us, last_us)
        waiting = self._ask(systems.keys() - left_out)
        overlapping = self._store.query(
            "SELECT count(*) FROM usage_source WHERE kind = ? AND format = ? AND origin = ? AND id != ? "
            "AND first_us > 0 AND first_us <= ? AND last_us >= ?",
            (self._source.kind.value, self._source.format, self._source.origin, id_, last_us, first_us),
        )
        return Fed(
            id_,
            known,
            len(fresh),
            tuple(new),
            tuple(waiting),
            len(left_out),
            frozenset((system, person, day) for system, person, day, *_ in fresh),
            overlapping[0][0] if first_us else 0,
            size > 0 or self._source.kind is not SourceKind.LOGS,
        )

    def _people(self, usages: list[Usage]) -> dict[str, str]:
        """The pseudonyms of actors. The ledger has nothing else; in a log such a word is a name like any other."""
        actors = {usage.actor for usage in usages}
        if self._source.kind is SourceKind.LEDGER:
            return {actor: actor for actor in actors}
        names = {actor: _name(actor) for actor in actors}
        known = self._vault.pseudonyms(names.values())
        return {actor: known[name] for actor, name in names.items()}

    def _counted(self, rows: dict[_Key, list[int]], usage: Usage, person: str) -> None:
        key = (usage.system, person, usage.day, int(usage.evidence), usage.account.value)
        row = rows.setdefault(key, [0, 0, 0, usage.first_us, usage.last_us])
        row[0] += usage.count
        row[1] += usage.bytes_up
        row[2] = max(row[2], usage.hosts)
        if usage.first_us and (usage.first_us < row[3] or not row[3]):
            row[3] = usage.first_us
        row[4] = max(row[4], usage.last_us)

    def _named(self, systems: dict[str, tuple[Sort, Named, int, int]], usage: Usage) -> None:
        first_us = usage.first_us or usage.day * DAY_US
        last_us = usage.last_us or usage.day * DAY_US
        known = systems.get(usage.system)
        if known is not None:
            systems[usage.system] = (*known[:2], min(known[2], first_us), max(known[3], last_us))
            return
        reached = usage.reached
        named = self._register.catalogue(usage.system) if reached.sort is Sort.SERVICE else None
        if reached.sort is Sort.LOOK_ALIKE:
            named = Named(f"imitates {reached.lookalike_of}" if reached.lookalike_of else "")
        systems[usage.system] = (reached.sort, named or Named(reached.name), first_us, last_us)

    def _systems(self, found: dict[str, tuple[Sort, Named, int, int]]) -> tuple[list[str], frozenset[str]]:
        """Adds what is new. Hosts that only look like AI are kept while there is room; services always are."""
        new: list[str] = []
        left_out: set[str] = set()
        with self._store.transaction() as tx:
            known = {id_ for (id_,) in tx.query("SELECT id FROM system")}
            room = MAX_SYSTEMS - len(known)
            for id_, (sort, named, first_us, last_us) in sorted(found.items()):
                if id_ not in known:
                    if sort is not Sort.SERVICE and len(new) >= room:
                        left_out.add(id_)
                        continue
                    insert(tx, id_, sort, named, self._now_us)
                    new.append(id_)
                tx.change(
                    "UPDATE system SET first_us = CASE first_us WHEN 0 THEN ?1 ELSE min(first_us, ?1) END, "
                    "last_us = max(last_us, ?2) WHERE id = ?3",
                    (first_us, last_us, id_),
                )
        return new, frozenset(left_out)

    def _fresh(self, id_: str, rows: dict[_Key, list[int]]) -> dict[_Key, list[int]]:
        """What this source did not tell before, or tells more of now. A step is new by itself."""
        if self._source.begin >= 0:
            return rows
        query = "SELECT system, person, day, evidence, account, count, bytes_up, hosts FROM usage_ WHERE source = ?"
        told = {tuple(row[:5]): row[5:] for row in self._store.query(query, (id_,))}
        return {
            key: row
            for key, row in rows.items()
            if key not in told or any(now > before for now, before in zip(row, told[key], strict=False))
        }

    def _rows(self, id_: str, size: int, rows: dict[_Key, list[int]], first_us: int, last_us: int) -> None:
        """Keeps the numbers and how far they were read, a step in one transaction with its end."""
        step = self._source.begin >= 0
        merged = "count = count + excluded.count, bytes_up = bytes_up + excluded.bytes_up"
        if not step:
            merged = "count = max(count, excluded.count), bytes_up = max(bytes_up, excluded.bytes_up)"
        sql = (
            "INSERT INTO usage_ VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) "  # noqa: S608  Our own words.
            f"ON CONFLICT DO UPDATE SET {merged}, hosts = max(hosts, excluded.hosts), "
            "first_us = CASE WHEN first_us = 0 THEN excluded.first_us WHEN excluded.first_us = 0 THEN first_us "
            "ELSE min(first_us, excluded.first_us) END, last_us = max(last_us, excluded.last_us)"
        )
        told_by = f"{self._source.kind} {self._source.format}".strip()
        lines: list[Values] = [(*key[:3], told_by, id_, *key[3:], *row) for key, row in sorted(rows.items())]
        together = max(1, len(lines)) if step else AT_ONCE
        for at in range(0, max(1, len(lines)), together):
            with self._store.transaction() as tx:
                if at == 0:
                    self._read(tx, id_, size, first_us, last_us)
                tx.change_many(sql, lines[at : at + together])

    def _identity(self, nothing: bool) -> tuple[str, int, bool]:
        """The id of this source, by how many bytes of its head it is known, and whether it was read before."""
        head = self._source.head[:HEAD_BYTES]
        sizes = [len(head)]
        if self._source.kind is SourceKind.LOGS:
            if nothing and len(head) < HEAD_BYTES and self._source.begin < 0:
                # So far perhaps only a header, as others have too: it can be known again, and nothing else as it.
                return self._digest(b"nothing yet " + head), 0, False
            shorter = self._store.query(
                "SELECT DISTINCT head_bytes FROM usage_source WHERE kind = 'logs' AND format = ? "
                "AND head_bytes BETWEEN 1 AND ? ORDER BY head_bytes DESC",
                (self._source.format, len(head)),
            )
            sizes = [int(size) for (size,) in shorter]
        for size in sizes:
            id_ = self._digest(head[:size])
            if self._store.query("SELECT 1 FROM usage_source WHERE id = ?", (id_,)):
                return id_, size, True
        return self._digest(head), len(head), False

    def _digest(self, head: bytes) -> str:
        return source_id(self._register, self._source.kind, self._source.format, head)

    def _read(self, tx: Transaction, id_: str, size: int, first_us: int, last_us: int) -> None:
        source = self._source
        if source.begin >= 0:
            found = tx.query("SELECT upto FROM usage_source WHERE id = ?", (id_,))
            upto = int(found[0][0]) if found else 0
            if upto != source.begin:
                raise UsageError(f"{source.kind} {source.format}: was read up to {upto}, not {source.begin}; try again")
        lines = "lines = lines + excluded.lines, junk = junk + excluded.junk"
        if source.begin < 0:
            lines = "lines = max(lines, excluded.lines), junk = max(junk, excluded.junk)"
        tx.change(
            "INSERT INTO usage_source VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 1, ?, ?) ON CONFLICT (id) DO UPDATE SET "  # noqa: S608
            "upto = max(upto, excluded.upto), origin = CASE excluded.origin WHEN '' THEN origin ELSE excluded.origin "
            "END, first_us = CASE WHEN first_us = 0 THEN excluded.first_us WHEN excluded.first_us = 0 THEN first_us "
            "ELSE min(first_us, excluded.first_us) END, last_us = max(last_us, excluded.last_us), "
            f"read_us = max(read_us, excluded.read_us), reads = reads + 1, {lines}",
            (
                id_,
                source.kind.value,
                source.format,
                source.origin,
                size,
                source.end,
                first_us,
                last_us,
                self._now_us,
                source.lines,
                source.junk,
            ),
        )

    def _ask(self, systems: Iterable[str]) -> list[str]:
        """One review a system that nobody decided on and that there is evidence of."""
        waiting = "id = ? AND status = '' AND waits_us IS NULL AND decided_us IS NULL"
        asked = [
            id_
            for id_ in sorted(systems)
            if self._store.query(f"SELECT 1 FROM system WHERE {waiting}", (id_,))  # noqa: S608  Our own words.
        ]
        for at in range(0, len(asked), ASKED_AT_ONCE):
            some = asked[at : at + ASKED_AT_ONCE]
            self._register.record({"event": "use-review-opened", "exchange": "", "systems": some})
            with self._store.transaction() as tx:
                update = f"UPDATE system SET waits_us = ? WHERE {waiting}"  # noqa: S608  Our own words.
                tx.change_many(update, [(self._now_us, id_) for id_ in some])
        return asked


def read_up_to(register: Register, kind: SourceKind, head: bytes, format_: str = "") -> int:
    """Where the last step of a source that grows has ended; 0 where there was none."""
    return end_of(register, source_id(register, kind, format_, head))


def end_of(register: Register, id_: str) -> int:
    """Where the last reading of a source has ended, by its id; 0 where there was none."""
    rows = register.store.query("SELECT upto FROM usage_source WHERE id = ?", (id_,))
    return int(rows[0][0]) if rows else 0


def source_id(register: Register, kind: SourceKind, format_: str, head: bytes) -> str:
    """A keyed digest of what a source is known by."""
    named = f"usage source {kind} {format_} "
    return "s-" + register.vault.digest(named + head.decode("latin-1"))[:32]


def data_seen(register: Register, found: dict[str, set[str]]) -> None:
    """Add the risks that were found in what went to systems, by their ids."""
    with register.store.transaction() as tx:
        for id_, risks in sorted(found.items()):
            rows = tx.query("SELECT data_seen FROM system WHERE id = ?", (id_,))
            if rows:
                known = set(json.loads(rows[0][0]))
                if risks - known:
                    both = json.dumps(sorted(known | risks)[:200])
                    tx.change("UPDATE system SET data_seen = ? WHERE id = ?", (both, id_))


def _some(usages: Iterable[Usage]) -> Iterator[list[Usage]]:
    given = iter(usages)
    while some := list(islice(given, AT_ONCE)):
        yield some


def _name(actor: str) -> str:
    """A name, without the halves of characters that a log may hold."""
    return actor.encode("utf-8", "backslashreplace").decode()


def drop_before(state: State, day: int) -> int:
    """Deletes what sources told of days (since 1970) before this one; how many rows. Systems and sources stay."""
    if not state.query("SELECT 1 FROM usage_ WHERE day < ? LIMIT 1", (day,)):
        return 0
    with state.transaction() as tx:
        gone = tx.change("DELETE FROM usage_ WHERE day < ?", (day,))
    state.scrub()
    return gone
