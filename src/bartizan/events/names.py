"""Numbers back into names: of words and shapes, kept for the next page."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from bartizan.events.row import OUTCOMES, SEVERITIES, SIDES, Row
from bartizan.events.told import About
from bartizan.store.connection import Connection
from bartizan.store.connection import Row as Values

MAX_KEPT = 50_000  # words; when there are more they are forgotten, and looked up again
_AT_ONCE = 500
COLUMNS = (
    "e.number, e.exchange, e.time_us, e.seq, e.outcome, e.would, e.severity, e.confidence, e.failures, e.bodies, "
    "e.sides, e.shape, e.writer, e.person, e.groups, e.app, e.key, e.provider, e.model, e.policy"
)
_FIRST_WORD = 12  # of these columns
SEVERITY = {-1: ""} | {number: name for name, number in SEVERITIES.items()}


@dataclass(frozen=True, slots=True)
class Shape:
    """What similar events are about."""

    digest: str
    kind: str
    door: str
    clauses: tuple[str, ...]
    risks: tuple[str, ...]
    disciplines: tuple[str, ...]


class Names:
    """What the words and shapes of one file are called: they never change. Safe in any thread."""

    def __init__(self) -> None:
        self._words: dict[int, str] = {}
        self._shapes: dict[int, Shape] = {}

    def rows(self, found: Sequence[Values], connection: Connection) -> Iterator[Row]:
        """Rows of the columns `COLUMNS`."""
        words = self.words({number for row in found for number in row[_FIRST_WORD:]}, connection)
        for row in found:
            number, exchange, time_us, seq, outcome, would, severity, confidence, failures, bodies, sides, about = row[
                :12
            ]
            writer, person, groups, app, key, provider, model, policy = (words[word] for word in row[_FIRST_WORD:])
            shape = self.shape(about, connection)
            yield Row(
                number=number,
                exchange=exchange,
                writer=writer,
                seq=seq,
                time_us=time_us,
                door=shape.door,
                kind=shape.kind,
                outcome=OUTCOMES[outcome],
                would=OUTCOMES[would] if would else "",
                person=person,
                groups=tuple(json.loads(groups)),
                app=app,
                key=key,
                provider=provider,
                model=model,
                clauses=shape.clauses,
                risks=shape.risks,
                severity=SEVERITY[severity],
                confidence=confidence,
                disciplines=shape.disciplines,
                failures=failures,
                body=_sides(bodies),
                shape=shape.digest,
                sides=_sides(sides),
                policy=policy,
            )

    def words(self, wanted: Collection[int], connection: Connection) -> dict[int, str]:
        """What these are called."""
        known = self._words
        missing = [number for number in wanted if number not in known]
        found = {number: known[number] for number in wanted if number in known} if len(missing) < len(wanted) else {}
        for at in range(0, len(missing), _AT_ONCE):
            some = missing[at : at + _AT_ONCE]
            sql = f"SELECT id, text FROM word WHERE id IN ({', '.join('?' * len(some))})"  # noqa: S608
            found.update(connection.query(sql, some))
        if missing:
            # Another dict, not the same one changed: somebody may be in the middle of reading it.
            self._words = {**(known if len(known) < MAX_KEPT else {}), **found}
        return found

    def shape(self, number: int, connection: Connection) -> Shape:
        """What this one is about."""
        found = self._shapes.get(number)
        if found is None:
            sql = "SELECT digest, kind, door, clauses, risks FROM shape WHERE id = ?"
            digest, kind, door, clauses, risks = connection.query(sql, (number,))[0]
            about = About(kind, door, frozenset(json.loads(clauses)), frozenset(json.loads(risks)))
            told = tuple(sorted(about.clauses)), tuple(sorted(about.risks))
            found = Shape(digest, kind, door, *told, about.disciplines)
            if len(self._shapes) >= MAX_KEPT:
                self._shapes = {}
            self._shapes[number] = found
        return found


def _sides(bits: int) -> tuple[str, ...]:
    return tuple(side for index, side in enumerate(SIDES) if bits >> index & 1)
