"""Google Workspace: applications that people let into their account, sign-ins through it, and Gemini in its apps.

An activity of the Reports API; `events` is a list or, where a log shipper split it, one object.
"""

from __future__ import annotations

from collections.abc import Iterator

from bartizan.readers.logs.fields import Record, app_wanted, at, inner, listed, share, somebody, text
from bartizan.readers.logs.stamps import micros
from bartizan.readers.logs.visit import Evidence, Format, Sample, Tally, Unit, Visit, Wanted

_NAMES = frozenset({"app_name", "application_name", "oauth2_app_name", "app_display_name"})
_ENDS = frozenset({"revoke", "delete", "remove"})
_GEMINI = "gemini_in_workspace_apps"


def recognise(sample: Sample) -> float:
    """Activities: an application and a time in `id`, an actor, events."""
    return share(sample.records, _mine)


def read(source: Iterator[Record], wanted: Wanted, tally: Tally) -> Iterator[Visit]:
    """The events that matter."""
    for record in source:
        if not _mine(record):
            tally.junk += 1
            continue
        person = somebody(text(at(record, "actor", "email")))
        gemini = at(record, "id", "applicationName") == _GEMINI
        for event in listed(record.get("events")):
            name = text(event.get("name")).lower()
            app = app_wanted(wanted, "Gemini") if gemini else app_wanted(wanted, *_apps(event))
            if not app or name in _ENDS:
                continue
            refused = "fail" in name or "block" in name or "denied" in name
            sure = Evidence.PROMPT if gemini else Evidence.AUTHENTICATED
            yield Visit(
                time_us=micros(at(record, "id", "time"), tally),
                actor=person or somebody(text(record.get("ipAddress"))),
                host=b"",
                evidence=Evidence.CONNECTED if refused else sure,
                app=app,
                account=person,
                denied=refused,
            )


def _mine(record: Record) -> bool:
    what = inner(record, "id")
    return "applicationName" in what and "time" in what and "actor" in record and "events" in record


def _apps(event: Record) -> Iterator[str]:
    for parameter in listed(event.get("parameters")):
        if text(parameter.get("name")).lower() in _NAMES:
            yield text(parameter.get("value"))


FORMAT = Format(
    id="google-workspace",
    title="Google Workspace token, login and Gemini audit",
    unit=Unit.RECORD,
    recognise=recognise,
    read=read,
    source="Google Workspace Reports API: Activities; OAuth Token, SAML and Gemini in Workspace Apps activity events",
)
