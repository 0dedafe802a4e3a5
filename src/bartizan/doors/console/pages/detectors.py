"""Detectors: what looks, at what, at which cost; and what came of it here."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bartizan.cases.feedback import Verdict
from bartizan.doors.console.answers import Page
from bartizan.doors.console.routes import page
from bartizan.events import Filter
from bartizan.rules.risks import catalogue
from bartizan.vault.accounts import Role

if TYPE_CHECKING:
    from bartizan.core.detector import Detector
    from bartizan.doors.console.asked import Asked

CSS = ("settings.css",)
DAY_US = 86_400_000_000
DAYS = 30
MAX_MISTAKES = 200
MAX_RISKS = 2000


@dataclass(frozen=True, slots=True)
class Looking:
    """One detector and what it saw here: events by risk, and how many of those people called a mistake."""

    detector: Detector
    titles: tuple[tuple[str, str, int], ...]  # risk, title, events
    seen: int
    mistakes: int


def detectors(asked: Asked) -> Page:
    """All that are active."""
    console = asked.console
    since_us = asked.now_us - DAYS * DAY_US
    counts = dict(console.index.values(Filter.parse(f"after:{DAYS}d", asked.now_us), "risk", top=MAX_RISKS))
    mistakes = _mistakes(asked, since_us)
    known = catalogue()
    found = []
    for one in console.home.detectors:
        titles = tuple((risk, known[risk].title if risk in known else "", counts.get(risk, 0)) for risk in one.risks)
        ordered = tuple(sorted(titles, key=lambda told: (-told[2], told[0])))
        wrong = sum(bool(risks & set(one.risks)) for risks in mistakes)
        found.append(Looking(one, ordered, sum(count for *_, count in titles), wrong))
    value = {
        "schema": "bartizan.detectors/1",
        "days": DAYS,
        "detectors": [
            {
                "id": one.detector.id,
                "version": one.detector.version,
                "kind": one.detector.kind.value,
                "serves": sorted(one.detector.serves),
                "cost": one.detector.cost.value,
                "risks": list(one.detector.risks),
                "seen": one.seen,
                "mistakes": one.mistakes,
            }
            for one in found
        ],
    }
    values = {"detectors": found, "days": DAYS, "judged": len(mistakes)}
    return Page("settings_detectors.html", values, value=value, css=CSS)


def _mistakes(asked: Asked, since_us: int) -> list[set[str]]:
    """The risks of each exchange that somebody called a mistake lately."""
    index = asked.console.index
    said = Counter(one.exchange for one in asked.console.feedback.since(since_us) if one.verdict is Verdict.MISTAKE)
    rows = (index.event(exchange) for exchange in list(said)[:MAX_MISTAKES])
    return [set(row.risks) for row in rows if row is not None]


ROUTES = (page("/settings/detectors", detectors, Role.ADMIN),)
