"""Microsoft Entra ID: who signed in to an AI application, and who let one read the organisation's data.

Sign-ins and audit events come from Graph, from the portal, or through Azure Monitor, which puts them into `properties`;
Log Analytics writes the same names in capitals. Who signs in with the organisation's identity uses its account.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import orjson

from bartizan.readers.logs.fields import Record, app_wanted, listed, lowered, share, somebody, text
from bartizan.readers.logs.stamps import micros
from bartizan.readers.logs.visit import Evidence, Format, Sample, Tally, Unit, Visit, Wanted

MAX_EMBEDDED = 1024 * 1024  # Characters of a part that lies in a record as text
_GRANTS = frozenset(
    {"consent to application", "add delegated permission grant", "add oauth2permissiongrant",
     "add app role assignment grant to user"}
)  # fmt: skip
# What a policy of the organisation refuses, not what a person mistyped: blocked by Conditional Access, not assigned to
# the application, consent reserved to administrators, application disabled.
_REFUSED = frozenset({53000, 53001, 53002, 53003, 53004, 50105, 65001, 90094, 90095, 90099, 7000112})

Event = Mapping[str, Any]  # Any: JSON is what its author wrote


def recognise(sample: Sample) -> float:
    """Records of a sign-in or of the directory's audit."""
    return share(sample.records, lambda record: _kind(_event(record)))


def read(source: Iterator[Record], wanted: Wanted, tally: Tally) -> Iterator[Visit]:
    """The sign-ins and grants that matter."""
    for record in source:
        event = _event(record)
        kind = _kind(event)
        if not kind:
            tally.junk += 1
        elif seen := (_sign_in if kind == "sign-in" else _grant)(event, wanted, tally):
            yield seen


def _event(record: Record) -> Event:
    outer = lowered(record)
    held = _opened(outer.get("properties"))
    if isinstance(held, dict) and held:
        return {**outer, **lowered(held)}
    return outer


def _opened(held: object) -> object:
    if isinstance(held, str) and held[:1] in ("{", "[") and len(held) <= MAX_EMBEDDED:
        try:
            opened: object = orjson.loads(held)
        except orjson.JSONDecodeError:
            return None
        return opened
    return held


def _kind(event: Event) -> str:
    who = "userprincipalname" in event or "serviceprincipalname" in event or "serviceprincipalid" in event
    if (
        who
        and ("appdisplayname" in event or "resourcedisplayname" in event)
        and ("createddatetime" in event or "ipaddress" in event)
    ):
        return "sign-in"
    audit = "activitydisplayname" in event or (event.get("category") and "operationname" in event)
    return "audit" if audit and "initiatedby" in event and "targetresources" in event else ""


def _sign_in(event: Event, wanted: Wanted, tally: Tally) -> Visit | None:
    app = app_wanted(wanted, *(text(event.get(key)) for key in ("appdisplayname", "appid", "resourcedisplayname")))
    if not app:
        return None
    status = _opened(event.get("status"))
    code = status.get("errorCode") if isinstance(status, dict) else event.get("resulttype")
    code = int(code) if isinstance(code, str) and code.isascii() and code.isdigit() and len(code) < 10 else code
    person = somebody(*(text(event.get(key)) for key in ("userprincipalname", "alternatesigninname")))
    if not person:
        person = somebody(text(event.get("serviceprincipalname")), text(event.get("userdisplayname")))
    return Visit(
        time_us=micros(event.get("createddatetime") or event.get("time") or event.get("timegenerated"), tally),
        actor=person or somebody(text(event.get("ipaddress")), text(event.get("calleripaddress"))),
        host=b"",
        evidence=Evidence.CONNECTED if code else Evidence.AUTHENTICATED,
        app=app,
        account=person,
        denied=isinstance(code, int) and code in _REFUSED,
    )


def _grant(event: Event, wanted: Wanted, tally: Tally) -> Visit | None:
    activity = text(event.get("activitydisplayname")) or text(event.get("operationname"))
    if activity.strip(" .").lower() not in _GRANTS:
        return None
    targets = listed(_opened(event.get("targetresources")))
    app = app_wanted(wanted, *(text(target.get("displayName")) for target in targets))
    if not app:
        return None
    by = _opened(event.get("initiatedby"))
    user = lowered(by.get("user") or {}) if isinstance(by, dict) and isinstance(by.get("user"), dict) else {}
    person = somebody(text(user.get("userprincipalname")), text(user.get("displayname")))
    failed = text(event.get("result")).lower() in ("failure", "timeout")
    return Visit(
        time_us=micros(event.get("activitydatetime") or event.get("time") or event.get("timegenerated"), tally),
        actor=person or somebody(text(user.get("ipaddress"))),
        host=b"",
        evidence=Evidence.CONNECTED if failed else Evidence.AUTHENTICATED,
        app=app,
        account=person,
        denied=failed,
    )


FORMAT = Format(
    id="entra",
    title="Microsoft Entra sign-ins and audit",
    unit=Unit.RECORD,
    recognise=recognise,
    read=read,
    source="Microsoft Graph: signIn, directoryAudit resource types; Azure Monitor: SigninLogs, AuditLogs tables; "
    "Microsoft Entra authentication error codes",
)
