"""One log while its writer holds it: file, lock, tree, and the checkpoints it signs."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from bartizan.core.errors import StoreBroken, StoreError
from bartizan.ledger.canonical import canonical
from bartizan.ledger.checkpoint import Checkpoint, Signer, read_note
from bartizan.ledger.tree import SIZE, Head, Tree, leaf_hash
from bartizan.store.connection import SQLITE, FileLayer
from bartizan.store.lock import FileLock
from bartizan.store.logfile import BodyRow, LogFile, RecordRow, path_of, remove
from bartizan.vault import Vault
from bartizan.vault.vault import period

if TYPE_CHECKING:
    from collections.abc import Callable

SCHEMA = "bartizan.record/1"
Bodies = Sequence[tuple[str, bytes]]  # (side, text)
UNKEPT = "disk-full"
COMMIT_BYTES = 16 * 1024  # What a commit of one small record puts into the WAL: four pages, measured.


@dataclass(frozen=True, slots=True)
class Batch:
    """Records and sealed bodies as they will lie in the file."""

    records: list[RecordRow]
    bodies: list[BodyRow]
    size_bytes: int


class Log:
    """Appends batches, each one whole or not at all. Only the writer's thread comes here."""

    def __init__(self, file: LogFile, lock: FileLock, signer: Signer, vault: Vault, now_us: Callable[[], int]) -> None:
        self.file = file
        self.name = file.name
        self.origin = file.meta().get("origin", "")
        self._lock, self._signer, self._vault, self._now_us = lock, signer, vault, now_us
        self._tree = Tree()
        self._head = Head()  # of the tree that is on the disk
        self._latest_us = 0
        self._number = 0  # of the last checkpoint
        self.signed = 0  # its size
        self.moved_bytes = 0  # written since the WAL was last moved into the file

    @property
    def size(self) -> int:
        """How many records are durable."""
        return self._head.size

    @classmethod
    def create(
        cls,
        home: Path,
        writer: str,
        number: int,
        *,
        signer: Signer,
        vault: Vault,
        now_us: Callable[[], int],
        factory: FileLayer = SQLITE,
    ) -> Log:
        """Begin a log. Raises StoreBusy if somebody else has this one."""
        path = path_of(home, writer, number)
        name = f"{writer}.{number}"
        lock = FileLock(path.with_suffix(".lock"))
        try:
            meta = {
                "origin": signer.origin(name),
                "public_key": base64.b64encode(signer.public).decode(),
                "created_us": str(now_us()),
            }
            return cls(LogFile.create(path, meta, factory), lock, signer, vault, now_us)
        except BaseException:
            remove(path)  # it holds no record yet; the next try may have the number
            lock.release()
            raise

    @classmethod
    def resume(
        cls,
        path: Path,
        *,
        signer: Signer,
        vault: Vault,
        now_us: Callable[[], int],
        factory: FileLayer = SQLITE,
    ) -> Log:
        """Go on with a log. Raises StoreBusy if somebody has it, StoreBroken if it is not what was signed."""
        lock = FileLock(path.with_suffix(".lock"))
        try:
            file = LogFile.open(path, factory)
            try:
                log = cls(file, lock, signer, vault, now_us)
                log._catch_up()
            except BaseException:
                file.close()
                raise
        except BaseException:
            lock.release()
            raise
        return log

    def _catch_up(self) -> None:
        """The tree as it was: from the tiles of the last checkpoint, and the records after it."""
        if self.file.meta().get("public_key") != base64.b64encode(self._signer.public).decode():
            raise StoreBroken(f"{self.name}: was signed with another key than {self._signer.origin('')}")
        last = self.file.last_checkpoint()
        edge: list[bytes] = []
        if last:
            self._number, self.signed, text = last
            edge = _edge(self.file, self.signed)
            self._tree = Tree.resume(edge)
            checkpoint = read_note(text).checkpoint
            if (checkpoint.size, checkpoint.root) != (self.signed, self._tree.root()):
                raise StoreBroken(f"{self.name}: the tiles are not those of checkpoint {self._number}")
        first = self.signed & ~255
        for seq, row in enumerate(self.file.records(first), first):
            leaf = leaf_hash(row.entry)
            if row.seq != seq:
                raise StoreBroken(f"{self.name}: record {seq} is missing")
            if seq >= self.signed:
                self._tree.append(leaf)
            elif leaf != edge[0][(seq - first) * SIZE : (seq - first + 1) * SIZE]:
                raise StoreBroken(f"{self.name}: record {seq} is not what was signed")
            self._latest_us = max(self._latest_us, row.time_us)
        if self._tree.size != self.file.size() or self._tree.size < self.signed:
            raise StoreBroken(f"{self.name}: records that checkpoint {self._number} signed are missing")
        self._head = self._tree.head()

    def prepared(self, entries: Sequence[tuple[Mapping[str, object], Bodies]], *, keep_bodies: bool = True) -> Batch:
        """Number, seal and write down. Changes nothing, so that it can be done again for another log.

        Raises TypeError for an entry that has no canonical form, and what the vault raises.
        """
        records: list[RecordRow] = []
        sealed: list[BodyRow] = []
        time_us = self._now_us()
        bytes_ = 0
        for seq, (entry, bodies) in enumerate(entries, self._tree.size):
            if "bodies" in entry:
                raise ValueError("`bodies` is the log's own field")
            own: dict[str, object] = {**entry, "seq": seq, "writer": self.name, "time_us": time_us, "schema": SCHEMA}
            if time_us < self._latest_us:  # the clock went back: the order is that of seq, and both times are told
                own["latest_us"] = self._latest_us
            if bodies:
                if keep_bodies:
                    own["bodies"] = self._sealed(seq, time_us, str(entry.get("person", "")), bodies, sealed)
                else:
                    own["unkept"] = UNKEPT
            raw = canonical(own)
            event = str(entry["event"]) if "event" in entry else None
            records.append(RecordRow(seq, time_us, str(entry.get("exchange", "")), event, raw))
            bytes_ += len(raw)
        return Batch(records, sealed, bytes_ + sum(len(body.sealed) for body in sealed))

    def _sealed(
        self, seq: int, time_us: int, pseudonym: str, bodies: Bodies, into: list[BodyRow]
    ) -> list[dict[str, str]]:
        told = []
        month = period(time_us)
        for side, text in bodies:
            sealed = self._vault.seal_as(pseudonym, time_us, text, aad(self.name, seq, side))
            into.append(BodyRow(month, seq, side, sealed.blob))
            told.append(
                {
                    "commitment": sealed.commitment,
                    "month": month,
                    "sealed": sha256(sealed.blob).hexdigest(),
                    "side": side,
                }
            )
        return told

    def write(self, batch: Batch, *, sign: bool, drop_before: str = "") -> str | None:
        """Append and flush; with `sign`, a checkpoint of all records so far in the same flush. Returns its note.

        `drop_before` (YYYY-MM) drops the bodies of the months before in the same flush.

        After an error nothing of the batch counts: `resume` or begin another log.
        """
        if not self._lock.held():
            raise StoreError(f"{self._lock.path.name}: the lock was taken away")
        for record in batch.records:
            self._tree.append(leaf_hash(record.entry))
        note, signed = None, None
        tiles = self._tree.take_full()
        if sign:
            note = self._note(self._tree.head())
            signed = (self._number + 1, self._tree.size, note)
            tiles += self._tree.edge()
        self.file.begin()
        try:
            self.file.add(batch.records, batch.bodies, tiles, signed)
            if drop_before:
                self.file.drop_bodies(drop_before)
            self.file.commit()
        except BaseException:
            self.file.rollback()
            raise
        self._head = self._tree.head()
        self.file.committed(batch.bodies)
        if batch.records:
            self._latest_us = max(self._latest_us, batch.records[-1].time_us)
        if signed:
            self._number, self.signed, _ = signed
        self.moved_bytes += batch.size_bytes + COMMIT_BYTES
        return note

    def _note(self, head: Head) -> str:
        return self._signer.note(Checkpoint(self.origin, head.size, head.root(), self._number + 1))

    def last_note(self) -> str:
        """A signed checkpoint of what is on the disk, for the log that goes on after this one."""
        return self._note(self._head)

    def flush_wal(self) -> None:
        self.file.flush_wal()
        self.moved_bytes = 0

    def close(self) -> None:
        """Let go of file and lock."""
        try:
            self.file.close()
        finally:
            self._lock.release()


def aad(log: str, seq: int, side: str) -> bytes:
    """What ties a sealed body to its record."""
    return f"{log} {seq} {side}".encode()


def _edge(file: LogFile, size: int) -> list[bytes]:
    """The unfinished tiles of the first `size` records, as they were signed."""
    edge, level, count = [], 0, size
    while count:
        here = count & 255
        hashes = file.tile(level, count >> 8)[: here * SIZE] if here else b""
        if len(hashes) != here * SIZE:
            raise StoreBroken(f"{file.name}: tile {level}/{count >> 8} is not whole")
        edge.append(hashes)
        level, count = level + 1, count >> 8
    return edge
