"""Makes one service out of the many spellings that lists have for it.

The maintainers' table (services.csv) says which hosts belong together and what the service is called. A row of
another list belongs to the service whose host it lies under; else to one that is called the same; else to the one that
another row of the same registered domain has; else it is a service of its own.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from bartizan.catalogue.listing import TIERS, Pattern, Service, Tier
from bartizan.catalogue.tables import Row, Tables

OURS = "maintainers"
_MARK = {"": "A", "b": "B", "m": "M"}  # Before a host in services.csv.


def slug(name: str) -> str:
    """The id of a service called that."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


class Merging:
    """The services and patterns of tables, merged."""

    def __init__(self, tables: Tables) -> None:
        self._called: dict[str, Service] = {}
        self._ids: dict[str, Service] = {}
        self._domains: dict[str, Service] = {}
        self.patterns: dict[tuple[str, str], Pattern] = {}
        ours: dict[str, Pattern] = {}
        self._apis: dict[str, Service] = {}
        for row in tables.services:
            service = self._ours(row)
            if service.category == "api":
                self._apis.setdefault(service.vendor, service)
            for marked in row["hosts"].split():
                mark, _, host = marked.rpartition(":")
                ours[host] = Pattern(host, "suffix", TIERS[_MARK[mark]], service, _endpoint(host), OURS)
        corrected = {row["pattern"]: row["tier"] for row in tables.corrections}
        for row in tables.hosts:
            tier = corrected.get(row["pattern"], row["tier"])
            if tier in TIERS:
                self._take(row, TIERS[tier], ours)
        for host, pattern in ours.items():
            self.patterns.setdefault((host, "suffix"), pattern)
        self.signals: dict[str, dict[str, Service]] = {}
        for row in tables.signals:
            self.signals.setdefault(row["kind"], {})[row["value"]] = self._called_by_code(row, self._service(row))

    def _called_by_code(self, row: Row, service: Service) -> Service:
        """Packages and variables are for the vendor's API, which lists call by the same name as its chat for people."""
        if row["category"] != "api" or service.category == "api" or not row["kind"].startswith(("package:", "env")):
            return service
        return self._apis.get(service.vendor, service)

    def _ours(self, row: Row) -> Service:
        service = Service(slug(row["service"]), row["service"], row["vendor"], row["category"], row["audience"])
        self._ids[service.id] = service
        for name in (row["service"], *filter(None, row["also"].split("|"))):
            self._called.setdefault(name.lower(), service)
        return service

    def _take(self, row: Row, tier: Tier, ours: dict[str, Pattern]) -> None:
        text, match = row["pattern"], row["match"]
        above = None if match == "regex" else next((ours[part] for part in parents(text) if part in ours), None)
        service = above.service if above else self._service(row, "" if match == "regex" else registered(text))
        sources = f"{row['sources']}; {OURS}" if text in ours else row["sources"]
        self.patterns[text, match] = Pattern(text, match, tier, service, row["endpoint"], sources)

    def _service(self, row: Row, domain: str = "") -> Service:
        found = self._called.get(row["name"].lower()) or self._domains.get(domain) or self._ids.get(row["service"])
        if found is None:
            vendor = row["vendor"] if row["vendor"].isprintable() else ""
            found = Service(row["service"], row["name"], vendor, row["category"], row.get("audience", ""))
            self._ids[found.id] = found
        if domain and domain not in SHARED:
            self._domains.setdefault(domain, found)
        return found


# Under which many people have names, so that a domain says nothing about its neighbours.
SHARED = frozenset({
    "aliyun.com", "aliyuncs.com", "amazonaws.com", "atlassian.com", "azure.com", "azureedge.net", "baidu.com",
    "cloudflare.com", "cloudinary.com", "gitbook.io", "github.io", "google.com", "googleapis.com", "herokuapp.com",
    "ibm.com", "microsoft.com", "netlify.app", "nvidia.com", "pages.dev", "railway.app", "streamlit.app",
    "tencent.com", "vercel.app", "web.app", "windows.net", "withgoogle.com", "workers.dev",
})  # fmt: skip


def parents(host: str) -> Iterable[str]:
    """The host, and every domain above it."""
    while host:
        yield host
        host = host.partition(".")[2]


def registered(host: str) -> str:
    """The last two labels: near enough to tell neighbours."""
    return ".".join(host.split(".")[-2:])


def _endpoint(host: str) -> str:
    first = host.partition(".")[0]
    return "api" if first in {"api", "inference"} else "app" if first in {"app", "chat"} else "site"
