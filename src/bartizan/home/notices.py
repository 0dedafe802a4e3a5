"""Notices: what people are told outside of the console. Facts and a link, never a text that somebody wrote.

A notice leaves the house: it may lie in a chat of some provider for years. So it holds names of risks, the sentence of
the clause, a pseudonym, the name of the upstream, and where to read on after signing in.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from bartizan.home.alarms import Alarm
from bartizan.rules.risks import catalogue

MAX_FACT = 300
MAX_LOOKED = 4 * MAX_FACT  # Characters of a text of any length, before what cannot be seen goes.
MAX_WORD = 1000  # of a link or a ref
MAX_RISKS = 5
LABELS = {
    "case": "Case",
    "risks": "About",
    "clause": "Clause",
    "person": "Person",
    "to": "To",
    "wants": "Waits for",
    "until": "Until",
    "process": "Process",
    "times": "Times",
    "service": "Service",
}


class What(StrEnum):
    """What a notice is about."""

    CASE = "case"
    DEADLINE = "deadline"
    ALARM = "alarm"
    USE = "use"
    TEST = "test"


@dataclass(frozen=True, slots=True)
class Notice:
    """One notice. `ref` names what it is about, so that nobody is told twice; `facts` are by the keys of LABELS.

    Whatever it is made of, each of them is one short line of characters that can be seen: a mail's head, a chat's
    message and a syslog's line take no notice of who wrote it.
    """

    what: What
    ref: str
    title: str
    facts: Mapping[str, str]
    link: str
    at_us: int

    def __post_init__(self) -> None:
        facts = {key: plain(value) for key, value in self.facts.items() if key in LABELS and value}
        told = {"ref": _word(self.ref), "title": plain(self.title), "facts": facts, "link": _word(self.link)}
        for name, value in told.items():
            object.__setattr__(self, name, value)

    def lines(self) -> list[str]:
        """The facts for people, one a line."""
        return [f"{LABELS[key]}: {value}" for key, value in self.facts.items()]

    def text(self) -> str:
        """As it is kept until it is sent."""
        return json.dumps([self.what, self.ref, self.title, dict(self.facts), self.link, self.at_us])

    @classmethod
    def read(cls, text: str) -> Notice:
        """What `text` wrote."""
        what, *rest = json.loads(text)
        return cls(What(what), *rest)


@dataclass(frozen=True, slots=True)
class Waiting:
    """An open case, as far as a notice may tell of it."""

    id: str
    action: str
    person: str
    clauses: Sequence[str]
    destination: str
    risks: Sequence[str]
    created_us: int
    expires_us: int


def of_case(case: Waiting, what: What, says: Callable[[str], str], base: str) -> Notice:
    """A case that waits, or whose time is nearly over.

    Args:
        case: The case.
        what: CASE or DEADLINE.
        says: The sentence of a clause by its id, or "".
        base: The console's address, or "" where there is none to link to.
    """
    clauses = [f"{id_}: {sentence}" if (sentence := says(id_)) else id_ for id_ in case.clauses]
    review = case.action == "review"
    facts = {
        "case": case.id,
        "risks": _named(case.risks),
        "clause": "; ".join(clauses),
        "person": case.person,
        "to": case.destination,
        "wants": "an approval by somebody else" if review else "a reason from the person who asks",
        "until": time(case.expires_us),
    }
    title = "A case waits for a person" if what is What.CASE else "A case is about to expire"
    link = f"{base}/review/{case.id}" if base else ""
    return Notice(what, f"{what}:{case.id}", title, facts, link, case.created_us)


def of_alarm(alarm: Alarm, base: str) -> Notice:
    """An alarm."""
    facts = {"process": alarm.process, "times": str(alarm.times) if alarm.times > 1 else ""}
    return Notice(What.ALARM, f"alarm:{alarm.id}:{alarm.first_us}", alarm.says, facts, base, alarm.first_us)


def of_use(id_: str, name: str, vendor: str, waits_us: int, base: str) -> Notice:
    """An AI service that is in use, and nobody decided on."""
    service = f"{name or id_} ({vendor})" if vendor else name or id_
    facts = {"service": service, "wants": "a decision whether it may be used"}
    link = f"{base}/use/{id_}" if base else ""
    return Notice(What.USE, f"use:{id_}", "An AI service in use waits for a decision", facts, link, waits_us)


def of_test(ref: str, base: str, now_us: int) -> Notice:
    """A notice that only shows that notices arrive."""
    return Notice(What.TEST, f"test:{ref}", "A test: notices of Bartizan arrive here", {}, base, now_us)


def plain(text: str) -> str:
    """One line of printable characters, not too long: clauses are written by people, and destinations configured."""
    some = text[:MAX_LOOKED]
    line = " ".join("".join(c if c.isprintable() else " " for c in some).split())
    if len(text) > MAX_LOOKED:
        line = line[: MAX_FACT - 1] + "…"
    return line if len(line) <= MAX_FACT else line[: MAX_FACT - 1] + "…"


def time(when_us: int) -> str:
    """A time for people, to the minute."""
    return datetime.fromtimestamp(when_us / 1e6, UTC).strftime("%Y-%m-%d %H:%M UTC")


def _named(risks: Sequence[str]) -> str:
    known = catalogue()
    titles = [known[risk].title if risk in known else risk for risk in risks[:MAX_RISKS]]
    more = len(risks) - MAX_RISKS
    return "; ".join(titles) + (f" and {more} more" if more > 0 else "")


def _word(text: str) -> str:
    """What has no space in it: an address, a name."""
    return "".join(c for c in text[:MAX_WORD] if c.isprintable() and c != " ")
