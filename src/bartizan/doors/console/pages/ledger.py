"""The ledger: is the record whole, and can this one be proved?"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING

from bartizan.core.errors import BartizanError, InputError, UsageError
from bartizan.doors.console.answers import Done, File, Page
from bartizan.doors.console.routes import act, page
from bartizan.home.verifying import Checking, public_keys
from bartizan.ledger import erase
from bartizan.ledger.checkpoint import PUBLIC_FILE
from bartizan.ledger.faults import Report
from bartizan.ledger.proof import prove
from bartizan.ledger.standing import Outside, Standing, outside, standings
from bartizan.vault.accounts import Role

if TYPE_CHECKING:
    from bartizan.doors.console.asked import Asked

CSS = ("settings.css", "ledger.css")
MAX_LOGS = 60  # shown; every process that ever recorded under a name of its own has one
MAX_FAULTS = 200
MAX_PROVED = 100  # Records of one exchange; whoever opens a text a thousand times must not fill its proof.
RECENT = 12
DAY_US = 86_400_000_000
# What people do. Signing in and out, and logs that begin, would hide it.
TOLD = (
    "account-*", "key-*", "token-*", "link-made", "sign-in-failed", "password-set", "policy-*", "case-*", "feedback*",
    "example-*", "note-opened", "assigned", "name-*", "text*", "exported", "forgotten", "retention*",
    "use-*",
)  # fmt: skip
_EXCHANGE = re.compile(r"[\x21-\x7e]{1,200}")


@dataclass(frozen=True, slots=True)
class Verdict:
    """The state of the record in a sentence; `level` is good, warn, bad or none."""

    level: str
    says: str
    more: str


def ledger(asked: Asked) -> Page:
    """The state of the record, its logs, its checkpoints, and what can be done with them."""
    console = asked.console
    logs = standings(console.home.path)
    now = console.verifier.now
    try:
        publics, key_problem = public_keys(console.home.path), ""
    except BartizanError as error:
        publics, key_problem = (), str(error)
    config = console.config
    kept = _outside(asked, logs, publics)
    verdict = _verdict(now, logs)
    total = sum(log.records for log in logs)
    newest = max(logs, key=lambda log: log.last_us, default=None)
    values = {
        "verdict": verdict,
        "checking": now,
        "report": now.report,
        "faults": now.report.faults[:MAX_FAULTS] if now.report else (),
        "logs": sorted(logs, key=lambda log: (not log.problem, -log.last_us))[:MAX_LOGS],
        "hidden": max(0, len(logs) - MAX_LOGS),
        "total": total,
        "size": sum(log.bytes for log in logs),
        "unsigned": sum(log.records - log.signed for log in logs if not log.problem),
        "newest": newest,
        "outside": kept,
        "outside_file": config.checkpoint_file,
        "fingerprint": sha256(publics[0]).hexdigest()[:16] if publics else "",
        "key_problem": key_problem,
        "retention_days": config.retention_days,
        "kept_from": erase.kept_from(console.home.state),
        "months": sorted({month for log in logs for month in log.months}),
        "changes": _changes(asked),
        "home": str(console.home.path),
        "since": _day(asked.now_us - 6 * DAY_US),
        "until": _day(asked.now_us),
    }
    return Page("ledger.html", values, value=_json(values, logs), css=CSS)


def _outside(asked: Asked, logs: tuple[Standing, ...], publics: tuple[bytes, ...]) -> Outside | None:
    """How what is kept outside agrees; None where nothing is configured."""
    file = asked.console.config.checkpoint_file
    if file is None:
        return None
    return outside(file, logs[:MAX_LOGS], publics)


def _verdict(now: Checking, logs: tuple[Standing, ...]) -> Verdict:
    broken = [log for log in logs if log.problem]
    if now.running:
        done = f"{now.looked:,} of {now.of:,} records looked at." if now.of else "It has just begun."
        return Verdict("none", "The record is being checked.", done + " The gateway is not held up by it.")
    if broken:
        what = "A log cannot be read." if len(broken) == 1 else f"{len(broken)} logs cannot be read."
        return Verdict("bad", what, "Keep the files as they are: they are evidence. What can be read stands below.")
    if now.problem:
        return Verdict("bad", "The last check came to no result.", now.problem)
    report = now.report
    if report is None:
        return Verdict("none", "The record was not checked since this console started.", "A check reads every record.")
    if report.faults:
        count = "1 fault was" if len(report.faults) == 1 else f"{len(report.faults):,} faults were"
        more = "Each one stands below. Keep the files as they are: they are evidence."
        return Verdict("bad", f"The record does not hold: {count} found.", more)
    if not report.outside:
        more = "No checkpoint is kept outside, so whoever holds the signing key could have written another past."
        return Verdict("warn", "The record agrees with itself.", more)
    compared = f"Compared with checkpoints kept outside for {report.outside} of {report.logs} logs."
    return Verdict("good", "The record is whole.", compared)


def _changes(asked: Asked) -> tuple[dict[str, object], ...]:
    """The newest administrative events."""
    found = asked.console.index.changes(asked.now_us - 90 * DAY_US, asked.now_us, RECENT, what=TOLD)
    names = {account.person: account.name for account in asked.console.accounts.accounts() if account.roles}
    return tuple(
        {
            "time_us": change.time_us,
            "what": change.what,
            "by": names.get(change.by, change.by),
            "exchange": change.exchange,
        }
        for change in found
    )


def _json(values: dict[str, object], logs: tuple[Standing, ...]) -> dict[str, object]:
    verdict, now = values["verdict"], values["checking"]
    assert isinstance(verdict, Verdict) and isinstance(now, Checking)
    return {
        "schema": "bartizan.ledger/1",
        "state": verdict.level,
        "says": verdict.says,
        "records": values["total"],
        "checking": {"running": now.running, "looked": now.looked, "of": now.of, "problem": now.problem},
        "verified": _report(now.report, now.finished_us),
        "logs": [
            {
                "name": log.name,
                "records": log.records,
                "signed": log.signed,
                "bytes": log.bytes,
                "problem": log.problem,
                "checkpoint": log.note,
            }
            for log in logs
        ],
    }


def _report(report: Report | None, when_us: int) -> dict[str, object] | None:
    if report is None:
        return None
    return {
        "at_us": when_us,
        "verdict": report.verdict,
        "records": report.records,
        "outside": report.outside,
        "faults": [{"log": fault.log, "record": fault.record, "what": fault.what} for fault in report.faults],
    }


def verify(asked: Asked) -> Done:
    """A check of everything, begun."""
    begun = asked.console.verifier.start()
    said = "The check has begun; this page shows how far it is." if begun else "A check is under way already."
    return Done(said, "/ledger", {"begun": begun})


# ---- What can be taken along -----------------------------------------------------------------------------------------


def checkpoints(asked: Asked) -> File:
    """The newest signed checkpoint of every log, to keep where nobody here can change them."""
    notes = [log.note for log in standings(asked.console.home.path) if log.note]
    if not notes:
        raise UsageError("nothing is signed yet; a checkpoint follows within a second of the first record")
    return File("checkpoints.txt", "text/plain; charset=utf-8", "\n".join(notes).encode() + b"\n")


def key(asked: Asked) -> File:
    """The public key that checks signatures and proofs."""
    public_keys(asked.console.home.path)  # Raises where there is none.
    return File(PUBLIC_FILE, "text/plain; charset=utf-8", (asked.console.home.path / PUBLIC_FILE).read_bytes())


def proof(asked: Asked) -> File:
    """The proof of one exchange, for somebody who has nothing but the public key."""
    exchange = asked.path.get("exchange", "") or asked.query.get("exchange", "").strip()
    if not _EXCHANGE.fullmatch(exchange):
        raise InputError("is the id of an exchange, as an event's page and every refusal show it", "exchange")
    made = prove(asked.console.home.path, exchange, at_most=MAX_PROVED)
    name = re.sub(r"[^A-Za-z0-9._-]", "-", exchange)[:80]
    return File(f"proof-{name}.json", "application/json", json.dumps(made, indent=2, ensure_ascii=False).encode())


def _day(when_us: int) -> str:
    """The day of a time here, as a date field takes it."""
    from datetime import datetime

    return datetime.fromtimestamp(when_us / 1e6).astimezone().strftime("%Y-%m-%d")


ROUTES = (
    page("/ledger", ledger, Role.VIEWER),
    act("/ledger/verify", verify, Role.VIEWER),
    page("/ledger/checkpoints", checkpoints, Role.VIEWER),
    page("/ledger/key", key, Role.VIEWER),
    page("/ledger/proof", proof, Role.VIEWER),
    page("/ledger/proof/{exchange}", proof, Role.VIEWER),
)
