"""What was recorded, as a policy decides on it again: what a new one would have done."""

from __future__ import annotations

import heapq
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bartizan.ledger.read import Record, parse, recorded, resumed
from bartizan.policy.diff import Effect, Past, effect
from bartizan.store.logfile import LogFile, RecordRow, logs

if TYPE_CHECKING:
    from bartizan.home import Home
    from bartizan.policy.model import Policy

DAY_US = 86_400_000_000
AT_ONCE = 500  # Records read in one go: a reader that stays keeps a log from being tidied.
MAX_DECISIONS = 20_000
WITHIN_S = 5.0
# Others go first every 2 ms: a page that reads 20 times would else wait 20 times for Python's own switch, after 5 ms.
TURN_S, BREAK_S = 0.002, 0.0005


@dataclass(frozen=True, slots=True)
class WhatIf:
    """What a policy would have done with the newest decisions. `since_us`: how far back that went.

    `cut` says why it is no further, in words; "" where it went all the way.
    """

    effect: Effect
    days: int
    since_us: int
    cut: str = ""


def past(home: Home, old: Policy, found: Iterable[Record]) -> Iterator[Past]:
    """Recorded decisions as they were made. `old` is the policy in force: by it, slow detectors ran or did not."""
    from bartizan.core.detector import Cost
    from bartizan.loop import Loop
    from bartizan.rules.risks import catalogue

    detectors = home.detectors
    looked = {risk for d in detectors for risk in d.risks if d.cost is Cost.INLINE or old.needs(risk)}
    looked |= {risk for risk in catalogue() if risk.startswith("unread.")}
    examined = frozenset(looked)
    now_digest = Loop(detectors, lambda: old).detectors_digest
    names: dict[str, str | None] = {}

    def name(person: str) -> str | None:
        if person not in names:
            names[person] = home.vault.name(person)
        return names[person]

    for record in found:
        if "direction" not in record or "when_us" not in record or "door" not in record:
            continue  # What commands did, and what happened to logs.
        if "paused" in record:
            continue  # No policy decided this one, and none ever saw its text.
        same = record.get("detectors") == now_digest
        yield Past(str(record.get("exchange", "")), *recorded(record, name), examined if same else None)


def what_if(
    home: Home,
    old: Policy,
    new: Policy,
    now_us: int,
    *,
    days: int = 7,
    at_most: int = MAX_DECISIONS,
    within_s: float = WITHIN_S,
) -> WhatIf:
    """Both policies over the newest decisions of some days, as many as there is time for."""
    until_s = time.monotonic() + within_s
    since_us = now_us - days * DAY_US
    cut, reached_us, count = "", since_us, 0

    def some() -> Iterator[Past]:
        nonlocal cut, reached_us, count
        turn_s = time.monotonic()
        for one in past(home, old, newest(home.path, since_us)):
            now_s = time.monotonic()
            if count >= at_most or now_s > until_s:
                cut = f"the newest {count:,} decisions" + ("" if count >= at_most else f", after {within_s:g} seconds")
                return
            if now_s - turn_s > TURN_S:
                time.sleep(BREAK_S)
                turn_s = time.monotonic()
            count += 1
            reached_us = one.context.when_us
            yield one

    result = effect(old, new, some())
    return WhatIf(result, days, reached_us if cut else since_us, cut)


def newest(home: Path, since_us: int) -> Iterator[Record]:
    """The records of all logs since a time, the newest first."""
    paths = logs(home)
    ends = resumed(paths)
    logged = [_backwards(path, since_us, ends) for path in paths]
    return (parse(row) for row in heapq.merge(*logged, key=lambda row: -row.time_us))


def _backwards(path: Path, since_us: int, ends: dict[str, int]) -> Iterator[RecordRow]:
    """A log's records from its end on."""
    with LogFile.reading(path) as file:
        end = min(file.size(), ends.get(file.name, 2**62))
    while end > 0:
        first = max(0, end - AT_ONCE)
        with LogFile.reading(path) as file:
            rows = list(file.records(first, end, since_us=since_us))
        yield from reversed(rows)
        if not rows:
            return  # All of them are older: so are those before them.
        end = first
