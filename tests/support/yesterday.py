"""A day of work that lies behind a home: records with a clock of their own, written by the real ledger."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from bartizan.config import load
from bartizan.core.decision import Action, Decision, Edit, How
from bartizan.core.finding import Finding, Place, Seen, Severity
from bartizan.core.subject import Context, Direction, Kind, Subject
from bartizan.doors.gateway.demo import PEOPLE
from bartizan.home import Home
from bartizan.ledger.entry import entry
from bartizan.ledger.writer import Writer
from bartizan.report.ids import Ids

HOUR_US = 3_600_000_000
PLACE = Place("/messages/0/content", 10, 30)
EDIT = Edit("/messages/0/content", 10, 30, How.REDACT, "[removed]")
MODELS = ("gpt-4o", "gpt-4o-mini", "o4-mini")


def _seen(risk: str, severity: Severity, detector: str, confidence: float) -> frozenset[Seen]:
    return frozenset({Seen(Finding(risk, severity, confidence, (PLACE,), "one such place", (), detector))})


SECRET = _seen("secret.aws-access-key", Severity.CRITICAL, "text.secrets@1", 0.98)
ADDRESS = _seen("personal.email", Severity.LOW, "text.personal-data@1", 0.9)
ACCOUNT = _seen("personal.iban", Severity.MEDIUM, "text.personal-data@1", 0.98)
CARD = _seen("personal.payment-card", Severity.HIGH, "text.personal-data@1", 0.95)
TAGS = _seen("hidden.tag-characters", Severity.HIGH, "text.hidden@1", 0.97)
# How often of a thousand requests each is decided, by the clauses of the house's policy; the rest passes.
DECIDED = (
    (26, Decision(edits=frozenset({EDIT}), clauses=frozenset({"no-secrets-out"}), seen=SECRET)),
    (16, Decision(Action.JUSTIFY, clauses=frozenset({"addresses-need-a-reason"}), seen=ADDRESS)),
    (9, Decision(Action.REVIEW, clauses=frozenset({"accounts-need-approval"}), seen=ACCOUNT)),
    (8, Decision(would_edits=frozenset({EDIT}), clauses=frozenset({"watch-hidden-characters"}), seen=TAGS)),
    (5, Decision(Action.BLOCK, clauses=frozenset({"no-cards-in-answers"}), seen=CARD)),
)


def moments(chance: random.Random, count: int, until_us: int) -> Iterator[tuple[int, int]]:
    """Of the 24 hours before, a moment for every ten minutes, and how many then: more of them where it was day."""
    times = [until_us - step * HOUR_US // 6 for step in range(141, 0, -1)]
    busy = [0.12 + max(0.0, 1 - abs(time_us / HOUR_US % 24 - 13) / 6) for time_us in times]
    drawn = Counter(chance.choices(times, busy, k=count))
    return iter(sorted(drawn.items()))


def worked(folder: Path, policy: str, count: int = 2400, seed: int = 4) -> None:
    """Make a home and leave a day of so many requests in it."""
    folder.mkdir(mode=0o700, parents=True)
    (folder / "policy.yaml").write_text(policy)
    chance = random.Random(seed)
    now_us = time.time_ns() // 1000
    clock = [now_us - 25 * HOUR_US]
    with Home.open(folder, load(flags={"home": str(folder)}, environ={})) as home:
        in_force = home.policy().ref
        ids = Ids(lambda: clock[0] * 1000, chance.randbytes)
        writer = Writer.open(
            folder, "gateway-9", vault=home.vault, signer=home.signer, reserve_bytes=0, clock_us=lambda: clock[0]
        )
        for clock[0], how_many in moments(chance, count, now_us):
            ticket = 0
            for _ in range(how_many):
                ticket = exchange(home, writer, chance, in_force, ids.next())
            writer.wait(ticket)  # A record has the time at which it is written.
        writer.close()


def exchange(home: Home, writer: Writer, chance: random.Random, policy: str, id_: str) -> int:
    """Record a request. The ticket of its record."""
    person, group, app = chance.choices(PEOPLE, (5, 4, 3, 4, 7))[0]
    model = chance.choices(MODELS, (6, 3, 1))[0]
    context = Context(person, (group,), app, f"k-{app}", "openai", model, "api.openai.com", True, Direction.OUT)
    told = entry(
        Subject(Kind.CHAT, "", None, context=context),
        drawn(chance),
        exchange=id_,
        side="request",
        door="gateway",
        policy=policy,
        detectors="b" * 64,
        content=b"",
        vault=home.vault,
    )
    return writer.append(told, ())


def drawn(chance: random.Random) -> Decision:
    """One of the decisions."""
    at = chance.randrange(1000)
    for share, decision in DECIDED:
        at -= share
        if at < 0:
            return decision
    return Decision()
