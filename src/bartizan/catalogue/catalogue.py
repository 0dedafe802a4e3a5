"""All the catalogue: AI services, the hosts they are at, and what else betrays their use."""

from __future__ import annotations

import csv
import gzip
import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Self

from bartizan import rules
from bartizan.catalogue.hostnames import hostname
from bartizan.catalogue.listing import TIERS, Listed, Pattern, Service
from bartizan.catalogue.wanted import Wanted

PACKAGE = "bartizan.catalogue"
CANDIDATE = re.compile(
    r"(?:.*[.-])?(?:ai|gpt|llm|chatgpt|genai|copilot)[0-9]?[.-].*|.*\.ai"
)  # Until the score is here.


class Catalogue:
    """Looks hosts and other signals up. Reads its data once; afterwards nothing changes."""

    def __init__(self, patterns: list[Pattern], signals: Mapping[str, Mapping[str, Service]]) -> None:
        self._patterns = tuple(patterns)
        self._signals = signals
        self._services = {pattern.service.id: pattern.service for pattern in reversed(patterns)}
        for values in signals.values():
            for service in values.values():
                self._services.setdefault(service.id, service)
        self._exact = {one.text: one for one in patterns if one.match == "exact"}
        self._suffix = {one.text: one for one in patterns if one.match == "suffix"}
        self._regex = [(re.compile(one.text), one) for one in patterns if one.match == "regex"]

    @classmethod
    def load(cls, overlay: bytes | None = None, update: bytes | None = None) -> Self:
        """The catalogue that ships, or the update taken instead, with the organisation's own words on top."""
        services: dict[str, Service] = {}

        def service(row: dict[str, str]) -> Service:
            made = Service(row["service"], row["name"], row["vendor"], row["category"], row.get("audience", ""))
            return services.setdefault(made.id, made)

        patterns = [
            Pattern(row["pattern"], row["match"], TIERS[row["tier"]], service(row), row["endpoint"], row["sources"])
            for row in _rows("hosts")
        ]
        signals: dict[str, dict[str, Service]] = {}
        for row in _rows("signals"):
            signals.setdefault(row["kind"], {})[row["value"]] = service(row)
        return cls(patterns, signals)

    def lookup(self, host: str) -> Listed:
        """What the catalogue says about a host, as logged or as typed. Never raises."""
        name = hostname(host)
        if not name:
            return Listed("")
        found = self._exact.get(name)
        rest = name
        while found is None and rest:
            found = self._suffix.get(rest)
            rest = rest.partition(".")[2]
        if found is None:
            found = next((one for pattern, one in self._regex if pattern.fullmatch(name)), None)
        if found is not None:
            return Listed(
                name, found.service, found.tier, pattern=found.text, endpoint=found.endpoint, sources=found.sources
            )
        if CANDIDATE.fullmatch(name):
            return Listed(name, tier="candidate", score=0.5, because="its name")
        return Listed(name)

    def services(self) -> tuple[Service, ...]:
        """All services, in the order of their ids."""
        return tuple(self._services[id_] for id_ in sorted(self._services))

    def service(self, id_: str) -> Service | None:
        """The service of that id."""
        return self._services.get(id_)

    def hosts(self, service_id: str, tiers: tuple[str, ...] = ("A",)) -> tuple[Pattern, ...]:
        """Where a service is, in those tiers."""
        return tuple(one for one in self._patterns if one.service.id == service_id and one.tier in tiers)

    def signals(self, kind: str) -> Mapping[str, Service]:
        """What else betrays a service: package:pypi, env, file, process, extension:chrome …; value → service."""
        return MappingProxyType(self._signals.get(kind, {}))

    def wanted(self) -> Wanted:
        """A new map for a log reader."""
        return Wanted(self)


def _rows(name: str) -> list[dict[str, str]]:
    text = gzip.decompress(rules.data(PACKAGE, f"data/{name}.csv.gz")).decode()
    return list(csv.DictReader(text.splitlines()))
