"""What an organisation says on top of the catalogue: its own services, verdicts on hosts, its own names.

    [[service]]
    id = "our-assistant"
    name = "Our assistant"
    vendor = "Example Corp"
    category = "chat"
    hosts = ["assistant.example.org"]

    [[host]]
    host = "shop.example.ai"
    is = "none"               # or the id of a service
    why = "sells shoes"

    [names]
    chatgpt = "ChatGPT (private accounts)"

A verdict counts for the host and everything below it; `exact = true` for the host alone.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, field
from typing import Any

from bartizan.catalogue.hostnames import hostname
from bartizan.catalogue.listing import Service
from bartizan.core.errors import InputError

MAX_OVERLAY = 1 << 20
MAX_TEXT = 200
_ID = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?")


@dataclass(frozen=True, slots=True)
class Verdict:
    """The organisation's word on a host. `service` is an id, "" where the host is no AI."""

    host: str
    service: str
    exact: bool = False
    why: str = ""


@dataclass(frozen=True, slots=True)
class Overlay:
    """What an organisation says. `names`: what a service is called here, by its id."""

    services: tuple[Service, ...] = ()
    verdicts: tuple[Verdict, ...] = ()
    names: dict[str, str] = field(default_factory=dict)


def parse(source: bytes) -> Overlay:
    """catalogue.toml. Raises InputError with what is wrong in which entry."""
    if len(source) > MAX_OVERLAY:
        raise InputError(f"catalogue.toml is larger than {MAX_OVERLAY >> 20} MiB")
    try:
        table = tomllib.loads(source.decode())
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InputError(f"catalogue.toml: {error}") from None
    if unknown := table.keys() - {"service", "host", "names"}:
        raise InputError(f"catalogue.toml: {_cut(min(unknown))} is none of [[service]], [[host]], [names]")
    services, verdicts = [], []
    for row in _rows(table, "service", {"id", "name", "vendor", "category", "audience", "hosts"}):
        id_ = _text(row, "service", "id")
        service = Service(
            _id(id_, "service"),
            _text(row, "service", "name", id_),
            _text(row, "service", "vendor", ""),
            _text(row, "service", "category", "other"),
            _text(row, "service", "audience", ""),
        )
        services.append(service)
        hosts = row.get("hosts", [])
        if not isinstance(hosts, list):
            raise InputError("catalogue.toml: [[service]] hosts is a list of names")
        verdicts += [Verdict(_host(host, "service"), service.id) for host in hosts]
    for row in _rows(table, "host", {"host", "is", "exact", "why"}):
        is_ = _text(row, "host", "is")
        service_id = "" if is_ == "none" else _id(is_, "host")
        exact = row.get("exact", False) is True
        verdicts.append(Verdict(_host(row.get("host"), "host"), service_id, exact, _text(row, "host", "why", "")))
    names = table.get("names", {})
    if not isinstance(names, dict):
        raise InputError("catalogue.toml: [names] has the id of a service and what it is called here")
    return Overlay(tuple(services), tuple(verdicts), {_id(id_, "names"): _text(names, "names", id_) for id_ in names})


def _rows(table: dict[str, Any], name: str, known: set[str]) -> list[dict[str, Any]]:
    rows = table.get(name, [])
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise InputError(f"catalogue.toml: {name} is written [[{name}]], once an entry")
    for row in rows:
        if unknown := row.keys() - known:
            raise InputError(
                f"catalogue.toml: [[{name}]] has no {_cut(min(unknown))}; it has {', '.join(sorted(known))}"
            )
    return rows


def _text(row: dict[str, Any], name: str, key: str, default: str | None = None) -> str:
    found = row.get(key, default)
    if not isinstance(found, str) or len(found) > MAX_TEXT or not found.isprintable():
        raise InputError(f"catalogue.toml: {name}: {_cut(key)} is a text of up to {MAX_TEXT} characters")
    return found


def _id(text: str, name: str) -> str:
    if not _ID.fullmatch(text):
        raise InputError(f"catalogue.toml: {name}: {_cut(text)} is no id: lower-case letters, digits and hyphens")
    return text


def _host(text: object, name: str) -> str:
    host = hostname(text.removeprefix("*.")) if isinstance(text, str) else ""
    if not host:
        raise InputError(f"catalogue.toml: {name}: {_cut(str(text))} is no name of a host")
    return host


def _cut(text: str) -> str:
    return repr(text[:60])
