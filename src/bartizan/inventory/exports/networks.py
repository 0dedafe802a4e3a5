"""Lists for packet filters, firewalls and cloud proxies."""

from __future__ import annotations

import json
from collections.abc import Callable
from hashlib import sha256
from ipaddress import IPv4Network, IPv6Network, collapse_addresses, ip_network

from bartizan.inventory.exports import Export, header
from bartizan.inventory.restriction import Entry, Table

FIRST_SID, SIDS = 1_700_000, 200_000  # Within the range that Suricata's documentation leaves to local rules.


def nftables(table: Table) -> str:
    """Sets of addresses and a rule on what is forwarded. Addresses change and are shared: said in the file."""
    four, six = _networks(table)
    lines = [
        *header(table, "#", "nftables"),
        "# LEAKY: addresses as they resolved when this was made; they change soon and are shared with others.",
        "table inet bartizan",
        "delete table inet bartizan",
        "table inet bartizan {",
        *_set("ai4", "ipv4_addr", four),
        *_set("ai6", "ipv6_addr", six),
        "  chain forward {",
        "    type filter hook forward priority filter; policy accept;",
    ]
    for family, name in (("ip", "ai4"), ("ip6", "ai6")):
        lines.append(f"    {family} daddr @{name} tcp dport {{ 80, 443 }} counter reject with tcp reset")
        lines.append(f"    {family} daddr @{name} udp dport 443 counter reject")
    return "\n".join([*lines, "  }", "}"]) + "\n"


def _networks(table: Table) -> tuple[list[IPv4Network], list[IPv6Network]]:
    networks = [ip_network(address, strict=False) for address in table.addresses]
    four = [network for network in networks if isinstance(network, IPv4Network)]
    six = [network for network in networks if isinstance(network, IPv6Network)]
    return list(collapse_addresses(four)), list(collapse_addresses(six))


def _set(name: str, kind: str, networks: list[IPv4Network] | list[IPv6Network]) -> list[str]:
    elements = ", ".join(map(str, networks))
    inner = [f"    elements = {{ {elements} }}"] if networks else []
    return [f"  set {name} {{", f"    type {kind}", "    flags interval", *inner, "  }"]


def suricata(table: Table) -> str:
    """Rules on the name in the TLS handshake and in DNS questions; `dotprefix` keeps to label boundaries."""
    lines = header(table, "#", "Suricata rules")
    taken: set[int] = set()
    for entry in table.entries:
        for protocol, buffer, flow in (("tls", "tls.sni", "flow:established,to_server; "), ("dns", "dns.query", "")):
            sid = _sid(f"{protocol} {entry.host}", taken)
            match = (
                f'content:".{entry.host}"; endswith;'
                if entry.below
                else f'content:"{entry.host}"; startswith; endswith;'
            )
            prefix = "dotprefix; " if entry.below else ""
            lines.append(
                f"{'drop' if protocol == 'tls' else 'alert'} {protocol} $HOME_NET any -> any any "
                f'(msg:"Bartizan AI use {entry.service}"; {flow}{buffer}; {prefix}{match} nocase; '
                f"classtype:policy-violation; sid:{sid}; rev:1;)"
            )
    return "\n".join(lines) + "\n"


def _sid(name: str, taken: set[int]) -> int:
    """A number that stays the same while the host does; the next free one where two meet."""
    sid = FIRST_SID + int.from_bytes(sha256(name.encode()).digest()[:4], "big") % SIDS
    while sid in taken:
        sid = FIRST_SID + (sid + 1 - FIRST_SID) % SIDS
    taken.add(sid)
    return sid


def edl(table: Table) -> str:
    """An external dynamic list of URLs; the slash ends the host, so that nothing longer matches."""
    return _names(table, lambda e: [f"{e.host}/", f"*.{e.host}/"] if e.below else [f"{e.host}/"])


def fortigate(table: Table) -> str:
    """An external resource of domains for FortiGuard category threat feeds."""
    return _names(table, lambda e: [e.host, f"*.{e.host}"] if e.below else [e.host])


def zscaler(table: Table) -> str:
    """A custom URL category for the API; a dot in front covers all below a host."""
    urls = [("." if entry.below else "") + entry.host for entry in table.entries]
    return _json(
        {"configuredName": "Bartizan AI", "customCategory": True, "superCategory": "USER_DEFINED", "urls": urls}
    )


def netskope(table: Table) -> str:
    """A URL list for the REST API."""
    urls = [url for e in table.entries for url in ([e.host, f"*.{e.host}"] if e.below else [e.host])]
    return _json({"name": "Bartizan AI", "data": {"urls": urls, "type": "exact"}})


def cloudflare(table: Table) -> str:
    """A list of domains for Gateway's API."""
    items = [{"value": entry.host, "description": entry.service} for entry in table.entries]
    return _json({"name": "Bartizan AI", "type": "DOMAIN", "items": items})


def _names(table: Table, say: Callable[[Entry], list[str]]) -> str:
    """A line a name and no comment: these formats have none everywhere."""
    return "".join(f"{name}\n" for entry in table.entries for name in say(entry))


def _json(value: object) -> str:
    return json.dumps(value, indent=2) + "\n"


DIRECT = "Clients that go another way (a VPN, a phone) get through."
EXPORTS = (
    Export(
        "nftables", "nftables sets", ".nft", nftables, "nft -f bartizan.nft, and again every few minutes.",
        "nft(8)", "Addresses change and are shared with other services: it leaks, and may stop what it should not.",
        "nft -c",
    ),
    Export(
        "suricata", "Suricata rules", ".rules", suricata, "rule-files: in suricata.yaml, in inline mode for `drop`.",
        "Suricata user guide, rules format; checked against its grammar", "An encrypted ClientHello hides the name. "
        + DIRECT,
    ),
    Export(
        "panos", "PAN-OS external dynamic list (URL)", ".txt", edl, "Objects > External Dynamic Lists, type URL List.",
        "PAN-OS administrator's guide, External dynamic list formatting", DIRECT,
    ),
    Export(
        "fortigate", "FortiGate external feed", ".txt", fortigate, "External connectors > FortiGuard category.",
        "FortiOS administration guide, Threat feeds", DIRECT,
    ),
    Export(
        "zscaler", "Zscaler custom URL category", ".json", zscaler, "POST /api/v1/urlCategories.",
        "Zscaler Internet Access API, urlCategories", DIRECT,
    ),
    Export(
        "netskope", "Netskope URL list", ".json", netskope, "POST /api/v2/policy/urllist.",
        "Netskope REST API v2, urllist", DIRECT,
    ),
    Export(
        "cloudflare", "Cloudflare Gateway list", ".json", cloudflare, "POST /accounts/ID/gateway/lists.",
        "Cloudflare API, zero trust lists", DIRECT,
    ),
)  # fmt: skip
