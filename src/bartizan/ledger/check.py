"""One log, record by record, against its tiles, its checkpoints and the ones kept outside."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Sequence
from hashlib import sha256

from bartizan.core.errors import InputError, StoreError
from bartizan.ledger.checkpoint import Note, read_note
from bartizan.ledger.faults import Fault, Report
from bartizan.ledger.read import Record, parse
from bartizan.ledger.tree import SIZE, WIDTH, Tree, leaf_hash, tile_root
from bartizan.store.logfile import LogFile, RecordRow

MAX_FAULTS = 100  # per log; more of the same help nobody
MAX_UNREADABLE = 10_000
REFUSED = frozenset({"justify", "review", "block"})  # Requests with these go nowhere, and no answer comes.


class Check:
    """Looks at one log and puts what it finds into the report."""

    def __init__(
        self,
        file: LogFile,
        report: Report,
        publics: Sequence[bytes],
        kept: Sequence[Note],
        named: Sequence[Note],
        dropped: str,
        progress: Callable[[int], None] | None,
    ) -> None:
        self._file, self._report, self._publics, self._progress = file, report, publics, progress
        self._kept = sorted(kept, key=lambda note: note.checkpoint.size)
        self._named, self._dropped = named, dropped
        self._tree = Tree()
        self._open: set[str] = set()  # exchanges that have no answer yet
        self._bodies: set[tuple[str, int, str]] = set()
        self._faults: list[Fault] = []
        self._tile: tuple[int, bytes] = (-1, b"")

    def run(self, origin: str) -> None:
        report = self._report
        self._notes = self._own_notes(origin)
        self._due = sorted({*self._notes, *(note.checkpoint.size for note in [*self._kept, *self._named])})
        self._roots: dict[int, bytes] = {0: self._tree.root()}
        for seq, row in self._rows():
            self._one(seq, row)
            if self._progress and seq % 1024 == 0:
                self._progress(report.records + self._tree.size)
        self._missing_tail()
        self._compare_roots()
        self._compare_kept()
        self._compare_tiles()
        self._compare_bodies()
        self._check_file()
        report.logs += 1
        report.records += self._tree.size
        report.unfinished += len(self._open)
        report.outside += bool(self._kept)
        report.faults += sorted(self._faults, key=lambda fault: (fault.record is None, fault.record or 0))[:MAX_FAULTS]

    def _fault(self, what: str, record: int | None = None) -> None:
        self._faults.append(Fault(self._file.name, record, what))

    # ---- Records ----------------------------------------------------------------------------------------------------

    def _rows(self) -> Iterator[tuple[int, RecordRow | None]]:
        """Every number from 0 on with its row, or None where it cannot be read."""
        at, unreadable = 0, 0
        while True:
            try:
                for row in self._file.records(at):
                    for seq in range(at, row.seq):
                        self._fault("is missing", seq)
                        yield seq, None
                    at = row.seq + 1
                    yield row.seq, row
                return
            except StoreError as error:
                # A damaged page: name the record, take the next ones one by one until they can be read again.
                self._fault(f"cannot be read: {error}", at)
                yield at, None
                at += 1
                unreadable += 1
                if unreadable > MAX_UNREADABLE:
                    return

    def _one(self, seq: int, row: RecordRow | None) -> None:
        signed = self._signed_leaf(seq)
        leaf = leaf_hash(row.entry) if row else signed or bytes(SIZE)
        if row and signed and leaf != signed:
            self._fault("is not what was signed", seq)
            leaf = signed  # so that the roots after it still tell whether anything else was changed
        self._tree.append(leaf)
        if self._due and self._tree.size == self._due[0]:
            self._roots[self._due.pop(0)] = self._tree.root()
        if row:
            self._fields(seq, row)

    def _signed_leaf(self, seq: int) -> bytes:
        number = seq // WIDTH
        if self._tile[0] != number:
            self._tile = number, self._stored_tile(0, number)
        return self._tile[1][(seq % WIDTH) * SIZE : (seq % WIDTH + 1) * SIZE]

    def _stored_tile(self, level: int, number: int) -> bytes:
        try:
            return self._file.tile(level, number)
        except StoreError as error:
            self._fault(f"tile {level}/{number} cannot be read: {error}")
            return b""

    def _fields(self, seq: int, row: RecordRow) -> None:
        try:
            record = parse(row)
        except StoreError as error:
            self._fault(str(error), seq)
            return
        columns = row.seq, row.time_us, row.exchange, row.event, self._file.name
        told = [record.get(name) for name in ("seq", "time_us", "exchange", "event", "writer")]
        if list(columns) != told:
            self._fault("lies under a number, time, exchange, event or log that is not its own", seq)
        if record.get("side") == "request" and record.get("action") not in REFUSED:
            self._open.add(row.exchange)
        elif record.get("side") in ("request", "answer"):  # A request that is refused has no answer.
            self._open.discard(row.exchange)
        self._bodies_of(seq, record)

    def _bodies_of(self, seq: int, record: Record) -> None:
        for told in _listed(record):
            month, side = str(told.get("month")), str(told.get("side"))
            self._bodies.add((month, seq, side))
            try:
                sealed = self._file.body(month, seq, side)
            except StoreError as error:
                self._fault(f"the sealed body ({side}) cannot be read: {error}", seq)
                continue
            self._report.bodies += 1
            if sealed is None:
                if month < self._dropped:
                    self._report.erased += 1
                else:
                    self._fault(f"the sealed body ({side}) is missing, and no record says that its time was over", seq)
            elif sha256(sealed).hexdigest() != told.get("sealed"):
                self._fault(f"the sealed body ({side}) is not the one that was kept", seq)

    def _missing_tail(self) -> None:
        last = max([0, *self._notes])
        if self._tree.size < last:
            self._fault(f"ends at {self._tree.size} records, but {last} were signed")

    # ---- Checkpoints ------------------------------------------------------------------------------------------------

    def _own_notes(self, origin: str) -> dict[int, list[Note]]:
        """The log's own checkpoints by size, checked for themselves."""
        found: dict[int, list[Note]] = {}
        expected, before = 1, 0
        public = self._file.meta().get("public_key", "")
        try:
            known = base64.b64decode(public) in self._publics
        except ValueError:
            known = False
        if not known:
            self._fault("was signed with a key that is not one of yours")
        for number, size, text in self._checkpoints():
            self._report.checkpoints += 1
            while expected < number:
                self._fault(f"checkpoint {expected} is missing")
                expected += 1
            expected = number + 1
            try:
                note = read_note(text)
            except InputError as error:
                self._fault(f"checkpoint {number}: {error}")
                continue
            told = note.checkpoint
            if (told.number, told.size, told.origin) != (number, size, origin) or size < before:
                self._fault(f"checkpoint {number} is not the one of this place")
            elif not any(note.signed_by(public) for public in self._publics):
                self._fault(f"checkpoint {number}: the signature does not hold")
            else:
                before = size
                found.setdefault(size, []).append(note)
        return found

    def _checkpoints(self) -> Iterator[tuple[int, int, str]]:
        try:
            yield from self._file.checkpoints()
        except StoreError as error:
            self._fault(f"checkpoints cannot be read: {error}")

    def _compare_roots(self) -> None:
        before = 0
        for size in sorted(self._notes):
            for note in self._notes[size]:
                if size in self._roots and note.checkpoint.root != self._roots[size]:
                    number = note.checkpoint.number
                    self._fault(f"records {before} to {size - 1} do not add up to checkpoint {number}")
                    return  # every later one differs too
            before = size

    def _compare_kept(self) -> None:
        for note in self._kept:
            told = note.checkpoint
            if not any(note.signed_by(public) for public in self._publics):
                self._fault(f"the checkpoint {told.number} kept outside was signed with a key that is not one of yours")
            elif told.size > self._tree.size:
                self._fault(
                    f"ends at {self._tree.size} records, but checkpoint {told.number} kept outside has {told.size}"
                )
            elif self._roots[told.size] != told.root:
                self._fault(f"the first {told.size} records are not those of checkpoint {told.number} kept outside")
            elif not any(n.checkpoint == told for n in self._notes.get(told.size, ())):
                self._fault(f"checkpoint {told.number} kept outside is not among the log's own")
        for note in self._named:
            told = note.checkpoint
            if self._roots.get(told.size) != told.root or not any(note.signed_by(public) for public in self._publics):
                self._fault(f"the first {told.size} records are not those that the log after this one names")

    # ---- Tiles and bodies -------------------------------------------------------------------------------------------

    def _compare_tiles(self) -> None:
        """Upper tiles are the roots of lower ones; all up to the last checkpoint are there, and no others."""
        signed = max([0, *(size for size in self._notes if size <= self._tree.size)])
        wanted, level, count = {}, 0, signed
        while count:
            for number in range((count + WIDTH - 1) // WIDTH):
                wanted[level, number] = min(WIDTH, count - number * WIDTH) * SIZE
            level, count = level + 1, count >> 8
        below: dict[tuple[int, int], bytes] = {}
        try:
            for level, number, hashes in self._file.tiles():
                size = wanted.pop((level, number), None)
                full = len(hashes) == WIDTH * SIZE
                if size is None and not (full and (number + 1) * WIDTH ** (level + 1) <= self._tree.size):
                    self._fault(f"tile {level}/{number} should not be there")
                elif size is not None and len(hashes) != size and not full:
                    self._fault(f"tile {level}/{number} has {len(hashes) // SIZE} hashes, not {size // SIZE}")
                if full:
                    below[level, number] = tile_root(hashes)
                if level:
                    told = [hashes[at : at + SIZE] for at in range(0, len(hashes), SIZE)]
                    if told != [below.get((level - 1, number * WIDTH + n)) for n in range(len(told))]:
                        self._fault(f"tile {level}/{number} is not the roots of the tiles below")
        except StoreError as error:
            self._fault(f"tiles cannot be read: {error}")
            return
        for level, number in wanted:
            self._fault(f"tile {level}/{number} is missing")

    def _compare_bodies(self) -> None:
        try:
            for month, _ in self._file.months():
                for seq, side in self._file.bodies(month):
                    if (month, seq, side) not in self._bodies:
                        self._fault(f"a sealed body ({side}) that this record does not know", seq)
        except StoreError as error:
            self._fault(f"bodies cannot be read: {error}")

    def _check_file(self) -> None:
        """Indexes and pages: what is found by an index must be what is found by reading everything."""
        try:
            for problem in self._file.damage():
                self._fault(f"the file is damaged: {problem}")
        except StoreError as error:
            self._fault(f"the file is damaged: {error}")


def _listed(record: Record) -> list[dict[str, object]]:
    """The bodies a record names; a record that was changed may name anything, which is said elsewhere."""
    bodies = record.get("bodies", ())
    return [told for told in bodies if isinstance(told, dict)] if isinstance(bodies, list) else []
