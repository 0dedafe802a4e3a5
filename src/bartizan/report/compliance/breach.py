"""The draft of a notification of a personal data breach (Article 33 GDPR), from what the ledger holds of an incident.

Content is never in it: values are counted by their keyed digests, people by pseudonyms. Whether it is a breach at all,
whose data they were and what follows, people say. Article 33(3)(a) to (d) was read, see gdpr.toml.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from bartizan.inventory.system import when

SCHEMA = "bartizan.breach-draft/1"
HOURS_72_US = 72 * 3_600_000_000
OPEN = "to be said"
ACTED = {
    "allow": "went out as it was",
    "warn": "went out as it was, with a warning",
    "redact": "went out without what was found",
    "justify": "was refused until a reason was given",
    "review": "was held until somebody approved",
    "block": "was refused",
}
Record = Mapping[str, Any]  # Any: a record of the ledger, as JSON


@dataclass(frozen=True, slots=True)
class Affected:
    """What one risk concerns. `values`: distinct ones, where digests are on record; `places`: where they stood."""

    risk: str
    title: str
    values: int
    places: int

    @property
    def words(self) -> str:
        """For people."""
        count = (
            f"{self.values} distinct values" if self.values else f"{self.places} places, their values not told apart"
        )
        return f"{self.title} ({self.risk}): {count}"


@dataclass(frozen=True, slots=True)
class Draft:
    """What is known of an incident, and what is not.

    Args:
        ids: Exchanges. `writers`: their records, as (log, number).
        people: Pseudonyms whose messages they were. `destinations`: providers and models.
        went: What became of the messages, a sentence each. `measures`: what was done.
    """

    ids: tuple[str, ...]
    records: tuple[tuple[str, int], ...]
    first_us: int
    last_us: int
    aware_us: int
    now_us: int
    affected: tuple[Affected, ...]
    people: tuple[str, ...]
    destinations: tuple[str, ...]
    went: tuple[str, ...]
    measures: tuple[str, ...]

    @property
    def deadline_us(self) -> int:
        """72 hours after somebody became aware."""
        return self.aware_us + HOURS_72_US

    @property
    def clock(self) -> str:
        """How much time there is, in words."""
        left_us = self.deadline_us - self.now_us
        hours, minutes = divmod(abs(left_us) // 60_000_000, 60)
        if left_us >= 0:
            return f"{hours} h {minutes:02} min left"
        return f"over for {hours} h {minutes:02} min: Article 33(1) wants the reasons for the delay"

    def as_json(self) -> dict[str, object]:
        """For programs: `bartizan.breach-draft/1`."""
        return {
            "schema": SCHEMA,
            "draft": True,
            "incident": {
                "exchanges": list(self.ids),
                "records": [{"log": log, "seq": seq} for log, seq in self.records],
                "first": when(self.first_us),
                "last": when(self.last_us),
            },
            "clock": {
                "aware": when(self.aware_us),
                "deadline": when(self.deadline_us),
                "left_hours": round((self.deadline_us - self.now_us) / 3_600_000_000, 2),
                "over": self.now_us > self.deadline_us,
                "reasons_for_delay": OPEN if self.now_us > self.deadline_us else "",
            },
            "article_33_3": {
                "a_nature": {
                    "what_happened": list(self.went),
                    "to": list(self.destinations),
                    "categories_of_data": [
                        {"risk": one.risk, "title": one.title, "values": one.values, "places": one.places}
                        for one in self.affected
                    ],
                    "records_about": sum(one.values or one.places for one in self.affected),
                    "senders": len(self.people),
                    "sender_pseudonyms": list(self.people),
                    "categories_of_data_subjects": OPEN,
                    "data_subjects_about": OPEN,
                },
                "b_contact": OPEN,
                "c_likely_consequences": OPEN,
                "d_measures": {"taken": list(self.measures), "proposed": OPEN},
            },
        }

    def lines(self) -> list[str]:
        """For people."""
        records = ", ".join(f"{log} {seq}" for log, seq in self.records[:20])
        return [
            "Draft: notification of a personal data breach (Article 33 GDPR). Nothing was sent to anybody.",
            "",
            f"known since   {when(self.aware_us)}",
            f"to be told by {when(self.deadline_us)}   {self.clock}",
            f"incident      {', '.join(self.ids[:20])}",
            f"records       {records}",
            f"happened      {when(self.first_us)} to {when(self.last_us)}",
            "",
            "(a) nature",
            *(f"    {one}" for one in self.went),
            *(f"    to {one}" for one in self.destinations),
            *(f"    {one.words}" for one in self.affected),
            f"    sent by {len(self.people)} people: {', '.join(self.people[:20])}",
            f"    categories and number of data subjects: {OPEN}",
            f"(b) contact: {OPEN}",
            f"(c) likely consequences: {OPEN}",
            "(d) measures",
            *(f"    {one}" for one in self.measures),
            f"    proposed: {OPEN}",
        ]


def draft(records: Iterable[Record], titles: Mapping[str, str], aware_us: int, now_us: int) -> Draft:
    """A draft from the records of an incident. `titles`: what risks are called, by their ids."""
    every = sorted(records, key=lambda one: (one["time_us"], one["writer"], one["seq"]))
    decisions = [one for one in every if "action" in one]
    events = [one for one in every if one.get("event")]
    went = [f"the {one.get('side', 'subject')} {ACTED[_outcome(one)]}" for one in decisions]
    return Draft(
        ids=tuple(dict.fromkeys(str(one["exchange"]) for one in every)),
        records=tuple((str(one["writer"]), int(one["seq"])) for one in every),
        first_us=min(one["time_us"] for one in every),
        last_us=max(one["time_us"] for one in every),
        aware_us=aware_us,
        now_us=now_us,
        affected=_affected(decisions, titles),
        people=tuple(dict.fromkeys(str(one["person"]) for one in decisions if one.get("person"))),
        destinations=tuple(dict.fromkeys(filter(None, map(_destination, decisions)))),
        went=tuple(dict.fromkeys(went)),
        measures=tuple(dict.fromkeys([*map(_measure, decisions), *(f"{one['event']} on record" for one in events)])),
    )


def _outcome(record: Record) -> str:
    action = str(record["action"])
    return "redact" if record.get("edits") and action in ("allow", "warn") else action


def _affected(decisions: Iterable[Record], titles: Mapping[str, str]) -> tuple[Affected, ...]:
    values: dict[str, set[str]] = {}
    places: dict[str, set[tuple[object, ...]]] = {}
    for record in decisions:
        for found in record.get("findings", ()):
            risk = str(found["risk"])
            values.setdefault(risk, set()).update(found.get("values", ()))
            places.setdefault(risk, set()).update(
                (record["exchange"], record.get("side", ""), *place) for place in found.get("places", ())
            )
    return tuple(
        Affected(risk, titles.get(risk, risk), len(values[risk]), len(places[risk])) for risk in sorted(values)
    )


def _destination(record: Record) -> str:
    target = record.get("target", {})
    return " ".join(str(target[key]) for key in ("provider", "model", "host") if target.get(key))


def _measure(record: Record) -> str:
    edits = len(record.get("edits", ()))
    parts = [f"the {record.get('side', 'subject')} {ACTED[_outcome(record)]}"]
    if edits:
        parts.append(f"{edits} places removed")
    if record.get("clauses"):
        parts.append(f"by {', '.join(record['clauses'])}")
    return ", ".join(parts)
