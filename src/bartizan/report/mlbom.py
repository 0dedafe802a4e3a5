"""A bill of materials of the AI that code uses: CycloneDX 1.6, JSON.

Source: CycloneDX v1.6 (ECMA-424): components of the types library, machine-learning-model, container; services; and for
each the places where it was seen, as evidence.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from hashlib import sha256
from urllib.parse import quote
from uuid import UUID

from bartizan.version import __version__

Json = dict[str, object]
MAX_PLACES = 200  # Occurrences listed of one thing; the count is always whole.


def mlbom(rows: Sequence[Mapping[str, object]], subject: str, made: str) -> str:
    """The bill, indented, the same for the same rows and time.

    Args:
        rows: One a thing: `kind` (package, model, host, image, env, file), `name`, `version`, `ecosystem`, `how`,
            `service`, `vendor`, `places` (a list of (file, line)) and `count`.
        subject: What was looked at.
        made: When, ISO 8601 UTC.
    """
    components, services = [], []
    for row in rows:
        match row["kind"]:
            case "package":
                components.append(_component(row, "library"))
            case "model":
                components.append(_component(row, "machine-learning-model") | {"modelCard": {}})
            case "image":
                components.append(_component(row, "container"))
            case "file":
                components.append(_component(row, "file"))
            case "host":
                services.append(_service(row))
    body: Json = {
        "metadata": {
            "timestamp": made,
            "tools": {"components": [{"type": "application", "name": "bartizan", "version": __version__}]},
            "component": {"type": "application", "bom-ref": "subject", "name": subject},
            "properties": [
                {"name": "bartizan:environment-variable", "value": str(row["name"])}
                for row in rows
                if row["kind"] == "env"
            ],
        },
        "components": components,
        "services": services,
    }
    digest = sha256(json.dumps(body, sort_keys=True).encode()).digest()
    head = {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{UUID(bytes=digest[:16], version=4)}",
        "version": 1,
    }
    return json.dumps(head | body, indent=2) + "\n"


def _ref(row: Mapping[str, object]) -> str:
    return ":".join(str(row[key]) for key in ("kind", "ecosystem", "name", "version"))


def _properties(row: Mapping[str, object]) -> list[Json]:
    told = {"bartizan:evidence": row["how"], "bartizan:occurrences": row["count"], "bartizan:service": row["service"]}
    return [{"name": name, "value": str(value)} for name, value in told.items() if value]


def _occurrences(row: Mapping[str, object]) -> list[Json]:
    places = row["places"]
    assert isinstance(places, list)
    return [{"location": file} | ({"line": line} if line else {}) for file, line in places[:MAX_PLACES]]


def _component(row: Mapping[str, object], kind: str) -> Json:
    made: Json = {"type": kind, "bom-ref": _ref(row), "name": str(row["name"]), "properties": _properties(row)}
    if row["version"]:
        made["version"] = str(row["version"])
    if row["vendor"]:
        made["publisher"] = str(row["vendor"])
    if kind == "library":
        made["purl"] = _purl(str(row["ecosystem"]), str(row["name"]), str(row["version"]))
    return made | {"evidence": {"occurrences": _occurrences(row)}}


def _purl(ecosystem: str, name: str, version: str) -> str:
    """A package URL: type, namespace and name, each part percent-encoded (ECMA-427)."""
    parts = name.split(":" if ecosystem == "maven" else "/")
    exact = version.removeprefix("==").lstrip("=")
    pinned = exact and exact[0].isalnum()
    return (
        f"pkg:{ecosystem}/" + "/".join(quote(part, safe="") for part in parts) + (f"@{quote(exact)}" if pinned else "")
    )


def _service(row: Mapping[str, object]) -> Json:
    made: Json = {
        "bom-ref": _ref(row),
        "name": str(row["service"] or row["name"]),
        "endpoints": [f"https://{row['name']}"],
        "properties": [
            *_properties(row),
            *(
                {"name": "bartizan:place", "value": f"{one['location']}:{one.get('line', 0)}"}
                for one in _occurrences(row)
            ),
        ],
    }
    return made | ({"provider": {"name": str(row["vendor"])}} if row["vendor"] else {})
