"""Lists for resolvers: RPZ, Unbound, dnsmasq, hosts, Pi-hole, AdGuard Home."""

from __future__ import annotations

from bartizan.inventory.exports import Export, header
from bartizan.inventory.restriction import Table

LEAKS = "Clients that resolve elsewhere (DNS over HTTPS, a VPN, another network) or know the address get through."
ZONE = "rpz.bartizan"
MAX_OWNER = 253 - len(ZONE) - 3  # "*." in front, the zone behind.


def rpz(table: Table) -> str:
    """A response policy zone: `CNAME .` is NXDOMAIN, `CNAME rpz-passthru.` lets pass (draft-vixie-dnsop-dns-rpz)."""
    serial = "".join(c for c in table.made if c.isdigit())[2:12] or "1"  # YYMMDDhhmm, 10 digits below 2**32.
    target = f"{table.coach}." if table.coach else "."
    lines = [
        *header(table, ";", "Response policy zone"),
        f"$ORIGIN {ZONE}.",
        "$TTL 300",
        f"@ IN SOA localhost. hostmaster.localhost. ( {serial} 300 60 604800 300 )",
        "@ IN NS localhost.",
    ]
    lines += [f"{prefix}{host} IN CNAME rpz-passthru." for host in table.allowed for prefix in ("", "*.")]
    for entry in table.entries:
        if len(entry.host) > MAX_OWNER:
            lines.append(f"; too long for a zone: {entry.host}")
            continue
        lines.append(f"{entry.host} IN CNAME {target}")
        if entry.below:
            lines.append(f"*.{entry.host} IN CNAME {target}")
    return "\n".join(lines) + "\n"


def unbound(table: Table) -> str:
    """Local zones: `always_nxdomain` for a host and all below it, data in a transparent zone for a host alone."""
    lines = [*header(table, "#", "Unbound local zones"), "server:"]
    lines += [f'  local-zone: "{host}." always_transparent' for host in table.allowed]
    for entry in table.entries:
        if entry.below:
            lines.append(f'  local-zone: "{entry.host}." always_nxdomain')
        else:
            lines += [
                f'  local-zone: "{entry.host}." typetransparent',
                f'  local-data: "{entry.host}. A 0.0.0.0"',
                f'  local-data: "{entry.host}. AAAA ::"',
            ]
    return "\n".join(lines) + "\n"


def dnsmasq(table: Table) -> str:
    """`address=/host/` answers NXDOMAIN for a host and all below it; a host record only for the host."""
    lines = header(table, "#", "dnsmasq")
    lines += [f"server=/{host}/#" for host in table.allowed]
    lines += [f"address=/{e.host}/" if e.below else f"host-record={e.host},0.0.0.0,::" for e in table.entries]
    return "\n".join(lines) + "\n"


def hosts(table: Table) -> str:
    """A hosts file (hosts(5)); it knows no subdomains, so that `www.` is added and the rest said to be open."""
    lines = [
        *header(table, "#", "hosts"),
        "# A hosts file cannot name what lies below a host: use a resolver for that.",
    ]
    for entry in table.entries:
        names = [entry.host, f"www.{entry.host}"] if entry.below and not entry.host.startswith("www.") else [entry.host]
        for name in names:
            if len(name) <= 253 and table.blocks(name) is not None:
                lines += [f"0.0.0.0 {name}", f":: {name}"]
    return "\n".join(lines) + "\n"


def pihole(table: Table) -> str:
    """Regular expressions for Pi-hole's list of denied domains (POSIX ERE)."""
    lines = header(table, "#", "Pi-hole regex deny list")
    for entry in table.entries:
        name = entry.host.replace(".", r"\.")
        lines.append(rf"(\.|^){name}$" if entry.below else f"^{name}$")
    return "\n".join(lines) + "\n"


def adguard(table: Table) -> str:
    """DNS filtering rules: `||host^` with all below it, `|host^` alone, `@@` lets pass, `$client=` for whom."""
    lines = header(table, "!", "AdGuard Home")
    lines += [f"@@||{host}^$important" for host in table.allowed]
    for one in table.exempt:
        for entry in table.of(one.id) if one.client else ():
            lines.append(f"@@{'||' if entry.below else '|'}{entry.host}^$client={one.client}")
    lines += [f"{'||' if entry.below else '|'}{entry.host}^" for entry in table.entries]
    return "\n".join(lines) + "\n"


EXPORTS = (
    Export(
        "rpz", "DNS response policy zone (BIND, Knot, PowerDNS, Unbound)", ".rpz", rpz,
        f'In named.conf: response-policy {{ zone "{ZONE}"; }}; and a zone "{ZONE}" of type primary with this file.',
        "draft-vixie-dnsop-dns-rpz-00; BIND 9 Administrator Reference Manual", LEAKS, "named-checkzone",
    ),
    Export(
        "unbound", "Unbound local zones", ".conf", unbound, "Put it into unbound.conf.d/ and reload.",
        "unbound.conf(5), local-zone", LEAKS, "unbound-checkconf",
    ),
    Export(
        "dnsmasq", "dnsmasq", ".conf", dnsmasq, "Put it into dnsmasq.d/ and restart.", "dnsmasq(8), --address", LEAKS,
        "dnsmasq --test",
    ),
    Export(
        "hosts", "hosts file", ".hosts", hosts, "Add it to /etc/hosts, or to a blocker that reads hosts files.",
        "hosts(5)", "Hosts below those listed get through. " + LEAKS, "the resolver of glibc",
    ),
    Export(
        "pihole", "Pi-hole", ".regex", pihole, "pihole --regex, a line each, or Domains > RegEx filter.",
        "Pi-hole documentation, Regular expressions; checked with a regular expression engine", LEAKS,
    ),
    Export(
        "adguard", "AdGuard Home", ".txt", adguard, "Filters > DNS blocklists > add a custom list.",
        "AdGuard DNS filtering syntax; checked against its grammar", LEAKS, clients=True,
    ),
)  # fmt: skip
