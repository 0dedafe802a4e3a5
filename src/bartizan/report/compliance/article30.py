"""The record of processing activities about the use of AI, with the fields of Article 30(1) GDPR.

One activity for each system that people may use or do use, and one for watching it: logs of what people do at work are
personal data as well. What nothing here can know is said to be open, never guessed.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from bartizan.inventory.system import System
from bartizan.report.compliance.facts import Facts
from bartizan.report.compliance.sheets import Sheet

OPEN = "to be said"
LABELS = {
    "controller": "(a) Controller",
    "dpo": "(a) Data protection officer",
    "purposes": "(b) Purposes",
    "people": "(c) Categories of people",
    "data": "(c) Categories of personal data",
    "recipients": "(d) Categories of recipients",
    "transfers": "(e) Transfers to third countries, safeguards",
    "erasure": "(f) Time limits for erasure",
    "security": "(g) Security measures",
    "legal_basis": "Legal basis (Article 6; not asked for by Article 30)",
}


@dataclass(frozen=True, slots=True)
class Activity:
    """One processing activity, as texts for people."""

    name: str
    system: str
    controller: str
    dpo: str
    purposes: str
    people: str
    data: str
    recipients: str
    transfers: str
    erasure: str
    security: str
    legal_basis: str

    def fields(self) -> list[tuple[str, str]]:
        """Labels and values, in the order of the article."""
        return [(label, getattr(self, name)) for name, label in LABELS.items()]


def activities(facts: Facts, controller: str = "", dpo: str = "") -> tuple[Activity, ...]:
    """The record, as far as it is known. `controller` and `dpo`: names and how to reach them."""
    security = _security(facts)
    every = [_system(one, controller, dpo, security) for one in facts.used]
    return (*every, _watching(facts, controller, dpo, security))


def sheet(every: Iterable[Activity]) -> Sheet:
    """The record as a table."""
    rows = [{"name": one.name, "system": one.system} | {key: getattr(one, key) for key in LABELS} for one in every]
    return Sheet("article-30", ("name", "system", *LABELS), rows)


def _system(one: System, controller: str, dpo: str, security: str) -> Activity:
    data = []
    if one.data_classes:
        data.append(f"allowed: {', '.join(one.data_classes)}")
    if one.data_seen:
        data.append(f"found: {', '.join(one.data_seen)}")
    return Activity(
        name=f"Use of {one.title} ({one.status.word})",
        system=one.id,
        controller=controller or OPEN,
        dpo=dpo or OPEN,
        purposes=one.purpose or OPEN,
        people=f"those who use it ({one.seen.people} seen); of whom they write: {OPEN}",
        data="; ".join(data) or OPEN,
        recipients=f"the vendor: {one.vendor}" if one.vendor else OPEN,
        transfers=OPEN,
        erasure=one.retention or OPEN,
        security=security,
        legal_basis=one.legal_basis or OPEN,
    )


def _watching(facts: Facts, controller: str, dpo: str, security: str) -> Activity:
    days = facts.retention_days
    return Activity(
        name="Watching the use of AI (Bartizan)",
        system="",
        controller=controller or OPEN,
        dpo=dpo or OPEN,
        purposes="security: find unapproved use of AI, keep confidential data from leaving, prove decisions",
        people="those who use AI here, and those who decide about it",
        data="pseudonym, system, day, counts, bytes, kind of account; findings and decisions; sealed texts as the "
        f"policy keeps them (bodies: {facts.policy.bodies.value if facts.policy else OPEN})",
        recipients="nobody outside, unless notices or exports are set up",
        transfers="none by Bartizan itself",
        erasure=f"sealed texts: {f'after {days} days' if days else 'kept until a person is forgotten'}; records of "
        "decisions stay; a forgotten person's name and texts are erased",
        security=security,
        legal_basis=OPEN,
    )


def _security(facts: Facts) -> str:
    parts = [
        "people are pseudonyms; a name of the register is opened by two people, on record",
        "texts are sealed with a key per person and month",
    ]
    if facts.policy is not None:
        parts.append(f"policy {facts.policy.name}@{facts.policy.version} with {len(facts.policy.clauses)} clauses")
    parts.append("decisions are recorded in a signed, tamper-evident ledger")
    return "; ".join(parts)
