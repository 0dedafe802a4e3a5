"""A home with logs and an index of them. Logs are real files; only the signing is left out, which nobody here reads."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from bartizan.events import Index
from bartizan.ledger.canonical import canonical
from bartizan.store.connection import SQLITE
from bartizan.store.logfile import LogFile, RecordRow

HOUR_US = 3_600_000_000
NOW_US = 1_800_000_000 * 1_000_000  # in 2027, on an hour
Entry = Mapping[str, object]


@dataclass
class Desk:
    """A home whose logs a test writes, and its index."""

    home: Path
    opened: list[Index] = field(default_factory=list)
    created: int = 0

    def log(self, name: str = "gateway-0.1") -> Path:
        return self.home / f"log-{name}.sqlite"

    def write(self, entries: Sequence[Entry], log: str = "gateway-0.1") -> None:
        """Append records; `time_us` is theirs, or one second after another."""
        path = self.log(log)
        if path.exists():
            file = LogFile.open(path)
        else:
            self.created += 1
            file = LogFile.create(path, {"created_us": str(self.created), "origin": log}, SQLITE)
        first = file.size()
        rows = []
        for seq, entry in enumerate(entries, first):
            own: dict[str, object] = {"time_us": NOW_US + seq * 1_000_000, **entry, "seq": seq, "writer": log}
            time_us = own["time_us"]
            assert isinstance(time_us, int)
            event = str(own["event"]) if "event" in own else None
            rows.append(RecordRow(seq, time_us, str(own.get("exchange", "")), event, canonical(own)))
        file.begin()
        file.add(rows)
        file.commit()
        file.close()

    def index(self) -> Index:
        index = Index.open(self.home)
        self.opened.append(index)
        return index

    def change(self, sql: str, *params: object, path: Path) -> None:
        """What somebody with the file can do."""
        connection = sqlite3.connect(path)
        connection.execute(sql, params)
        connection.commit()
        connection.close()


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path)
    yield made
    for index in made.opened:
        index.close()


@pytest.fixture
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[], Desk]]:
    """Another home each time, for tests with many examples."""
    with ExitStack() as stack:

        def another() -> Desk:
            made = Desk(tmp_path_factory.mktemp("home"))
            stack.callback(lambda: [index.close() for index in made.opened])
            return made

        yield another
