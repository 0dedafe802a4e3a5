"""Lists for proxies and browsers: Squid, PAC, Chrome and Edge policy."""

from __future__ import annotations

import json

from bartizan.inventory.exports import Export, header
from bartizan.inventory.restriction import Table

CHROME_ENTRIES = 1000  # Chrome reads no more of a list (policy documentation, URLBlocklist).


def squid(table: Table) -> str:
    """Access lists with `deny_info`: one for each service, so that the coaching page can say which it was."""
    lines = header(table, "#", "Squid access lists")
    lines.append("# Include it before your own http_access lines: include /etc/squid/bartizan.conf")
    if table.allowed:
        lines.append("acl bartizan_allowed dstdomain " + " ".join(_squid_names(table.allowed)))
    for id_, service in table.services.items():
        acl = f"bartizan_{id_}"
        lines += ["", f"# {service}"]
        # Squid refuses a list in which one name covers another; the table has none that do.
        lines += [f"acl {acl} dstdomain {'.' if e.below else ''}{e.host}" for e in table.of(id_)]
        for at, one in enumerate(one for one in table.exempt if one.id == id_ and one.client):
            lines += [
                f"# until {one.until}, approved by {one.approver or 'nobody named'}",
                f"acl {acl}_exempt_{at} src {one.network}",
                f"http_access allow {acl} {acl}_exempt_{at}",
            ]
        if table.coach:
            lines.append(f"deny_info 307:https://{table.coach}/coach/{id_} {acl}")
        # The last name of the line is the one whose deny_info is shown.
        lines.append(f"http_access deny {'!bartizan_allowed ' if table.allowed else ''}{acl}")
    return "\n".join(lines) + "\n"


def _squid_names(hosts: tuple[str, ...]) -> list[str]:
    """Names with all below them, none covered by another."""
    return [f".{host}" for host in hosts if not any(host.endswith("." + other) for other in hosts)]


def pac(table: Table) -> str:
    """A proxy auto-configuration file: AI hosts go through the gateway, the rest as before."""
    below = {entry.host: 1 for entry in table.entries if entry.below}
    alone = {entry.host: 1 for entry in table.entries if not entry.below}
    way = f"PROXY {table.gateway}" if table.gateway else "PROXY 127.0.0.1:9"  # The discard port: nobody answers.
    free = [str(one.network) for one in table.exempt if one.client and one.network is not None]
    lines = [
        *header(table, "//", "Proxy auto-configuration"),
        f"var BELOW = {json.dumps(below)};",
        f"var ALONE = {json.dumps(alone)};",
        f"var ALLOWED = {json.dumps(dict.fromkeys(table.allowed, 1))};",
        "function covered(host, names) {",
        "  while (host) {",
        "    if (Object.prototype.hasOwnProperty.call(names, host)) { return true; }",
        '    var dot = host.indexOf(".");',
        "    if (dot < 0) { return false; }",
        "    host = host.substring(dot + 1);",
        "  }",
        "  return false;",
        "}",
        "function FindProxyForURL(url, host) {",
        '  host = host.toLowerCase().replace(/\\.$/, "");',
        '  if (covered(host, ALLOWED)) { return "DIRECT"; }',
        "  if (covered(host, BELOW) || Object.prototype.hasOwnProperty.call(ALONE, host)) {",
        f"    return {json.dumps(way)};",
        "  }",
        '  return "DIRECT";',
        "}",
    ]
    if free:
        lines.insert(2, "// Exceptions for addresses are the gateway's to know: " + ", ".join(free))
    return "\n".join(lines) + "\n"


def chrome(table: Table) -> str:
    """Managed policies of Chrome, Edge and Chromium: a name blocks all below it, a dot in front the host alone."""
    entries = [("" if entry.below else ".") + entry.host for entry in table.entries]
    policy = {"URLBlocklist": entries[:CHROME_ENTRIES], "URLAllowlist": list(table.allowed)[:CHROME_ENTRIES]}
    return json.dumps(policy, indent=2) + "\n"


EXPORTS = (
    Export(
        "squid", "Squid access lists", ".conf", squid, "include /etc/squid/bartizan.conf above your http_access lines.",
        "squid.conf(5), acl dstdomain, deny_info", "Clients that do not use the proxy get through.", "squid -k parse",
        clients=True,
    ),
    Export(
        "pac", "Proxy auto-configuration", ".pac", pac, "Serve it as application/x-ns-proxy-autoconfig.",
        "Navigator Proxy Auto-Config File Format (Netscape, 1996)",
        "Programs that read no PAC file (most command lines) get through.", "Chromium",
    ),
    Export(
        "chrome", "Chrome, Edge and Chromium managed policy", ".json", chrome,
        "/etc/opt/chrome/policies/managed/, /etc/opt/edge/policies/managed/, or the same values by group policy.",
        "Chrome Enterprise policy list, URLBlocklist", "Other browsers and programs get through.", "Chromium",
    ),
)  # fmt: skip
