"""Azure OpenAI and Azure AI services: the diagnostic log of the resource, from Event Hubs, storage or Log Analytics.

It names no person but an object id, where the caller signed in with Entra, and masks the last part of the address.
`properties` is an object or a text that holds one; Log Analytics writes the same names in capitals.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import orjson

from bartizan.readers.logs.fields import Record, at, first_wanted, inner, lowered, share, size, somebody, text
from bartizan.readers.logs.stamps import micros
from bartizan.readers.logs.visit import Evidence, Format, Sample, Tally, Unit, Visit, Wanted

MAX_EMBEDDED = 256 * 1024  # Characters of `properties` as text
_ACCOUNT = re.compile(
    r"/providers/microsoft\.cognitiveservices/accounts/([a-z0-9][a-z0-9-]{1,63})(?:/|\Z)", re.IGNORECASE
)
_CATEGORIES = frozenset({"requestresponse", "audit", "trace", "azureopenairequestusage", "auditevent"})
_PROMPTS = re.compile(
    r"complet|chat|embedding|response|message|thread|run|image|audio|speech|transcri|generat|infer", re.I
)
_ONLY_LOOKS = re.compile(r"\A(?:get|list|delete|cancel)|list\Z|get\Z", re.IGNORECASE)


def recognise(sample: Sample) -> float:
    """Records of a resource's diagnostics: its id, a category and an operation."""
    return share(sample.records, _mine)


def read(source: Iterator[Record], wanted: Wanted, tally: Tally) -> Iterator[Visit]:
    """The requests that matter."""
    for record in source:
        if not _mine(record):
            tally.junk += 1
            continue
        event = lowered(record)
        account = _ACCOUNT.search(text(event.get("resourceid")) or text(event.get("_resourceid")))
        if not account:
            continue
        properties = _properties(event)
        name = account[1].lower()
        openai = "openai" in text(properties.get("apiname") or "openai").lower()
        hosts = (f"{name}.openai.azure.com", f"{name}.services.ai.azure.com") if openai else ()
        host = first_wanted(wanted, *(one.encode() for one in (*hosts, f"{name}.cognitiveservices.azure.com")))
        if not host:
            continue
        status = text(event.get("resultsignature"))
        operation = text(event.get("operationname"))
        denied = status in ("401", "403")
        asked = bool(_PROMPTS.search(operation)) and not _ONLY_LOOKS.search(operation) and not denied
        yield Visit(
            time_us=micros(event.get("time") or event.get("timegenerated"), tally),
            actor=somebody(_person(event), text(properties.get("objectid")), text(event.get("calleripaddress"))),
            host=host,
            evidence=Evidence.PROMPT if asked else Evidence.AUTHENTICATED,
            bytes_up=size(properties.get("requestlength")),
            bytes_down=size(properties.get("responselength")),
            denied=denied,
        )


def _mine(record: Record) -> bool:
    event = lowered(record)
    resource = (text(event.get("resourceid")) or text(event.get("_resourceid"))).lower()
    return (
        "/providers/microsoft." in resource
        and "microsoft.aadiam" not in resource
        and text(event.get("category")).lower() in _CATEGORIES
        and "operationname" in event
    )


def _properties(event: Record) -> dict[str, Any]:  # Any: JSON is what its author wrote
    held = event.get("properties") or event.get("properties_s")
    if isinstance(held, str) and len(held) <= MAX_EMBEDDED:
        try:
            held = orjson.loads(held)
        except orjson.JSONDecodeError:
            return {}
    return lowered(held) if isinstance(held, dict) else {}


def _person(event: Record) -> str:
    claims = inner(event, "identity", "claims") or inner(event, "identity", "claim")
    return text(claims.get("upn")) or text(at(event, "identity", "upn"))


FORMAT = Format(
    id="azure-openai",
    title="Azure OpenAI diagnostics",
    unit=Unit.RECORD,
    recognise=recognise,
    read=read,
    source="Azure Monitor: Resource log schema; Azure OpenAI monitoring data reference (RequestResponse, Audit)",
)
