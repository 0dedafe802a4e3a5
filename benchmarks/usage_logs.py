# ruff: noqa: E501 (a line of a log is as long as it is)
"""Logs: lines a CPU second by layout, memory over 5 GB, and what NexusShadowScan 0.1.4 finds and takes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from random import Random

from benchmarks.planted import AI, FORMATS, NAMES_APPS, ONE_SERVICE, events, truth

LINES = 1_000_000
PEER_LINES = 50_000  # Its own most bytes of a file are 64 MiB; more lines only take longer.
AI_SHARE = 0.015
HOSTS = 20_000  # Others, the n-th of them 1/n as often as the first: what a network of some thousand people asks for.
LARGE_BYTES = 5_000_000_000
PLANTED = 90
PEER = "nexusshadowscan==0.1.4"
OURS = (sys.executable, "-m", "bartizan", "usage", "logs")


@dataclass(frozen=True, slots=True)
class Ran:
    """What one command took and said."""

    out: bytes
    cpu_s: float
    wall_s: float
    peak_mb: float


MEASURED = """
import json, resource, subprocess, sys
code = subprocess.run(sys.argv[2:], stderr=subprocess.DEVNULL).returncode
used = resource.getrusage(resource.RUSAGE_CHILDREN)
json.dump([used.ru_utime + used.ru_stime, used.ru_maxrss / 1024], open(sys.argv[1], "w"))
"""


def run(command: Iterable[str | Path], source: Path | None = None, times: int = 0, feed: str = "") -> Ran:
    """Runs a command; a file so many times, or what a program `feed` prints, is its standard input.

    A process begins with the memory of the one that starts it, as the kernel counts: so that is a small one here.
    """
    with tempfile.TemporaryFile() as out, tempfile.NamedTemporaryFile() as used:
        began = time.monotonic()
        writer = None
        if source is not None:
            writer = subprocess.Popen(["cat", *[source] * times], stdout=subprocess.PIPE)
        elif feed:
            writer = subprocess.Popen([sys.executable, "-c", feed], stdout=subprocess.PIPE)
        given = writer.stdout if writer else subprocess.DEVNULL
        subprocess.run([sys.executable, "-c", MEASURED, used.name, *command], stdin=given, stdout=out, check=True)
        if writer:
            assert writer.stdout is not None
            writer.stdout.close()
            writer.wait()
        took = time.monotonic() - began
        out.seek(0)
        cpu_s, peak_mb = json.loads(Path(used.name).read_text())
        return Ran(out.read(), cpu_s, took, peak_mb)


def visits(count: int) -> Iterable[tuple[float, str, str, str]]:
    """Time, client, user and host of so many lines."""
    random = Random(1)
    letters, ends = "abcdefghijklmnopqrstuvwxyz", ["com", "net", "org", "de", "io"]
    others = [
        f"{random.choice(['www', 'cdn', 'api', 'static', 'img'])}.{''.join(random.choices(letters, k=random.randrange(4, 12)))}"
        f".{random.choice(ends)}"
        for _ in range(HOSTS)
    ]
    often = random.choices(others, [1 / (n + 1) for n in range(HOSTS)], k=200_000)
    at = 1_767_607_200.0
    for n in range(count):
        at += random.random() * 0.05
        host = random.choice(AI) if random.random() < AI_SHARE else often[n % len(often)]
        person = random.randrange(4000)
        yield at, f"10.{person % 7}.{person // 250}.{person % 250}", f"user{person}@corp.example", host


def squid(count: int) -> Iterable[str]:
    for n, (at, client, user, host) in enumerate(visits(count)):
        if n % 7:
            yield (
                f"{at:.3f} {n % 9999:6} {client} TCP_TUNNEL/200 {n % 900_000} CONNECT {host}:443 {user} "
                f"HIER_DIRECT/203.0.113.{n % 250} -\n"
            )
        else:
            yield (
                f"{at:.3f} {n % 9999:6} {client} TCP_MISS/200 {n % 900_000} GET http://{host}/a/{n}.html?x={n % 97} {user} "
                f"HIER_DIRECT/203.0.113.{n % 250} text/html\n"
            )


def clf(count: int) -> Iterable[str]:
    for n, (at, client, user, host) in enumerate(visits(count)):
        when = time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime(at))
        yield f'{client} - {user} [{when}] "CONNECT {host}:443 HTTP/1.1" 200 {n % 900_000} "-" "Mozilla/5.0 (X11)" TCP_TUNNEL\n'


def zeek_dns(count: int) -> Iterable[str]:
    yield "#separator \\x09\n#set_separator\t,\n#empty_field\t(empty)\n#unset_field\t-\n#path\tdns\n"
    yield (
        "#fields\tts\tuid\tid.orig_h\tid.orig_p\tid.resp_h\tid.resp_p\tproto\ttrans_id\trtt\tquery\tqclass\tqclass_name\tqtype\t"
        "qtype_name\trcode\trcode_name\tAA\tTC\tRD\tRA\tZ\tanswers\tTTLs\trejected\n"
    )
    for n, (at, client, _, host) in enumerate(visits(count)):
        yield (
            f"{at:.6f}\tC{n:012x}\t{client}\t{n % 60_000 + 1024}\t10.0.0.53\t53\tudp\t{n % 65_536}\t0.01\t{host}\t1\t"
            "C_INTERNET\t1\tA\t0\tNOERROR\tF\tF\tT\tT\t0\t203.0.113.7\t60.000000\tF\n"
        )


def zeek_ssl(count: int) -> Iterable[str]:
    for n, (at, client, _, host) in enumerate(visits(count)):
        row = {
            "ts": round(at, 6), "uid": f"C{n:012x}", "id.orig_h": client, "id.orig_p": n % 60_000, "id.resp_h": "203.0.113.7",
            "id.resp_p": 443, "version": "TLSv13", "server_name": host, "resumed": False, "established": True,
        }  # fmt: skip
        yield json.dumps(row, separators=(",", ":")) + "\n"


def dnsmasq(count: int) -> Iterable[str]:
    for at, client, _, host in visits(count):
        yield f"{time.strftime('%b %e %H:%M:%S', time.gmtime(at))} dnsmasq[812]: query[A] {host} from {client}\n"


def fortigate(count: int) -> Iterable[str]:
    for n, (at, client, user, host) in enumerate(visits(count)):
        yield (
            f'date=2026-01-05 time=10:00:00 devname="fgt1" devid="FGT60E" eventtime={int(at)}000000000 tz="+0000" '
            f'logid="0317013312" type="utm" subtype="webfilter" level="notice" vd="root" policyid=1 sessionid={n} user="{user}" '
            f'srcip={client} srcport=50000 dstip=203.0.113.7 dstport=443 service="HTTPS" hostname="{host}" '
            f'action="passthrough" url="/" sentbyte={n % 90_000} rcvdbyte=900 msg="URL belongs to an allowed category"\n'
        )


def table(count: int) -> Iterable[str]:
    yield "When,Employee,Machine IP,Website,Bytes Uploaded,Bytes Downloaded,Verdict\n"
    for n, (at, client, user, host) in enumerate(visits(count)):
        when = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(at))
        yield f"{when},{user},{client},https://{host}/a/{n},{n % 90_000},900,Allowed\n"


LAYOUTS = {
    "Squid": squid,
    "CLF": clf,
    "Zeek dns TSV": zeek_dns,
    "Zeek ssl JSON": zeek_ssl,
    "dnsmasq": dnsmasq,
    "FortiGate": fortigate,
    "an unknown CSV": table,
}


def written(path: Path, rows: Iterable[str]) -> Path:
    with path.open("w") as file:
        file.writelines(rows)
    return path


SPLIT = """
import sys
wanted = {host.encode(): 1 for host in sys.argv[2].split()}
count = 0
for line in open(sys.argv[1], "rb"):
    fields = line.split()
    if len(fields) > 6 and wanted.get(fields[6].removesuffix(b":443")):
        count += 1
"""


def speed(folder: Path) -> None:
    print(
        f"{LINES:,} lines each, {AI_SHARE:.1%} of them about AI among {HOSTS:,} other hosts; whole command, one process, "
        "with its start, telling the format, decoding and counting.\n"
    )
    print("| layout | lines a CPU second | MB a CPU second | peak MB |")
    print("|---|---|---|---|")
    for name, rows in LAYOUTS.items():
        path = written(folder / "log", rows(LINES))
        row(name, path, run([*OURS, "--jobs", "1", path]))
        if name == "Squid":
            plain = run([sys.executable, "-c", SPLIT, path, " ".join(AI)])
            row("(Squid: `split()` and a dictionary alone, no format told, nothing decoded)", path, plain)
            subprocess.run(["gzip", "-k", path], check=True)
            packed = folder / "log.gz"
            row("Squid, gzip", path, run([*OURS, "--jobs", "1", packed]))
            packed.unlink()
    path.unlink()


def row(name: str, path: Path, ran: Ran) -> None:
    size = path.stat().st_size / 1e6
    print(f"| {name} | {LINES / ran.cpu_s:,.0f} | {size / ran.cpu_s:.0f} | {ran.peak_mb:.0f} |", flush=True)


def memory(folder: Path) -> None:
    print("\nOver one pipe, so that nothing can be read twice:\n")
    print("| source | lines | peak MB | CPU s |")
    print("|---|---|---|---|")
    path = written(folder / "log", squid(LINES))
    for size in (0, 1_000_000_000, LARGE_BYTES):
        times = max(1, round(size / path.stat().st_size))
        ran = run([*OURS, "-"], path, times)
        gb = times * path.stat().st_size / 1e9
        print(f"| Squid, {gb:.1f} GB | {times * LINES:,} | {ran.peak_mb:.0f} | {ran.cpu_s:.0f} |", flush=True)
    ran = run([*OURS, "-"], feed=DISTINCT)
    print(f"| Squid, every host and user another, a quarter AI | 2,000,000 | {ran.peak_mb:.0f} | {ran.cpu_s:.0f} |")


DISTINCT = """
import sys
line = "1767607200.029 1 10.0.%d.%d TCP_TUNNEL/200 9 CONNECT h%d.%s:443 u%d HIER_DIRECT/203.0.113.9 -\\n"
for n in range(2_000_000):
    sys.stdout.write(line % (n % 250, n % 199, n, "openai.azure.com" if n % 4 == 0 else "example.org", n))
"""


def peer() -> Path:
    """NexusShadowScan in an environment of its own, made if it is not there."""
    place = Path(os.environ.get("BENCH_NEXUS") or Path.home() / ".cache/bartizan-bench/nexusshadowscan")
    if not (place / "bin/shadowscan").exists():
        print(f"making {place}", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", place], check=True)
        subprocess.run([place / "bin/pip", "install", "-q", PEER], check=True)
    return place / "bin/shadowscan"


def theirs(scan: Path, connector: str, path: Path, folder: Path) -> tuple[Ran, set[tuple[str, str]]]:
    """What it took, and which clients it saw at which hosts."""
    report = folder / "report.json"
    report.unlink(missing_ok=True)
    ran = run([scan, "run", connector, "--set", f"input={path}", "-f", "json", "-o", report])
    found = json.loads(report.read_text())["findings"] if report.exists() else []
    pairs = {
        (str(held.get("client") or held.get("user") or held.get("actor")), str(host))
        for held in (one.get("metadata", {}) for one in found)
        for host in held.get("hosts") or [held.get("host")]
    }
    return ran, pairs


def beside(folder: Path) -> None:
    scan = peer()
    path = written(folder / "dns.log", zeek_dns(PEER_LINES))
    mine = run([*OURS, "--jobs", "1", path])
    other, pairs = theirs(scan, "network.logs", path, folder)
    print(f"\nThe same Zeek dns log of {PEER_LINES:,} lines, whole commands with their start:\n")
    print("| | CPU s | peak MB |")
    print("|---|---|---|")
    print(f"| Bartizan | {mine.cpu_s:.2f} | {mine.peak_mb:.0f} |")
    print(f"| NexusShadowScan, {len(pairs):,} pairs | {other.cpu_s:.2f} | {other.peak_mb:.0f} |")
    print("\nThe planted logs of `usage_formats` (person and host, both must be right):\n")
    print("| layout | planted | NexusShadowScan found |")
    print("|---|---|---|")
    planted = found = full = 0
    for n, (name, make) in enumerate(FORMATS.items()):
        random = Random(n)
        es = events(random, PLANTED)
        file = folder / ("planted.json" if make(es, Random(0))[:1] in b"{[" else "planted.log")
        file.write_bytes(make(es, random))
        wanted = truth(name, es)
        seen: set[tuple[str, str]] = set()
        for connector in ("network.logs", "gateway.logs"):
            seen |= theirs(scan, connector, file, folder)[1]
        named = {(who, "" if name in ONE_SERVICE or name in NAMES_APPS else host) for who, host in seen}
        wanted = {(who, "" if name in NAMES_APPS else host) for who, host in wanted}
        hit = len(wanted & named)
        planted, found, full = planted + len(wanted), found + hit, full + (hit >= 0.98 * len(wanted))
        if hit:
            print(f"| {name} | {len(wanted)} | {hit} |", flush=True)
        file.unlink()
    print(f"| **all {len(FORMATS)}: {full} read fully** | {planted} | {found} |")


def main() -> None:
    """Prints speed, memory, and the comparison."""
    with tempfile.TemporaryDirectory(prefix="bartizan-bench-") as name:
        folder = Path(name)
        speed(folder)
        memory(folder)
        beside(folder)


if __name__ == "__main__":
    main()
