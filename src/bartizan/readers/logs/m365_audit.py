"""Microsoft 365 unified audit log: what people asked Copilot and other AI applications, consents, apps in Teams.

A record of the Office 365 Management Activity API, or what a search exports: there it is the text in `AuditData`. That
somebody interacted with Copilot is logged per interaction, with the host application and no text.
"""

from __future__ import annotations

from collections.abc import Iterator

import orjson

from bartizan.readers.logs.fields import Record, app_wanted, inner, listed, share, somebody, text
from bartizan.readers.logs.stamps import micros
from bartizan.readers.logs.visit import Evidence, Format, Sample, Tally, Unit, Visit, Wanted

COPILOT = "Microsoft 365 Copilot"
MAX_EMBEDDED = 1024 * 1024  # Characters of a record that lies in another as text
_INTERACTIONS = frozenset({"copilotinteraction", "connectedaiappinteraction", "aiappinteraction"})
_GRANTS = frozenset({"consent to application", "add delegated permission grant", "add oauth2permissiongrant"})
_INSTALLED = frozenset({"appinstalled", "appupgraded"})


def recognise(sample: Sample) -> float:
    """Records with an operation, a workload, a user and a time of creation."""
    return share(sample.records, _event)


def read(source: Iterator[Record], wanted: Wanted, tally: Tally) -> Iterator[Visit]:
    """The interactions, consents and installations that matter."""
    for record in source:
        event = _event(record)
        if not event:
            tally.junk += 1
            continue
        operation = text(event.get("Operation")).strip(" .").lower()
        if operation in _INTERACTIONS:
            other = operation != "copilotinteraction"
            app, evidence = app_wanted(wanted, *_ai_apps(event, other)), Evidence.PROMPT
        elif operation in _GRANTS:
            names = (text(target.get("ID")) for target in listed(event.get("Target")))
            app, evidence = app_wanted(wanted, *names), Evidence.AUTHENTICATED
        elif operation in _INSTALLED:
            app, evidence = app_wanted(wanted, text(event.get("AddOnName"))), Evidence.AUTHENTICATED
        else:
            continue
        if not app:
            continue
        person = somebody(text(event.get("UserId")))
        failed = text(event.get("ResultStatus")).lower() in ("failure", "failed")
        yield Visit(
            time_us=micros(event.get("CreationTime"), tally),
            actor=person or somebody(text(event.get("ClientIP")), text(event.get("ClientIPAddress"))),
            host=b"",
            evidence=Evidence.CONNECTED if failed else evidence,
            app=app,
            account=person,
            denied=failed,
        )


def _event(record: Record) -> Record:
    event = record
    held = record.get("AuditData") or record.get("auditData")
    if isinstance(held, str) and len(held) <= MAX_EMBEDDED:
        try:
            event = inner({"held": orjson.loads(held)}, "held")
        except orjson.JSONDecodeError:
            return {}
    elif isinstance(held, dict):
        event = held
    return event if {"CreationTime", "Operation", "Workload", "UserId"} <= event.keys() else {}


def _ai_apps(event: Record, other: bool) -> Iterator[str]:
    for key in ("AppIdentity", "AgentName", "AppName", "ApplicationName"):
        if other and (name := text(event.get(key))):
            yield name.replace(".", " ")
            yield name
    if not other:
        yield COPILOT


FORMAT = Format(
    id="m365-audit",
    title="Microsoft 365 unified audit log",
    unit=Unit.RECORD,
    recognise=recognise,
    read=read,
    source="Office 365 Management Activity API: common schema, CopilotInteraction; Purview: Audit log activities",
)
