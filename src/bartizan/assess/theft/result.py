"""What a thief achieved, as a section of the report and as files."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from bartizan.assess.measured import Rate
from bartizan.assess.theft.monitoring import Monitor

MONITOR = "theft-monitor.json"
AIMS = (0.9, 0.95, 0.99)


@dataclass(frozen=True, slots=True)
class Point:
    """One copy: what was asked, with what, and how often it answers as the model does. `content`: its ONNX file."""

    queries: int
    fidelity: Rate
    pool: str  # own, look-alike, random
    answers: str  # soft, top1, labels, …
    picked: str = "active"  # active: rows that earlier copies doubted; even: spread over the pool
    file: str = ""
    content: bytes = b""

    def as_json(self) -> dict[str, object]:
        """A row of the curve."""
        found: dict[str, object] = {
            "queries": self.queries,
            "fidelity": self.fidelity.as_json(),
            "pool": self.pool,
            "answers": self.answers,
            "picked": self.picked,
        }
        return found | ({"file": self.file} if self.content else {})


@dataclass(frozen=True, slots=True)
class Defence:
    """The same theft against what a defence leaves of the answers; `changed`: rows whose label the defence changes."""

    answers: str
    words: str
    queries: int
    fidelity: Rate
    changed: Rate

    def as_json(self) -> dict[str, object]:
        """A row of the table."""
        return {
            "defence": self.words,
            "answers": self.answers,
            "queries": self.queries,
            "fidelity": self.fidelity.as_json(),
            "labels_changed": self.changed.as_json(),
        }


@dataclass(frozen=True, slots=True)
class Theft:
    """The theft of one model."""

    points: tuple[Point, ...]  # the curve, the thief's best pool, by queries
    headline: int  # queries of the copy that is written as stolen.onnx
    others: tuple[Point, ...]  # the same number of queries with worse rows
    defences: tuple[Defence, ...]
    pool: str
    method: str
    price: float | None  # money for 1,000 queries
    notes: tuple[str, ...]
    finished: bool
    monitor: Monitor | None = None

    @property
    def stolen(self) -> Point:
        """The copy that is judged."""
        return next(one for one in self.points if one.queries == self.headline)

    def prices(self) -> list[dict[str, object]]:
        """What 90, 95 and 99 % cost; None where no copy got there."""
        rows: list[dict[str, object]] = []
        for aim in AIMS:
            queries = price_of(aim, [(one.queries, one.fidelity.share) for one in self.points])
            money = round(queries * self.price / 1000, 6) if queries is not None and self.price is not None else None
            rows.append({"fidelity": aim, "queries": queries, "money": money})
        return rows

    def as_json(self) -> dict[str, object]:
        """Its section of report.json."""
        best = self.stolen
        return {
            "fidelity": best.fidelity.as_json(),
            "queries": best.queries,
            "pool": self.pool,
            "method": self.method,
            "curve": [one.as_json() for one in (*self.points, *self.others)],
            "prices": self.prices(),
            "price_per_thousand": self.price,
            "defences": [one.as_json() for one in self.defences],
            "rate_limits": rate_limits(self.prices()),
            "monitor": self.monitor.as_json() if self.monitor is not None else None,
            "notes": list(self.notes),
            "finished": self.finished,
        }

    def write(self, out: Path) -> list[str]:
        """stolen.onnx, a copy for each other point of the curve, and the monitor."""
        names = []
        for one in self.points:
            if one.content:
                (out / one.file).write_bytes(one.content)
                names.append(one.file)
        if self.monitor is not None:
            (out / MONITOR).write_text(json.dumps(self.monitor.file(), indent=1) + "\n", encoding="utf-8")
            names.append(MONITOR)
        return names

    def measures(self) -> dict[str, float]:
        """`stolen_fidelity` and `stolen_queries`; `queries_for_95` where a copy got there."""
        found = {"stolen_fidelity": self.stolen.fidelity.share, "stolen_queries": float(self.stolen.queries)}
        if (queries := self.prices()[1]["queries"]) is not None:
            found["queries_for_95"] = float(str(queries))
        return found

    def sentence(self) -> str:
        """The result in one plain sentence."""
        best = self.stolen
        said = (
            f"A copy that asked {best.queries:,} rows gives the same answer for {best.fidelity.share:.1%} of "
            f"{best.fidelity.of:,} new rows"
        )
        queries = self.prices()[1]["queries"]
        return f"{said}; 95 % cost about {queries:,} queries." if queries is not None else f"{said}."


def price_of(aim: float, points: list[tuple[int, float]]) -> int | None:
    """The queries at which the fidelity first reaches an aim: straight lines between points over log(queries).

    The first point counts as its price where it is already there; None where no point is.
    """
    before: tuple[int, float] | None = None
    for queries, share in sorted(points):
        if share >= aim:
            if before is None or share == before[1]:
                return queries
            part = (aim - before[1]) / (share - before[1])
            return round(before[0] * (queries / before[0]) ** part)
        if before is None or share > before[1]:
            before = (queries, share)
    return None


def rate_limits(prices: list[dict[str, object]]) -> list[dict[str, object]]:
    """Days that one account needs for each price when it may ask so many rows a day: a limit delays, nothing more."""
    rows: list[dict[str, object]] = []
    for a_day in (100, 1000, 10000):
        days = {f"days_to_{row['fidelity']:.0%}": _days(row["queries"], a_day) for row in prices}
        rows.append({"queries_a_day": a_day, **days})
    return rows


def _days(queries: object, a_day: int) -> int | None:
    return -(-int(str(queries)) // a_day) if queries is not None else None
