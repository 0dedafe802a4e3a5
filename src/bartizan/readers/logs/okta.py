"""Okta: sign-ins to AI applications through it, assignments and grants, from the System Log."""

from __future__ import annotations

from collections.abc import Iterator

from bartizan.readers.logs.fields import Record, app_wanted, at, listed, share, somebody, text
from bartizan.readers.logs.stamps import micros
from bartizan.readers.logs.visit import Evidence, Format, Sample, Tally, Unit, Visit, Wanted

_SSO = "user.authentication.sso"
_ASSIGNED = "application.user_membership.add"
_GRANTS = "app.oauth2."
_ENDS = (".revoke", ".delete", ".deny")
_APPS = frozenset({"AppInstance", "PublicClientApp", "AppUser", "OAuth2Client"})
_SUCCEEDED = frozenset({"SUCCESS", "ALLOW", ""})


def recognise(sample: Sample) -> float:
    """Events with a type, a time of publication, an actor and an outcome."""
    return share(sample.records, _mine)


def read(source: Iterator[Record], wanted: Wanted, tally: Tally) -> Iterator[Visit]:
    """The events that matter."""
    for record in source:
        if not _mine(record):
            tally.junk += 1
            continue
        kind = text(record.get("eventType"))
        if kind not in (_SSO, _ASSIGNED) and not (kind.startswith(_GRANTS) and not any(end in kind for end in _ENDS)):
            continue
        targets = listed(record.get("target"))
        app = app_wanted(wanted, *_apps(record, targets))
        if not app:
            continue
        person = _person(record, targets, kind)
        failed = text(at(record, "outcome", "result")) not in _SUCCEEDED
        yield Visit(
            time_us=micros(record.get("published"), tally),
            actor=person or somebody(text(at(record, "client", "ipAddress"))),
            host=b"",
            evidence=Evidence.CONNECTED if failed or kind == _ASSIGNED else Evidence.AUTHENTICATED,
            app=app,
            account=person,
            denied=failed,
        )


def _mine(record: Record) -> bool:
    return {"eventType", "published", "actor"} <= record.keys() and ("outcome" in record or "target" in record)


def _apps(record: Record, targets: object) -> Iterator[str]:
    for target in listed(targets):
        if text(target.get("type")) in _APPS:
            yield text(target.get("displayName"))
    if text(at(record, "actor", "type")) in _APPS:  # A client that asks for its own token
        yield text(at(record, "actor", "displayName"))


def _person(record: Record, targets: object, kind: str) -> str:
    """Whose use it is: of an assignment, the person that it is given to."""
    users = [text(target.get("alternateId")) for target in listed(targets) if target.get("type") == "User"]
    actor = text(at(record, "actor", "alternateId")) if at(record, "actor", "type") in ("User", None) else ""
    return somebody(*users, actor) if kind == _ASSIGNED else somebody(actor, *users)


FORMAT = Format(
    id="okta",
    title="Okta System Log",
    unit=Unit.RECORD,
    recognise=recognise,
    read=read,
    source="Okta Developer: System Log API, LogEvent; Event types",
)
