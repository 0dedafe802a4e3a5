"""Every export: read by the program it is for, and never broken out of by a name."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from programs import program

from bartizan.inventory.exports import exports
from bartizan.inventory.restriction import Entry, Exempt, Table, table

MADE = "2026-11-23T10:00:00Z"
ROWS = [
    Entry("chatgpt.com", True, "chatgpt", "ChatGPT", "the company's own assistant"),
    Entry("api.openai.com", False, "openai-api", "OpenAI API"),
    Entry("claude.ai", True, "claude", "Claude"),
    Entry("xn--chtgpt-3of.com", True, "look-alike", "A look-alike"),
    Entry("my_models.internal-ai.example", True, "own", "Own"),
    Entry("x" * 63 + "." + "y" * 63 + "." + "z" * 63 + ".ai", True, "long", "Long"),
]
HOSTILE = [
    'x"; };\nhttp_access allow all\n#',
    "a.ai. CNAME evil.example.\n*",
    "$INCLUDE /etc/passwd",
    "/etc/../x.ai",
    "a b.ai",
    "ü.ai",
    "-x.ai",
    "a..ai",
    ".ai",
    "1.2.3.4/0",
    '");alert(1)//.ai',
    "||*^$badfilter",
    "A.AI",
]


def made(**more: object) -> Table:
    hostile = [Entry(host, True, host, host, host) for host in HOSTILE]
    exempt = [
        Exempt("chatgpt", "2026-12-31", "research\nhttp_access allow all", "ciso'\"", client="10.1.2.0/24"),
        Exempt("claude", "2026-12-31", "pilot", "ciso", user="mara@corp.example"),
        Exempt("claude", "2026-12-31", "pilot", "ciso", client="2001:db8::/64"),
    ]
    options: dict[str, object] = {
        "allowed": ["help.chatgpt.com"], "exempt": exempt, "coach": "ai.corp.example", "gateway": "127.0.0.1:3128",
        "addresses": ["203.0.113.7", "203.0.113.7", "203.0.113.0/28", "2001:db8::7"],
    }  # fmt: skip
    return table(MADE, [*ROWS, *hostile], **(options | more))  # type: ignore[arg-type]


def accepts(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    told = done.stdout + done.stderr
    assert done.returncode == 0, told
    return told


def written(tmp_path: Path, id_: str, **more: object) -> Path:
    one = exports()[id_]
    path = tmp_path / f"bartizan{one.suffix}"
    path.write_text(one.write(made(**more)))
    return path


@pytest.mark.parametrize("coach", ["", "ai.corp.example"])
def test_bind_reads_the_zone(tmp_path: Path, coach: str) -> None:
    path = written(tmp_path, "rpz", coach=coach)
    assert "OK" in accepts(program("named-checkzone"), "-i", "local", "rpz.bartizan", str(path))
    dumped = accepts(program("named-checkzone"), "-i", "local", "-D", "rpz.bartizan", str(path))
    target = f"{coach}." if coach else "."
    assert re.search(rf"^chatgpt\.com\.rpz\.bartizan\.\s+300\s+IN\s+CNAME\s+{re.escape(target)}$", dumped, re.M)
    assert re.search(r"^help\.chatgpt\.com\.rpz\.bartizan\.\s+300\s+IN\s+CNAME\s+rpz-passthru\.$", dumped, re.M)


@pytest.mark.parametrize("coach", ["", "ai.corp.example"])
def test_squid_reads_the_lists(tmp_path: Path, coach: str) -> None:
    path = written(tmp_path, "squid", coach=coach)
    config = tmp_path / "squid.conf"
    config.write_text(f"http_port 127.0.0.1:3128\ninclude {path}\nhttp_access deny all\n")
    told = accepts(program("squid"), "-k", "parse", "-f", str(config))
    assert not re.search(r"WARNING|ERROR|FATAL", told), told


def test_unbound_reads_the_zones(tmp_path: Path) -> None:
    path = written(tmp_path, "unbound")
    config = tmp_path / "unbound.conf"
    config.write_text(
        f'server:\n  chroot: ""\n  directory: "{tmp_path}"\n  username: ""\n  pidfile: ""\ninclude: "{path}"\n'
    )
    assert "no errors" in accepts(program("unbound-checkconf"), str(config))


def test_dnsmasq_reads_the_file(tmp_path: Path) -> None:
    assert "OK" in accepts(program("dnsmasq"), "--test", f"--conf-file={written(tmp_path, 'dnsmasq')}")


@pytest.mark.parametrize("addresses", [(), ("203.0.113.7", "203.0.113.8/29", "2001:db8::7")])
def test_nft_reads_the_sets(tmp_path: Path, addresses: tuple[str, ...]) -> None:
    path = written(tmp_path, "nftables", addresses=addresses)
    accepts(program("unshare"), "-rn", program("nft"), "-c", "-f", str(path))


def test_glibc_reads_the_hosts_file(tmp_path: Path) -> None:
    path = written(tmp_path, "hosts")
    rows = [line.split() for line in path.read_text().splitlines() if not line.startswith("#")]
    assert ["0.0.0.0", "chatgpt.com"] in rows and ["::", "chatgpt.com"] in rows
    assert all(len(row) == 2 and row[0] in ("0.0.0.0", "::") for row in rows)


def test_pihole_and_adguard_lines_are_of_their_grammar(tmp_path: Path) -> None:
    expressions = [line for line in written(tmp_path, "pihole").read_text().splitlines() if line[0] != "#"]
    stops = [re.compile(line) for line in expressions]

    def stopped(host: str) -> bool:
        return any(one.search(host) for one in stops)

    assert stopped("chatgpt.com") and stopped("a.chatgpt.com") and stopped("api.openai.com")
    assert not stopped("notchatgpt.com") and not stopped("chatgpt.com.evil.example") and not stopped("x.api.openai.com")
    rule = re.compile(r"!.*|(?:@@)?\|{1,2}[a-z0-9._-]+\^(?:\$(?:important|client=[0-9a-f.:/]+))?")
    lines = written(tmp_path, "adguard").read_text().splitlines()
    assert all(rule.fullmatch(line) for line in lines) and "||chatgpt.com^" in lines and "|api.openai.com^" in lines
    assert "@@||chatgpt.com^$client=10.1.2.0/24" in lines


def test_suricata_rules_are_of_the_grammar_in_its_manual(tmp_path: Path) -> None:
    option = r'(?: *(?:msg|content):"[^";\\]*"; *| *(?:flow|classtype|sid|rev):[a-z0-9_,-]+; *| *[a-z_.]+; *)'
    rule = re.compile(rf"(?:alert|drop) (?:tls|dns) \$HOME_NET any -> any any \({option}+\)")
    lines = [line for line in written(tmp_path, "suricata").read_text().splitlines() if not line.startswith("#")]
    assert lines and all(rule.fullmatch(line) for line in lines)
    numbers = re.findall(r"sid:(\d+);", "\n".join(lines))
    assert len(numbers) == len(set(numbers)) and all(1_000_000 <= int(one) < 2_000_000 for one in numbers)
    again = written(tmp_path, "suricata").read_text()
    assert again.splitlines()[2:] == lines  # The numbers stay.


def test_lists_for_devices_hold_names_and_nothing_else(tmp_path: Path) -> None:
    for id_, name in (("panos", r"(?:\*\.)?[a-z0-9._-]+/"), ("fortigate", r"(?:\*\.)?[a-z0-9._-]+")):
        assert all(re.fullmatch(name, line) for line in written(tmp_path, id_).read_text().splitlines())
    for id_ in ("zscaler", "netskope", "cloudflare", "chrome"):
        assert json.loads(written(tmp_path, id_).read_text())
    assert ".chatgpt.com" in json.loads(written(tmp_path, "zscaler").read_text())["urls"]


def test_what_a_format_cannot_say_is_said() -> None:
    for one in exports().values():
        silent = "\n".join(one.silent(made()))
        assert ("10.1.2.0/24" in silent) != one.clients
        assert "mara@corp.example" in silent and "no host name" in silent and one.leaks and one.use and one.source


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200)
@given(name=st.text(max_size=60), host=st.text(max_size=40))
def test_no_name_breaks_out(name: str, host: str) -> None:
    """Whatever a service is called: the same lines as with a harmless name, but for the comments and messages."""

    def shape(text: str) -> list[str]:
        return [re.sub(r'"[^"\n]*"|[#;!/]+ .*', "", line) for line in text.splitlines()]

    hostile = table(MADE, [Entry("a.ai", True, "id", name, name), Entry(host, True, "id", "Id")], coach="c.example")
    kept = [Entry(one.host, one.below, "id", "Id") for one in hostile.entries]
    for one in exports().values():
        assert shape(one.write(hostile)) == shape(one.write(table(MADE, kept, coach="c.example")))
