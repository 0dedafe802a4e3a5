"""What sources tell of the use of systems, added up: how much, by how many, on which days, by what evidence.

Where sources of several formats saw the same person on the same day, the one that saw most counts: adding up a
resolver's log and a proxy's would count each use twice. So counts and bytes are what was at least there.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace

from bartizan.inventory.system import Seen
from bartizan.readers.logs.usage import AccountKind
from bartizan.store.state import State as Store

# Of each person, system and day, what each format saw, and of that the most.
_BEST = """
WITH told AS (
  SELECT system, person, day, sum(count) AS count, sum(bytes_up) AS bytes_up, max(evidence) AS evidence,
         max(last_us) AS last_us, min(nullif(first_us, 0)) AS first_us
  FROM usage_ WHERE {where} GROUP BY system, person, day, told_by
), best AS (
  SELECT system, person, day, max(count) AS count, max(bytes_up) AS bytes_up, max(evidence) AS evidence,
         max(last_us) AS last_us, min(first_us) AS first_us
  FROM told GROUP BY system, person, day
)
"""
_EVIDENCE = """
WITH told AS (
  SELECT system, person, day, evidence, sum(count) AS count
  FROM usage_ WHERE {where} GROUP BY system, person, day, told_by, evidence
), best AS (SELECT system, evidence, max(count) AS count FROM told GROUP BY system, person, day, evidence)
SELECT system, evidence, sum(count) FROM best GROUP BY system, evidence ORDER BY system, evidence
"""


@dataclass(frozen=True, slots=True)
class PersonUse:
    """One person and one system. `person` is a pseudonym, "" where no source says who."""

    system: str
    person: str
    count: int
    bytes_up: int
    evidence: int
    days: int
    first_us: int
    last_us: int
    accounts: tuple[AccountKind, ...] = ()


@dataclass(frozen=True, slots=True)
class DayUse:
    """One day (days since 1970, UTC) of one system, or of all."""

    day: int
    people: int
    count: int
    bytes_up: int


def _best(where: str, select: str) -> str:
    """What is asked of the best that was told. Both are our own words, never a value."""
    return _BEST.format(where=where) + select


def seen(store: Store, since_day: int = 0, system: str | None = None) -> dict[str, Seen]:
    """What is told of each system since a day, or of one."""
    where, values = _where(since_day, system=system)
    totals = store.query(
        _best(
            where,
            "SELECT system, count(DISTINCT nullif(person, '')), sum(count), sum(bytes_up), max(evidence), "
            "count(DISTINCT day) FROM best GROUP BY system",
        ),
        values,
    )
    levels: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for id_, evidence, count in store.query(_EVIDENCE.format(where=where), values):
        levels[id_].append((int(evidence), int(count)))
    kinds = _several(
        store.query(
            f"SELECT DISTINCT system, told_by FROM usage_ WHERE {where} ORDER BY 1, 2",  # noqa: S608
            values,
        )
    )
    accounts = _accounts(store, where, values, "system")
    return {
        id_: Seen(
            int(people),
            int(count),
            int(bytes_up),
            int(evidence),
            tuple(levels[id_]),
            kinds.get(id_, ()),
            accounts.get((id_,), ()),
            int(days),
        )
        for id_, people, count, bytes_up, evidence, days in totals
    }


def people(
    store: Store, *, system: str | None = None, person: str | None = None, since_day: int = 0, limit: int = 1000
) -> list[PersonUse]:
    """Who used a system, or what a person used; most bytes first, then most often."""
    where, values = _where(since_day, system=system, person=person)
    rows = store.query(
        _best(
            where,
            "SELECT system, person, sum(count), sum(bytes_up), max(evidence), count(*), coalesce(min(first_us), 0), "
            "max(last_us) FROM best GROUP BY system, person ORDER BY 4 DESC, 3 DESC, system, person LIMIT ?",
        ),
        (*values, limit),
    )
    accounts = _accounts(store, where, values, "system, person")
    return [replace(PersonUse(*row), accounts=accounts.get((row[0], row[1]), ())) for row in rows]


def days(store: Store, *, system: str | None = None, person: str | None = None, since_day: int = 0) -> list[DayUse]:
    """Day by day, oldest first; days without use are not in it."""
    where, values = _where(since_day, system=system, person=person)
    rows = store.query(
        _best(
            where,
            "SELECT day, count(DISTINCT nullif(person, '')), sum(count), sum(bytes_up) FROM best GROUP BY 1 ORDER BY 1",
        ),
        values,
    )
    return [DayUse(*map(int, row)) for row in rows]


def uploads(store: Store, system: str, person: str, from_day: int, to_day: int) -> dict[int, int]:
    """Bytes that a person (pseudonym) sent to a system on each day from one to another, both included."""
    rows = store.query(
        _best(
            "system = ? AND person = ? AND day BETWEEN ? AND ?",
            "SELECT day, bytes_up FROM best WHERE bytes_up > 0",
        ),
        (system, person, from_day, to_day),
    )
    return {int(day): int(size) for day, size in rows}


def _where(
    since_day: int, *, system: str | None = None, person: str | None = None
) -> tuple[str, tuple[int | str, ...]]:
    conditions, values = ["day >= ?"], [since_day]
    asked: list[int | str] = [*values]
    for column, value in (("system", system), ("person", person)):
        if value is not None:
            conditions.append(f"{column} = ?")
            asked.append(value)
    return " AND ".join(conditions), tuple(asked)


def _accounts(
    store: Store, where: str, values: tuple[int | str, ...], columns: str
) -> Mapping[tuple[str, ...], tuple[AccountKind, ...]]:
    query = f"SELECT DISTINCT {columns}, account FROM usage_ WHERE {where} AND account != ''"  # noqa: S608
    found: dict[tuple[str, ...], list[AccountKind]] = defaultdict(list)
    for *key, account in store.query(query, values):
        found[tuple(key)].append(AccountKind(account))
    return {key: tuple(sorted(ones)) for key, ones in found.items()}


def _several(rows: list[tuple[str, str]]) -> dict[str, tuple[str, ...]]:
    found: dict[str, list[str]] = defaultdict(list)
    for key, value in rows:
        found[key].append(value)
    return {key: tuple(ones) for key, ones in found.items()}
