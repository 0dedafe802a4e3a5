"""Google Cloud audit logs: calls of Vertex AI and of Google's other AI interfaces.

Data access logs name the person and the method; those that generate or predict are prompts. The entry is that of Cloud
Logging, from a sink or an export; BigQuery's table names the payload a little differently.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from bartizan.readers.logs.fields import Record, at, first_wanted, inner, share, somebody, text
from bartizan.readers.logs.stamps import micros
from bartizan.readers.logs.visit import Evidence, Format, Sample, Tally, Unit, Visit, Wanted

_LOCATION = re.compile(r"/locations/([a-z0-9-]{2,40})(?:/|\Z)")
_ASKS = r"predict|generat|chat|converse|assist|answer|embed|complete"
_PROMPTS = re.compile(rf"(?!list|get|delete|cancel)\w*(?:{_ASKS})", re.IGNORECASE)
_PERMISSION_DENIED, _UNAUTHENTICATED = 7, 16  # google.rpc.Code


def recognise(sample: Sample) -> float:
    """Log entries whose payload is an audit log."""
    return share(sample.records, _payload)


def read(source: Iterator[Record], wanted: Wanted, tally: Tally) -> Iterator[Visit]:
    """The calls that matter."""
    for record in source:
        payload = _payload(record)
        if not payload:
            tally.junk += 1
            continue
        host = first_wanted(wanted, *_hosts(record, payload))
        if not host:
            continue
        denied = at(payload, "status", "code") in (_PERMISSION_DENIED, _UNAUTHENTICATED)
        method = text(payload.get("methodName")).rpartition(".")[2]
        yield Visit(
            time_us=micros(record.get("timestamp") or record.get("receiveTimestamp"), tally),
            actor=_actor(payload),
            host=host,
            evidence=Evidence.PROMPT if _PROMPTS.match(method) and not denied else Evidence.AUTHENTICATED,
            denied=denied,
        )


def _payload(record: Record) -> Record:
    payload = inner(record, "protoPayload") or inner(record, "protopayload_auditlog")
    return payload if "serviceName" in payload and "methodName" in payload else {}


def _hosts(record: Record, payload: Record) -> Iterator[bytes]:
    service = text(payload.get("serviceName")).encode("utf-8", "replace")
    named = _LOCATION.search(text(payload.get("resourceName")))
    location = named[1] if named else text(at(record, "resource", "labels", "location"))
    if location and location != "global":
        yield location.encode("utf-8", "replace") + b"-" + service
    yield service


def _actor(payload: Record) -> str:
    who = inner(payload, "authenticationInfo")
    address = text(at(payload, "requestMetadata", "callerIp"))
    return somebody(text(who.get("principalEmail")), text(who.get("principalSubject")), address)


FORMAT = Format(
    id="vertex-audit",
    title="Google Cloud audit log",
    unit=Unit.RECORD,
    recognise=recognise,
    read=read,
    source="Google Cloud: AuditLog (google.cloud.audit), LogEntry; Vertex AI audit logging information",
)
