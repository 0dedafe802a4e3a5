"""A home with many exchanges, as a month of work leaves it: what the console's pages are measured with.

    python -m benchmarks.console_home HOME [COUNT]

Written by the real ledger: every record is one that `bartizan ledger verify` accepts. Only the flushes are left out (a
file layer with synchronous=OFF), and the clock is that of a month which ends now. Without HOME: a folder of its own,
filled, verified and thrown away.
"""

from __future__ import annotations

import random
import sqlite3
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from bartizan.config import load
from bartizan.core.decision import Action, Decision, Edit, How
from bartizan.core.finding import Failure, Finding, Place, Seen, Severity
from bartizan.core.subject import Context, Direction, Kind, Subject
from bartizan.home import Home
from bartizan.ledger.entry import entry
from bartizan.ledger.verify import verify_home
from bartizan.ledger.writer import Writer
from bartizan.report.ids import Ids
from bartizan.store.state import log_names

COUNT = 100_000
DAYS = 30
PEOPLE = 200
STAMPS = 50_000  # moments at which something is written: a commit each
DETECTORS = "b" * 64
APPS = (
    "chat", "research-assistant", "support-desk", "code-review", "contract-reader", "mail-drafts", "data-lab", "ml-ci",
    "sales-notes", "translation", "meeting-minutes", "wiki-search",
)  # fmt: skip
GROUPS = ("engineering", "support", "finance", "legal", "sales", "research")
MODELS = (
    ("openai", "gpt-5", "api.openai.com"),
    ("openai", "gpt-5-mini", "api.openai.com"),
    ("anthropic", "claude-sonnet-5", "api.anthropic.com"),
    ("anthropic", "claude-haiku-5", "api.anthropic.com"),
    ("mistral", "mistral-large", "api.mistral.ai"),
    ("local", "qwen-3-32b", "127.0.0.1"),
    ("local", "llama-4-scout", "127.0.0.1"),
    ("local", "gpt-oss-20b", "127.0.0.1"),
)
CONTENT = "/messages/0/content"
PLACE = Place(CONTENT, 10, 30)
EDIT = Edit(CONTENT, 10, 30, How.REDACT, "[removed]")
_SEEN = {
    "secret.aws-access-key": Severity.CRITICAL,
    "secret.github-token": Severity.CRITICAL,
    "secret.password": Severity.HIGH,
    "secret.connection-string": Severity.HIGH,
    "personal.payment-card": Severity.HIGH,
    "personal.email": Severity.LOW,
    "personal.phone": Severity.LOW,
    "personal.iban": Severity.MEDIUM,
    "hidden.zero-width": Severity.LOW,
    "hidden.tag-characters": Severity.HIGH,
}


class Unflushed(sqlite3.Connection):
    """SQLite without waiting for the disk."""

    def execute(self, sql: str, *params: object) -> sqlite3.Cursor:
        return super().execute(sql.replace("synchronous=FULL", "synchronous=OFF"), *params)


def _seen(*risks: str) -> frozenset[Seen]:
    family = {"secret": "text.secrets@1", "personal": "text.personal-data@1", "hidden": "text.hidden@1"}
    return frozenset(
        Seen(Finding(risk, _SEEN[risk], 0.9, (PLACE,), "one such place", (), family[risk.partition(".")[0]]))
        for risk in risks
    )


def _redacted(clause: str, *risks: str) -> Decision:
    return Decision(edits=frozenset({EDIT}), clauses=frozenset({clause}), seen=_seen(*risks))


def _observed(clause: str, *risks: str) -> Decision:
    return Decision(would_edits=frozenset({EDIT}), clauses=frozenset({clause}), seen=_seen(*risks))


def _stopped(action: Action, clause: str, *risks: str) -> Decision:
    return Decision(action, clauses=frozenset({clause}), seen=_seen(*risks))


UNREAD = Seen(Failure("encoded beyond our reading", ("unread.encoded",), (PLACE,), "text.secrets@1"))
# How often of a thousand requests each is decided; the rest pass without anything found.
REQUESTS = (
    (12, _redacted("no-secrets-out", "secret.aws-access-key")),
    (5, _redacted("no-secrets-out", "secret.password", "secret.connection-string")),
    (3, _redacted("no-secrets-out", "secret.github-token", "personal.email")),
    (6, _redacted("no-payment-cards", "personal.payment-card")),
    (14, _observed("watch-personal-data", "personal.email")),
    (6, _observed("watch-personal-data", "personal.email", "personal.phone")),
    (2, _observed("watch-personal-data", "personal.iban")),
    (2, _observed("watch-hidden-characters", "hidden.zero-width")),
    (5, _stopped(Action.WARN, "watch-personal-data", "personal.phone")),
    (5, _stopped(Action.JUSTIFY, "no-payment-cards", "personal.payment-card")),
    (3, _stopped(Action.REVIEW, "no-secrets-out", "secret.connection-string")),
    (3, _stopped(Action.BLOCK, "watch-hidden-characters", "hidden.tag-characters")),
    (1, Decision(Action.BLOCK, clauses=frozenset({"no-secrets-out"}), seen=frozenset({UNREAD}))),
)
ANSWERS = (
    (3, _redacted("no-secrets-in", "secret.password")),
    (1, _redacted("no-payment-cards", "personal.payment-card")),
)
NOTHING = Decision()
SEALED = b"a text in which something was found, as long as such texts are. " * 8


def _drawn(chance: random.Random, table: tuple[tuple[int, Decision], ...]) -> Decision:
    at = chance.randrange(1000)
    for share, decision in table:
        at -= share
        if at < 0:
            return decision
    return NOTHING


def _moments(chance: random.Random, count: int, until_us: int) -> Iterator[int]:
    """Moments of the last month in order, more of them by day than by night."""
    day_us = 86_400_000_000
    today_us = until_us // day_us * day_us
    drawn = []
    for _ in range(count):
        hour = min(23.99, max(0.0, chance.gauss(13, 3.5)))
        moment_us = today_us - chance.randrange(DAYS) * day_us + int(hour * 3_600_000_000)
        drawn.append(moment_us if moment_us < until_us else moment_us - chance.randrange(1, DAYS) * day_us)
    return iter(sorted(drawn))


def people() -> list[str]:
    """Names, as keys would give them."""
    return [f"person-{number:03}@example.org" for number in range(PEOPLE)]


def fill(folder: Path, count: int = COUNT, seed: int = 1) -> Path:
    """A home with so many exchanges, request and answer each; about 100 MB for 100,000."""
    chance = random.Random(seed)
    home = Home.open(folder, load(flags={"home": str(folder)}, environ={}))
    policy = home.policy()
    now_us = time.time_ns() // 1000
    clock = [now_us - (DAYS + 1) * 86_400_000_000]
    writer = Writer.open(
        folder,
        "gateway-0",
        vault=home.vault,
        signer=home.signer,
        reserve_bytes=0,
        clock_us=lambda: clock[0],
        factory=Unflushed,
    )
    ids = Ids(lambda: clock[0] * 1000, chance.randbytes)
    who = [
        Context(
            person,
            (chance.choice(GROUPS),),
            chance.choice(APPS),
            f"k-{number:03}",
            sanctioned=True,
        )
        for number, person in enumerate(people())
    ]
    weights = [1 / (1 + number % 40) for number in range(PEOPLE)]  # some ask much more than others
    together = max(1, count // STAMPS)
    done = 0
    for moment_us in _moments(chance, -(-count // together), now_us):
        clock[0] = moment_us
        ticket = 0
        for context in chance.choices(who, weights, k=min(together, count - done)):
            ticket = exchange(home, writer, chance, context, policy.ref, ids.next(), moment_us)
            done += 1
        writer.wait(ticket)
    writer.close()
    home.close()
    return folder


def exchange(
    home: Home, writer: Writer, chance: random.Random, context: Context, policy: str, id_: str, when_us: int
) -> int:
    """Record one: its request and, where that passes, its answer. The ticket of the last record."""
    provider, model, host = chance.choices(MODELS, (30, 20, 15, 10, 8, 8, 6, 3))[0]
    decision = _drawn(chance, REQUESTS)
    ticket = 0
    for side, decided in (("request", decision), ("answer", _drawn(chance, ANSWERS))):
        direction = Direction.OUT if side == "request" else Direction.IN
        subject = Subject(
            Kind.CHAT,
            "",
            None,
            context=Context(
                context.person,
                context.groups,
                context.app,
                context.key,
                provider,
                model,
                host,
                host != "api.mistral.ai",
                direction,
                when_us,
            ),
        )
        told = entry(
            subject,
            decided,
            exchange=id_,
            side=side,
            door="gateway",
            policy=policy,
            detectors=DETECTORS,
            content=SEALED,
            vault=home.vault,
        )
        ticket = writer.append(told, [(side, SEALED)] if decided.seen else ())
        if decided.action > Action.WARN:  # A request that is refused has no answer.
            break
    return ticket


def main(folder: Path, count: int) -> None:
    """Fill, verify, and say how long it took."""
    began = time.perf_counter()
    fill(folder, count)
    filled = time.perf_counter() - began
    home = Home.open(folder, load(flags={"home": str(folder)}, environ={}), create=False)
    report = verify_home(folder, publics=[home.signer.public], expected=log_names(folder))
    home.close()
    mib = sum(path.stat().st_size for path in folder.iterdir()) / 2**20
    print("| exchanges | records | MiB | seconds to fill | verify |")
    print("|---|---|---|---|---|")
    print(f"| {count:,} | {report.records:,} | {mib:,.0f} | {filled:.0f} | {report.verdict} |")
    if report.faults:
        raise SystemExit(1)


if __name__ == "__main__":
    count = int(sys.argv[2]) if len(sys.argv) > 2 else COUNT
    if len(sys.argv) > 1:
        main(Path(sys.argv[1]), count)
    else:
        with tempfile.TemporaryDirectory() as temporary:
            main(Path(temporary) / "home", count)
