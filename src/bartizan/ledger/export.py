"""Records for other systems: JSON lines as they are, or events of the Open Cybersecurity Schema Framework.

OCSF: a record with findings or failures is a Detection Finding (class 2004) with the Security Control profile, any
other one an API Activity (class 6003). Attribute names and numbers were checked against the published schema
(github.com/ocsf/ocsf-schema, classes detection_finding and api_activity, profile security_control) on 2026-11-23.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from bartizan.ledger.opening import Gone, body
from bartizan.ledger.read import Record
from bartizan.store.logfile import LogFile, logs
from bartizan.vault import Vault

OCSF_VERSION = "1.4.0"
_SEVERITY = {"info": 1, "low": 2, "medium": 3, "high": 4, "critical": 5}
# action -> (action_id, disposition_id, disposition) of the profile security_control
_OUTCOME = {
    "allow": (1, 1, "Allowed"),
    "warn": (1, 19, "Alert"),
    "justify": (2, 14, "Delayed"),
    "review": (2, 14, "Delayed"),
    "block": (2, 2, "Blocked"),
}
_CORRECTED = (1, 11, "Corrected")


def opened(records: Iterable[Record], home: Path, vault: Vault) -> Iterator[Record]:
    """The same records, each with its sealed texts under `opened`, by side; what cannot be opened says why."""
    paths = {path.name.removeprefix("log-").removesuffix(".sqlite"): path for path in logs(home)}
    for record in records:
        if "bodies" in record:
            with LogFile.reading(paths[record["writer"]]) as file:
                record["opened"] = {told["side"]: _opened(body(record, told, file, vault)) for told in record["bodies"]}
        yield record


def _opened(text: bytes | Gone) -> dict[str, str]:
    return {"missing": text.why} if isinstance(text, Gone) else {"text": text.decode("utf-8", "replace")}


@cache
def _version() -> str:
    """Ours. To look it up takes longer than all the rest of an event."""
    return version("bartizan")


def ocsf(record: Record) -> dict[str, object]:
    """One record as an OCSF event."""
    seen = [*record.get("findings", ()), *record.get("failures", ())]
    event = _finding(record, seen) if seen else _activity(record)
    event["metadata"] = {
        "correlation_uid": record.get("exchange", ""),
        "log_name": record["writer"],
        "product": {"name": "Bartizan", "vendor_name": "Bartizan", "version": _version()},
        "profiles": ["security_control"],
        "sequence": record["seq"],
        "uid": f"{record['writer']}/{record['seq']}",
        "version": OCSF_VERSION,
    }
    event["time"] = record["time_us"] // 1000
    event["type_uid"] = int(str(event["class_uid"])) * 100 + int(str(event["activity_id"]))
    event["unmapped"] = record
    if "action" in record:
        outcome = _CORRECTED if record.get("edits") and record["action"] in ("allow", "warn") else None
        action, disposition, caption = outcome or _OUTCOME[record["action"]]
        event |= {
            "action_id": action,
            "disposition": caption,
            "disposition_id": disposition,
            "is_alert": record["action"] != "allow",
            "policy": {"name": str(record.get("policy", "")).partition(" ")[0], "uid": record.get("policy", "")},
        }
    return event


def _finding(record: Record, seen: list[dict[str, Any]]) -> dict[str, object]:
    worst = max(seen, key=lambda told: _SEVERITY.get(told.get("severity", ""), 0))
    risks = sorted({risk for told in seen for risk in [told.get("risk"), *told.get("risks", ())] if risk})
    event: dict[str, object] = {
        "activity_id": 1,
        "category_uid": 2,
        "class_uid": 2004,
        "evidences": [{"data": told} for told in seen],
        "finding_info": {
            "analytic": {"name": worst["detector"], "type_id": 1, "uid": worst["detector"]},
            "desc": worst.get("because") or worst.get("why", ""),
            "title": worst.get("risk") or "could not be examined",
            "types": risks,
            "uid": f"{record['writer']}/{record['seq']}",
        },
        "resources": [_resource(record)],
        "severity_id": _SEVERITY.get(worst.get("severity", ""), 0),
        "status_id": 1,
    }
    if "confidence" in worst:
        event["confidence_score"] = round(float(worst["confidence"]) * 100)
    return event


def _activity(record: Record) -> dict[str, object]:
    operation = record.get("event") or f"{record.get('kind', 'unknown')}.{record.get('side', 'unknown')}"
    user: dict[str, object] = {"uid": record.get("person") or "unknown"}
    if groups := record.get("groups"):
        user["groups"] = [{"name": name} for name in groups]
    return {
        "activity_id": 99,
        "activity_name": operation,
        "actor": {"app_name": record.get("app") or record.get("door") or "bartizan", "user": user},
        "api": {"operation": operation, "service": {"name": record.get("door") or "bartizan"}},
        "category_uid": 6,
        "class_uid": 6003,
        "resources": [_resource(record)],
        "severity_id": 1,
        "src_endpoint": {"name": record.get("app") or "unknown", "uid": record.get("key") or "unknown"},
        "status_id": 1,
    }


def _resource(record: Record) -> dict[str, object]:
    target = record.get("target", {})
    return {
        "name": target.get("model") or "unknown",
        "type": "model",
        "uid": target.get("provider") or "unknown",
    }
