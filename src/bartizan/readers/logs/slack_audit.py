"""Slack: AI applications that were installed or approved, from the Audit Logs API."""

from __future__ import annotations

from collections.abc import Iterator

from bartizan.readers.logs.fields import Record, app_wanted, at, inner, share, somebody, text
from bartizan.readers.logs.stamps import micros
from bartizan.readers.logs.visit import Evidence, Format, Sample, Tally, Unit, Visit, Wanted

_ACTIONS = frozenset({"app_installed", "app_approved", "app_scopes_expanded", "app_restricted", "app_token_preserved"})


def recognise(sample: Sample) -> float:
    """Events with an action, an actor, an entity and Slack's time."""
    return share(sample.records, _mine)


def read(source: Iterator[Record], wanted: Wanted, tally: Tally) -> Iterator[Visit]:
    """The applications that matter."""
    for record in source:
        if not _mine(record):
            tally.junk += 1
            continue
        action = text(record.get("action"))
        app = app_wanted(wanted, text(at(record, "entity", "app", "name"))) if action in _ACTIONS else ""
        if not app:
            continue
        user = inner(record, "actor", "user")
        yield Visit(
            time_us=micros(record.get("date_create"), tally),
            actor=somebody(text(user.get("email")), text(user.get("name")), text(at(record, "context", "ip_address"))),
            host=b"",
            evidence=Evidence.CONNECTED if action == "app_restricted" else Evidence.AUTHENTICATED,
            app=app,
            account=somebody(text(at(record, "context", "location", "domain"))),
            denied=action == "app_restricted",
        )


def _mine(record: Record) -> bool:
    return {"action", "actor", "entity", "date_create"} <= record.keys()


FORMAT = Format(
    id="slack-audit",
    title="Slack audit log",
    unit=Unit.RECORD,
    recognise=recognise,
    read=read,
    source="Slack: Audit Logs API, Audit log actions (app)",
)
