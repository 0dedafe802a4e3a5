"""A framework: a law or a standard as a table of controls, read from the TOML file of its name.

Texts change and dates move, so both are data: which text, of which day, from where, since when it applies, and for each
control whether its wording was checked against a published text. Duties are in our own words.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from functools import cache
from typing import Any

from bartizan import rules

PACKAGE = "bartizan.report.compliance"
IDS = ("eu-ai-act", "gdpr", "nist-ai-rmf", "nist-ai-600-1", "iso-42001", "soc-2")


class Checked(StrEnum):
    """How our words for a control were held against the published ones."""

    TEXT = "text"  # the wording was read
    SUMMARY = "summary"  # a public summary was read, the text was not
    NO = "no"

    @property
    def words(self) -> str:
        """For people."""
        return {"text": "checked against the text", "summary": "checked against a summary"}.get(self, "not checked")


@dataclass(frozen=True, slots=True)
class Applies:
    """Since when a part of a framework applies; `day` is None for what nobody has to do."""

    id: str
    day: date | None
    what: str
    checked: str


@dataclass(frozen=True, slots=True)
class Control:
    """One thing a framework asks for.

    Args:
        duty: What it asks for, in our words.
        where: Against what the words were checked.
        queries: Ids of the queries that answer it; none: people do.
        attach: What people have to add, because nothing here can know it; "" for nothing.
    """

    id: str
    title: str
    duty: str
    applies: Applies
    checked: Checked
    where: str
    queries: tuple[str, ...]
    attach: str


@dataclass(frozen=True, slots=True)
class Framework:
    """A law or a standard. `date` is the day of the text."""

    id: str
    title: str
    text: str
    version: str
    date: date
    source: str
    note: str
    applies: tuple[Applies, ...]
    controls: tuple[Control, ...]


@cache
def framework(id_: str) -> Framework:
    """One of IDS."""
    told = rules.load(PACKAGE, f"{id_}.toml")
    applies = {one["id"]: Applies(one["id"], one.get("day"), one["what"], one["checked"]) for one in told["applies"]}
    return Framework(
        id=told["id"],
        title=told["title"],
        text=told["text"],
        version=told["version"],
        date=told["date"],
        source=told["source"],
        note=told["note"],
        applies=tuple(applies.values()),
        controls=tuple(_control(one, applies, told["places"]) for one in told["control"]),
    )


def _control(told: dict[str, Any], applies: dict[str, Applies], places: dict[str, str]) -> Control:  # Any: TOML
    return Control(
        id=told["id"],
        title=told["title"],
        duty=told["duty"],
        applies=applies[told["applies"]],
        checked=Checked(told["checked"]),
        where=places[told["where"]] if "where" in told else "",
        queries=tuple(told["queries"]),
        attach=told.get("attach", ""),
    )
