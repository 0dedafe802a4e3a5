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
from bartizan.store.connection import Row
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
    systems = [system]
    if system is None:
        systems = [id_ for (id_,) in store.query("SELECT DISTINCT system FROM usage_ WHERE day >= ?", (since_day,))]
    found: dict[str, Seen] = {}
    for id_ in systems:
        # One system at a time: adding up in SQL takes five times as long, and all rows at once too much room.
        rows = store.query(
            "SELECT person, day, told_by, evidence, account, count, bytes_up FROM usage_ "
            "WHERE system = ? AND day >= ? ORDER BY person, day, told_by",
            (id_, since_day),
        )
        if rows and id_ is not None:
            found[id_] = _added_up(rows)
    return found


def _added_up(rows: list[Row]) -> Seen:
    """Rows of one system, sorted by person, day and what told them."""
    persons: set[str] = set()
    days: set[int] = set()
    told_by: set[str] = set()
    accounts: set[str] = set()
    levels: dict[int, int] = defaultdict(int)
    count = bytes_up = 0
    place: tuple[str, int] | None = None
    # Of this person and day: what the best told, and of each evidence; and what the present one tells.
    best = [0, 0]
    best_levels: dict[int, int] = {}
    present: str | None = None
    now = [0, 0]
    now_levels: dict[int, int] = {}
    for person, day, by, evidence, account, times, size in rows:
        if (person, day) != place or by != present:
            best = [max(best[0], now[0]), max(best[1], now[1])]
            for level, number in now_levels.items():
                best_levels[level] = max(best_levels.get(level, 0), number)
            now, now_levels, present = [0, 0], {}, by
            told_by.add(by)
        if (person, day) != place:
            count, bytes_up = count + best[0], bytes_up + best[1]
            for level, number in best_levels.items():
                levels[level] += number
            best, best_levels, place = [0, 0], {}, (person, day)
            persons.add(person)
            days.add(day)
        now[0] += times
        now[1] += size
        now_levels[evidence] = now_levels.get(evidence, 0) + times
        if account:
            accounts.add(account)
    count, bytes_up = count + max(best[0], now[0]), bytes_up + max(best[1], now[1])
    for level in best_levels.keys() | now_levels.keys():
        levels[level] += max(best_levels.get(level, 0), now_levels.get(level, 0))
    return Seen(
        len(persons - {""}),
        count,
        bytes_up,
        max(levels),
        tuple(sorted(levels.items())),
        tuple(sorted(told_by)),
        tuple(sorted(map(AccountKind, accounts))),
        len(days),
    )


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


def days_of_each(store: Store, since_day: int = 0) -> list[tuple[str, int, int]]:
    """How often each system was used on each day: (system, day, count), oldest first."""
    where, values = _where(since_day)
    rows = store.query(_best(where, "SELECT system, day, sum(count) FROM best GROUP BY 1, 2 ORDER BY 2, 1"), values)
    return [(system, int(day), int(count)) for system, day, count in rows]


def people_seen(store: Store, since_day: int = 0, account: AccountKind | None = None) -> int:
    """How many people (pseudonyms) used any system; with an account of a kind, where one is named."""
    where, values = _where(since_day)
    if account is not None:
        where, values = f"{where} AND account = ?", (*values, account.value)
    rows = store.query(f"SELECT count(DISTINCT person) FROM usage_ WHERE {where} AND person != ''", values)  # noqa: S608
    return int(rows[0][0])


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
