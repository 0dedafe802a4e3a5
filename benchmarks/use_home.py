"""A home whose register is full: systems, people and days as the logs of a large company tell them, fed as they are.

python -m benchmarks.use_home HOME [SYSTEMS] [ROWS]
"""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from bartizan.config import load
from bartizan.home import Home
from bartizan.home.register import exceptions, in_force, register
from bartizan.inventory.exceptions import Who
from bartizan.inventory.feeding import SourceKind, SourceRead, feed
from bartizan.inventory.system import Status
from bartizan.readers.logs.usage import AccountKind, Reached, Sort, Usage
from bartizan.readers.logs.visit import DAY_US, Evidence

SYSTEMS, ROWS, PEOPLE, DAYS = 2_000, 200_000, 3_000, 90
SOURCES = (("squid", "proxy-1"), ("zeek", "core"), ("bind", "resolver"))


def usages(services: list[Reached], rows: int, today: int, chance: random.Random) -> Iterator[Usage]:
    """Some are used by everybody, most by a few; on working days more than on others."""
    for n in range(rows):
        to = services[int(len(services) * chance.random() ** 3)]
        day = today - int(DAYS * chance.random())
        person = f"person{int(PEOPLE * chance.random() ** 2)}@example.org"
        evidence = Evidence(chance.choice((1, 2, 2, 2, 3, 4, 5)))
        sent = int(chance.lognormvariate(9, 2)) if evidence >= Evidence.UPLOADED else 0
        account = chance.choice((AccountKind.UNKNOWN, AccountKind.UNKNOWN, AccountKind.CORPORATE, AccountKind.PERSONAL))
        first_us = day * DAY_US + (n % 86_000) * 1_000_000
        yield Usage(person, to, day, evidence, 1 + n % 40, sent, 1, account, first_us, first_us + 60_000_000)


def fill(path: Path, systems: int = SYSTEMS, rows: int = ROWS) -> Path:
    """Make it; everything through the register's own functions."""
    chance, now_us = random.Random(7), time.time_ns() // 1000
    settings = load(environ={}, flags={"home": path})
    with Home.open(config=settings, environ={}) as home:
        catalogue, own = in_force(home), register(home)
        known = [Reached(one.id, Sort.SERVICE, one.name, "A") for one in catalogue.services()]
        chance.shuffle(known)
        known = known[: systems * 9 // 10]
        rest = range(systems - len(known))
        known += [Reached(f"chat{n}-ai.example", Sort.CANDIDATE, tier="candidate", score=0.7) for n in rest]
        today = now_us // DAY_US
        for number, (format_, origin) in enumerate(SOURCES):
            some = list(usages(known, rows // len(SOURCES), today - 5 * number, chance))
            read = SourceRead(SourceKind.LOGS, format_, f"{format_}".encode(), origin, lines=len(some) * 9, junk=number)
            feed(own, some, read, now_us)
        services = [one.system for one in known if one.sort is Sort.SERVICE]
        for n, status in enumerate((Status.APPROVED, Status.TOLERATED, Status.RESTRICTED, Status.BLOCKED) * 25):
            other = services[0] if status.closed and n > 3 else None
            own.decide(services[n], status, "ciso@example.org", now_us, why="As agreed.", alternative=other)
        for n in range(40):
            exceptions(home).ask(
                services[4 * n % 100 + 2], Who.PERSON, f"person{n}@example.org", now_us + 30 * DAY_US, "A trial.",
                "lead@example.org", now_us,
            )  # fmt: skip
    return path


def named(path: Path) -> tuple[str, str]:
    """The service that most people use, and one that is blocked."""
    with Home.open(path, create=False) as home:
        systems = register(home).systems()
    return systems[0].id, next(one.id for one in systems if one.status is Status.BLOCKED)


if __name__ == "__main__":
    fill(Path(sys.argv[1]), *map(int, sys.argv[2:]))
