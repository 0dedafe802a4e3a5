"""GitHub: seats of Copilot and AI applications let in, from the audit log of an organisation or enterprise.

A seat says who may use Copilot, not that it was used; GitHub does not log prompts.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from bartizan.readers.logs.fields import Record, app_wanted, share, somebody, text
from bartizan.readers.logs.stamps import micros
from bartizan.readers.logs.visit import Evidence, Format, Sample, Tally, Unit, Visit, Wanted

COPILOT = "GitHub Copilot"
_ACTION = re.compile(r"[a-z0-9_]+(?:\.[a-z0-9_]+)+")
_SEATS = re.compile(r"copilot\.(?:cfb_)?seat_(?:added|assigned|refresh|assignment_(?:created|refreshed|reused))\Z")
_GRANTS = re.compile(
    r"(?:oauth_authorization\.(?:create|update)|integration_installation(?:_request)?\.create"
    r"|(?:org|business)\.(?:oauth_app_access_(?:approved|requested)|integration_installation\w*)"
    r"|(?:org_)?credential_authorization\.grant)\Z"
)
_TIMES, _OWNERS = frozenset({"@timestamp", "created_at"}), frozenset({"actor", "org", "business"})
_NAMES = ("oauth_application_name", "application_name", "oauth_application", "integration", "app", "name")


def recognise(sample: Sample) -> float:
    """Events with an action of two words, an actor and GitHub's time."""
    return share(sample.records, _mine)


def read(source: Iterator[Record], wanted: Wanted, tally: Tally) -> Iterator[Visit]:
    """The seats and grants that matter."""
    for record in source:
        if not _mine(record):
            tally.junk += 1
            continue
        action = text(record.get("action"))
        agent = record.get("actor_is_agent") is True
        if _SEATS.match(action):
            app = app_wanted(wanted, COPILOT)
        elif _GRANTS.match(action):
            app = app_wanted(wanted, *(text(record.get(key)).replace("-", " ") for key in _NAMES))
        elif agent:
            app = app_wanted(wanted, text(record.get("actor")), COPILOT)
        else:
            continue
        if not app:
            continue
        seat = action.startswith("copilot.")
        # Who gives a seat is an administrator: it is the other one's. Who started an agent is its user.
        keys = ("user", "actor", "actor_ip") if seat or agent else ("actor", "user", "actor_ip")
        yield Visit(
            time_us=micros(record.get("@timestamp") or record.get("created_at"), tally),
            actor=somebody(*(text(record.get(key)) for key in keys)),
            host=b"",
            evidence=Evidence.CONNECTED if seat else Evidence.AUTHENTICATED,
            app=app,
            account=somebody(text(record.get("org")), text(record.get("business"))) if seat else "",
        )


def _mine(record: Record) -> bool:
    action = record.get("action")
    if not isinstance(action, str) or not _ACTION.fullmatch(action):
        return False
    return ("@timestamp" in record or "created_at" in record) and (
        "actor" in record or "org" in record or "business" in record
    )


FORMAT = Format(
    id="github-audit",
    title="GitHub audit log",
    unit=Unit.RECORD,
    recognise=recognise,
    read=read,
    source="GitHub Docs: Audit log events for your organization and for your enterprise",
)
