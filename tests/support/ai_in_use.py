"""A register as a small company has one: what some logs told, and what was decided about it."""

from __future__ import annotations

from collections.abc import Iterator

from bartizan.home import Home
from bartizan.home.register import exceptions, register
from bartizan.inventory.exceptions import UseException, Who
from bartizan.inventory.feeding import SourceKind, SourceRead, feed
from bartizan.inventory.system import Status
from bartizan.readers.logs.usage import AccountKind, Reached, Sort, Usage
from bartizan.readers.logs.visit import DAY_US, Evidence

SERVICES = ("chatgpt", "claude", "deepseek", "perplexity", "gemini")
CANDIDATE, LOOK_ALIKE = "pdf-gpt.example", "chatgpt-login.example"


def usages(now_us: int, services: tuple[str, ...] = SERVICES, people: int = 8) -> Iterator[Usage]:
    """Each service less than the one before; one candidate, one look-alike."""
    today = now_us // DAY_US
    for rank, id_ in enumerate(services):
        for person in range(people - rank):
            for back in range(3):
                day = today - back * (rank + 1)
                sent = person == 0
                evidence = Evidence.UPLOADED if sent else Evidence.RESOLVED if person == 1 else Evidence.CONNECTED
                account = AccountKind.PERSONAL if person == 2 else AccountKind.UNKNOWN
                to = Reached(id_, Sort.SERVICE, id_.capitalize(), "A")
                who = f"person{person}@example.org"
                yield Usage(who, to, day, evidence, 3 + person, 40_000 * sent, 1, account, day * DAY_US, day * DAY_US)
    when_us = today * DAY_US
    for host, sort, of in ((CANDIDATE, Sort.CANDIDATE, ""), (LOOK_ALIKE, Sort.LOOK_ALIKE, "chatgpt.com")):
        to = Reached(host, sort, "", "candidate" if sort is Sort.CANDIDATE else "", of, 0.7)
        yield Usage(
            "person1@example.org", to, today, Evidence.CONNECTED, 2, 0, 1, AccountKind.UNKNOWN, when_us, when_us
        )


def told(home: Home, now_us: int, **more: object) -> None:
    """What a proxy and, until nine days ago, a resolver told."""
    own = register(home)
    for format_, origin, back in (("squid", "proxy-1", 0), ("dnsmasq", "dns-1", 9)):
        at_us = now_us - back * DAY_US
        source = SourceRead(
            SourceKind.LOGS, format_, format_.encode() * 400, origin, first_us=at_us - 30 * DAY_US, last_us=at_us,
            lines=1000, junk=2,
        )  # fmt: skip
        feed(own, usages(at_us, **more), source, now_us)  # type: ignore[arg-type]


def decided(home: Home, now_us: int, by: str = "ciso@example.org") -> None:
    """One of each status; gemini waits."""
    own = register(home)
    statuses = (Status.APPROVED, Status.TOLERATED, Status.BLOCKED, Status.RESTRICTED)
    for id_, status in zip(SERVICES[:4], statuses, strict=True):
        other = "chatgpt" if status.closed else None
        changes = {"instructions": f"About {id_}: use your work account.", "owner": "it@example.org"}
        own.decide(id_, status, by, now_us, why=f"reason of {id_}", alternative=other, changes=changes)


def asked_for(home: Home, now_us: int, system: str = "deepseek", who: str = "person3@example.org") -> UseException:
    """An exception that waits."""
    return exceptions(home).ask(
        system, Who.PERSON, who, now_us + 14 * DAY_US, "Comparing models for a tender.", who, now_us
    )
