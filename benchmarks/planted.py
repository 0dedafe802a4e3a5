# ruff: noqa: E501 (a line of a log is as long as it is)
"""Logs with planted AI use in the layouts of 32 products, written from their documentation, not from our readers.

Each log holds visits to AI services among ten times as many ordinary ones, look-alikes of AI hosts, and decoys: AI hosts in a
referer, a query, a path, a user agent or a user's name. What was planted is known; everything else reported is wrong.
"""

from __future__ import annotations

import base64
import json
import struct
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from random import Random

START = 1_767_607_200  # 2026-01-05 10:00 UTC, a Monday
AI = [
    "chatgpt.com",
    "chat.openai.com",
    "api.openai.com",
    "claude.ai",
    "api.anthropic.com",
    "gemini.google.com",
    "generativelanguage.googleapis.com",
    "aistudio.google.com",
    "notebooklm.google.com",
    "copilot.microsoft.com",
    "api.githubcopilot.com",
    "www.perplexity.ai",
    "api.perplexity.ai",
    "chat.mistral.ai",
    "api.mistral.ai",
    "chat.deepseek.com",
    "api.deepseek.com",
    "grok.com",
    "api.x.ai",
    "api-inference.huggingface.co",
    "openrouter.ai",
    "api.together.xyz",
    "api.groq.com",
    "api.cohere.com",
    "api.replicate.com",
    "poe.com",
    "character.ai",
    "www.midjourney.com",
    "api.stability.ai",
    "api.elevenlabs.io",
    "app.runwayml.com",
    "suno.com",
    "otter.ai",
    "app.fireflies.ai",
    "www.jasper.ai",
    "api2.cursor.sh",
    "contoso-eu.openai.azure.com",
    "bedrock-runtime.us-east-1.amazonaws.com",
    "us-central1-aiplatform.googleapis.com",
    "api.moonshot.cn",
    "chat.qwen.ai",
    "dashscope.aliyuncs.com",
    "www.doubao.com",
    "api.fireworks.ai",
    "api.deepinfra.com",
    "api.cerebras.ai",
    "gamma.app",
    "lovable.dev",
    "bolt.new",
]
ORDINARY = [
    "www.bbc.co.uk",
    "cdn.jsdelivr.net",
    "outlook.office365.com",
    "www.airbnb.com",
    "mail.google.com",
    "clients4.google.com",
    "login.microsoftonline.com",
    "fonts.gstatic.com",
    "s3.eu-west-1.amazonaws.com",
    "www.thaiairways.com",
    "chat.whatsapp.com",
    "github.com",
    "www.spiegel.de",
    "static.zdassets.com",
    "www.rijksmuseum.nl",
    "www.zeit.de",
    "www.kraichgau.de",
    "update.code.visualstudio.com",
    "intranet.example",
    "api.stripe.com",
    "www.lemonde.fr",
    "edge.microsoft.com",
    "ocsp.digicert.com",
    "time.apple.com",
    "telemetry.example.net",
    "claudette.example",
    "www.openair-hotel.example",
    "gptours.example",
    "geminiani.example",
]
LOOKALIKE = [
    "notopenai.com",
    "openai.com.evil.example",
    "chatgpt.com.login-secure.example",
    "claude.ai.phish.example",
    "myclaude.ai.example.net",
    "ch\u0430tgpt.com".encode("idna").decode(),
    "api-openai.com.cdn.example",
    "xchatgpt.com.example",
]
PEOPLE = [
    f"{name}@corp.example"
    for name in ["mara", "jonas", "lea", "tariq", "ines", "oskar", "yuki", "petra", "sven", "aisha"]
]


APPS = ["ChatGPT", "Claude", "Perplexity", "Otter.ai", "Grammarly", "Cursor"]


@dataclass(frozen=True, slots=True)
class Event:
    """One visit to write down; `planted` where it is AI use."""

    at: int
    user: str
    ip: str
    host: str
    planted: bool
    path: str
    referer: str
    agent: str
    up: int
    down: int
    port: int

    @property
    def when(self) -> datetime:
        return datetime.fromtimestamp(self.at, UTC)


def events(random: Random, planted: int) -> list[Event]:
    """So many planted visits by different people to different hosts, among others."""
    seats = {user: f"10.{random.randrange(1, 250)}.{random.randrange(250)}.{10 + n}" for n, user in enumerate(PEOPLE)}
    pairs = random.sample([(user, host) for user in PEOPLE for host in AI], planted)
    hosts = [(user, host, True) for user, host in pairs for _ in range(random.randrange(1, 4))]
    hosts += [(random.choice(PEOPLE), random.choice(ORDINARY), False) for _ in range(planted * 10)]
    hosts += [(random.choice(PEOPLE), host, False) for host in LOOKALIKE]
    random.shuffle(hosts)
    at, out = START, []
    for user, host, ai in hosts:
        at += random.randrange(1, 30)
        decoy = not ai and random.random() < 0.15
        path = "/v1/chat/completions" if ai and host.startswith("api") else "/"
        if decoy:
            path = random.choice(["/?q=chatgpt.com", "/r?u=https://claude.ai/new", "/openai.com/index.html"])
        referer = "https://chatgpt.com/" if decoy else "https://www.bbc.co.uk/"
        agent = "fetch openai.com/bot" if decoy else "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101"
        up, down = random.randrange(400, 90_000), random.randrange(500, 900_000)
        out.append(
            Event(at, user, seats[user], host, ai, path, referer, agent, up, down, random.randrange(20000, 60000))
        )
    return out


Write = Callable[[list[Event], Random], bytes]
FORMATS: dict[str, Write] = {}
BY_USER: set[str] = set()  # Those that log who, not only from where.


def layout(name: str, *, user: bool = False) -> Callable[[Write], Write]:
    def keep(write: Write) -> Write:
        FORMATS[name] = write
        if user:
            BY_USER.add(name)
        return write

    return keep


def app(e: Event) -> str:
    """The application that stands for a planted host where a layout names applications."""
    return APPS[AI.index(e.host) % len(APPS)]


def lines(rows: list[str]) -> bytes:
    return ("\n".join(rows) + "\n").encode()


def jsonl(rows: list[object]) -> bytes:
    return lines([json.dumps(row, separators=(",", ":")) for row in rows])


def iso(e: Event) -> str:
    return e.when.strftime("%Y-%m-%dT%H:%M:%SZ")


def text(e: Event, form: str) -> str:
    return e.when.strftime(form)


@layout("squid native", user=True)
def squid(es: list[Event], random: Random) -> bytes:
    return lines(
        [
            f"{e.at}.{random.randrange(1000):03} {random.randrange(9999):6} {e.ip} TCP_TUNNEL/200 {e.down} CONNECT {e.host}:443 "
            f"{e.user} HIER_DIRECT/203.0.113.9 -"
            if n % 3
            else f"{e.at}.000    123 {e.ip} TCP_MISS/200 {e.down} GET http://{e.host}{e.path} {e.user} "
            f"HIER_DIRECT/203.0.113.9 text/html"
            for n, e in enumerate(es)
        ]
    )


@layout("squid combined", user=True)
def squid_combined(es: list[Event], random: Random) -> bytes:
    return lines(
        [
            f'{e.ip} - {e.user} [{text(e, "%d/%b/%Y:%H:%M:%S +0000")}] "GET http://{e.host}{e.path} HTTP/1.1" 200 {e.down} '
            f'"{e.referer}" "{e.agent}" TCP_MISS:HIER_DIRECT'
            for e in es
        ]
    )


@layout("forward proxy in CLF, two hours east", user=True)
def clf(es: list[Event], random: Random) -> bytes:
    east = [datetime.fromtimestamp(e.at + 7200, UTC).strftime("%d/%b/%Y:%H:%M:%S +0200") for e in es]
    return lines(
        [
            f'{e.ip} - {e.user} [{at}] "CONNECT {e.host}:443 HTTP/1.1" 200 {e.down}'
            for e, at in zip(es, east, strict=True)
        ]
    )


@layout("haproxy http log")
def haproxy(es: list[Event], random: Random) -> bytes:
    return lines(
        [
            f"{text(e, '%b %e %H:%M:%S')} lb1 haproxy[1443]: {e.ip}:{e.port} [{text(e, '%d/%b/%Y:%H:%M:%S')}.123] fwd~ out/srv1 "
            f'0/0/10/69/109 200 {e.down} - - ---- 1/1/1/1/0 0/0 {{{e.host}}} "GET {e.path} HTTP/1.1"'
            for e in es
        ]
    )


@layout("zeek dns tsv")
def zeek_dns(es: list[Event], random: Random) -> bytes:
    head = [
        "#separator \\x09", "#set_separator\t,", "#empty_field\t(empty)", "#unset_field\t-", "#path\tdns",
        "#fields\tts\tuid\tid.orig_h\tid.orig_p\tid.resp_h\tid.resp_p\tproto\ttrans_id\trtt\tquery\tqclass\tqclass_name\t"
        "qtype\tqtype_name\trcode\trcode_name\tAA\tTC\tRD\tRA\tZ\tanswers\tTTLs\trejected",
        "#types\ttime\tstring\taddr\tport\taddr\tport\tenum\tcount\tinterval\tstring\tcount\tstring\tcount\tstring\tcount\t"
        "string\tbool\tbool\tbool\tbool\tcount\tvector[string]\tvector[interval]\tbool",
    ]  # fmt: skip
    return lines(
        head
        + [
            f"{e.at}.123456\tC{n:012x}\t{e.ip}\t{e.port}\t10.0.0.53\t53\tudp\t{n % 65536}\t0.01\t{e.host}\t1\tC_INTERNET\t1\tA\t"
            "0\tNOERROR\tF\tF\tT\tT\t0\t203.0.113.7\t60.000000\tF"
            for n, e in enumerate(es)
        ]
        + ["#close\t2026-01-05-23-00-00"]
    )


@layout("zeek ssl json")
def zeek_ssl(es: list[Event], random: Random) -> bytes:
    return jsonl(
        [
            {
                "ts": e.at + 0.5, "uid": f"C{n:012x}", "id.orig_h": e.ip, "id.orig_p": e.port, "id.resp_h": "203.0.113.7",
                "id.resp_p": 443, "version": "TLSv13", "server_name": e.host, "resumed": False, "established": True,
            }
            for n, e in enumerate(es)
        ]
    )  # fmt: skip


@layout("suricata eve")
def suricata(es: list[Event], random: Random) -> bytes:
    def row(n: int, e: Event) -> object:
        base: dict[str, object] = {
            "timestamp": text(e, "%Y-%m-%dT%H:%M:%S.000000+0000"), "flow_id": n + 10**15, "in_iface": "eth0",
            "src_ip": e.ip, "src_port": e.port, "dest_ip": "203.0.113.7", "dest_port": 443, "proto": "TCP",
        }  # fmt: skip
        if n % 3 == 0:
            return base | {"event_type": "tls", "tls": {"sni": e.host, "version": "TLS 1.3"}}
        if n % 3 == 1:
            return base | {"event_type": "dns", "dns": {"type": "query", "id": 1, "rrname": e.host, "rrtype": "A"}}
        http = {
            "hostname": e.host,
            "url": e.path,
            "http_method": "GET",
            "http_refer": e.referer,
            "http_user_agent": e.agent,
        }
        return base | {"event_type": "http", "http": http}

    noise: list[object] = [
        {"timestamp": "2026-01-05T10:00:00.000000+0000", "event_type": "stats", "stats": {"uptime": 1}}
    ]
    return jsonl(noise + [row(n, e) for n, e in enumerate(es)])


@layout("bind query log")
def bind(es: list[Event], random: Random) -> bytes:
    return lines(
        [
            f"{text(e, '%d-%b-%Y %H:%M:%S')}.123 queries: info: client @0x7f3b{n:08x} {e.ip}#{e.port} ({e.host}): query: {e.host} "
            "IN A +E(0)K (10.0.0.53)"
            for n, e in enumerate(es)
        ]
    )


@layout("dnsmasq / pi-hole log")
def dnsmasq(es: list[Event], random: Random) -> bytes:
    out = []
    for e in es:
        at = text(e, "%b %e %H:%M:%S")
        out += [
            f"{at} dnsmasq[812]: query[A] {e.host} from {e.ip}",
            f"{at} dnsmasq[812]: forwarded {e.host} to 1.1.1.1",
            f"{at} dnsmasq[812]: reply {e.host} is 203.0.113.7",
        ]
    return lines(out)


@layout("adguard home querylog")
def adguard(es: list[Event], random: Random) -> bytes:
    answer = base64.b64encode(b"\0" * 30).decode()
    return jsonl(
        [
            {
                "T": text(e, "%Y-%m-%dT%H:%M:%S.5Z"), "QH": e.host, "QT": "A", "QC": "IN", "CP": "", "Answer": answer,
                "IP": e.ip, "Result": {}, "Elapsed": 1000, "Upstream": "https://dns.quad9.net:443/dns-query",
            }
            for e in es
        ]
    )  # fmt: skip


@layout("unbound")
def unbound(es: list[Event], random: Random) -> bytes:
    return lines([f"[{e.at}] unbound[204:0] info: {e.ip} {e.host}. A IN" for e in es])


@layout("coredns log plugin")
def coredns(es: list[Event], random: Random) -> bytes:
    return lines(
        [
            f'[INFO] {e.ip}:{e.port} - {n} "A IN {e.host}. udp 51 false 1232" NOERROR qr,rd,ra 130 0.0123s'
            for n, e in enumerate(es)
        ]
    )


@layout("windows dns debug, utf-16")
def windows_dns(es: list[Event], random: Random) -> bytes:
    out = ["DNS Server log file creation at 1/5/2026 9:59:00 AM", "Log file wrap at 1/5/2026 9:59:00 AM", ""]
    for n, e in enumerate(es):
        labels = "".join(f"({len(part)}){part}" for part in e.host.split(".")) + "(0)"
        at = f"{e.when.month}/{e.when.day}/{e.when.year} {int(text(e, '%I'))}:{text(e, '%M:%S %p')}"
        out.append(
            f"{at} 0A1C PACKET  000001D9AF5C7C00 UDP Rcv {e.ip:<15} {n & 0xFFFF:04x}   Q [0001   D   NOERROR] A      {labels}"
        )
        out.append(
            f"{at} 0A1C PACKET  000001D9AF5C7C00 UDP Snd {e.ip:<15} {n & 0xFFFF:04x} R Q [8081   DR  NOERROR] A      {labels}"
        )
    return b"\xff\xfe" + "\r\n".join(out).encode("utf-16-le")


@layout("route 53 resolver")
def route53(es: list[Event], random: Random) -> bytes:
    return jsonl(
        [
            {
                "version": "1.100000", "account_id": "123456789012", "region": "eu-central-1", "vpc_id": "vpc-0a1b",
                "query_timestamp": iso(e), "query_name": e.host + ".", "query_type": "A", "query_class": "IN",
                "rcode": "NOERROR", "answers": [{"Rdata": "203.0.113.7", "Type": "A", "Class": "IN"}], "srcaddr": e.ip,
                "srcport": str(e.port), "transport": "UDP", "srcids": {"instance": "i-0123456789abcdef0"},
            }
            for e in es
        ]
    )  # fmt: skip


@layout("umbrella dns csv", user=True)
def umbrella(es: list[Event], random: Random) -> bytes:
    return lines(
        [
            f'"{text(e, "%Y-%m-%d %H:%M:%S")}","{e.user}","{e.user},Berlin, Site 2","{e.ip}","198.51.100.4","Allowed",'
            f'"1 (A)","NOERROR","{e.host}.","Software/Technology,Business Services","AD Users","AD Users,Sites",""'
            for e in es
        ]
    )


@layout("cloudflare gateway dns", user=True)
def cloudflare(es: list[Event], random: Random) -> bytes:
    return jsonl(
        [
            {
                "Datetime": iso(e), "QueryName": e.host, "Email": e.user, "SrcIP": e.ip, "DeviceName": "laptop",
                "QueryTypeName": "A", "ResolverDecision": "allowedOnNoPolicyMatch", "Location": "berlin", "DstIP": "1.1.1.1",
            }
            for e in es
        ]
    )  # fmt: skip


@layout("nextdns csv")
def nextdns(es: list[Event], random: Random) -> bytes:
    return lines(
        [
            "timestamp,domain,query_type,dnssec,protocol,client_ip,status,reasons,destination_country,root_domain,device_id"
        ]
        + [f"{iso(e)},{e.host},A,false,DNS-over-HTTPS,{e.ip},,,US,{e.host},A1B2C" for e in es]
    )


@layout("zscaler nss web json", user=True)
def zscaler(es: list[Event], random: Random) -> bytes:
    return jsonl(
        [
            {
                "sourcetype": "zscalernss-web",
                "event": {
                    "time": text(e, "%a %b %e %H:%M:%S %Y"), "login": e.user, "eurl": f"{e.host}{e.path}", "cip": e.ip,
                    "reqmethod": "POST", "reqsize": str(e.up), "respsize": str(e.down), "action": "Allowed",
                    "ereferer": e.referer, "eua": e.agent,
                },
            }
            for e in es
        ]
    )  # fmt: skip


@layout("netskope events", user=True)
def netskope(es: list[Event], random: Random) -> bytes:
    return jsonl(
        [
            {
                "timestamp": e.at, "type": "page", "user": e.user, "srcip": e.ip, "domain": e.host, "url": e.host + e.path,
                "client_bytes": e.up, "server_bytes": e.down, "access_method": "Client", "referer": e.referer,
            }
            for e in es
        ]
    )  # fmt: skip


@layout("pan-os threat url", user=True)
def panos(es: list[Event], random: Random) -> bytes:
    return lines(
        [
            f"<14>{text(e, '%b %e %H:%M:%S')} fw1 1,{text(e, '%Y/%m/%d %H:%M:%S')},012345678901,THREAT,url,2562,"
            f"{text(e, '%Y/%m/%d %H:%M:%S')},{e.ip},203.0.113.7,0.0.0.0,0.0.0.0,allow-web,{e.user},,ssl,vsys1,trust,untrust,"
            f"ethernet1/2,ethernet1/1,fwd,{text(e, '%Y/%m/%d %H:%M:%S')},{n},1,{e.port},443,0,0,0x0,tcp,alert,"
            f'"{e.host}{e.path},x",(9999),computer-and-internet-info,informational,client-to-server,{n},0x0,10.0.0.0-10.255.255.255,'
            f'United States,,text/html,0,,,1,"{e.agent}",,,"{e.referer}",,,0'
            for n, e in enumerate(es)
        ]
    )


@layout("fortigate webfilter", user=True)
def fortigate(es: list[Event], random: Random) -> bytes:
    return lines(
        [
            f'date={text(e, "%Y-%m-%d")} time={text(e, "%H:%M:%S")} devname="fgt1" devid="FGT60E" eventtime={e.at}000000000 '
            f'tz="+0000" logid="0317013312" type="utm" subtype="webfilter" eventtype="ftgd_allow" level="notice" vd="root" '
            f'policyid=1 sessionid={n} user="{e.user}" srcip={e.ip} srcport={e.port} dstip=203.0.113.7 dstport=443 proto=6 '
            f'service="HTTPS" hostname="{e.host}" profile="default" action="passthrough" reqtype="direct" url="{e.path}" '
            f'sentbyte={e.up} rcvdbyte={e.down} direction="outgoing" msg="URL belongs to an allowed category" '
            f'referralurl="{e.referer}" catdesc="Information Technology"'
            for n, e in enumerate(es)
        ]
    )


@layout("cef over syslog", user=True)
def cef(es: list[Event], random: Random) -> bytes:
    return lines(
        [
            f"<134>{text(e, '%b %e %H:%M:%S')} proxy CEF:0|Vendor \\| Co|WebProxy|1.0|100|Web request|3|rt={e.at}000 src={e.ip} "
            f"suser={e.user} dhost={e.host} request=https://{e.host}{e.path.replace('=', chr(92) + '=')} requestMethod=POST "
            f"out={e.up} in={e.down} act=allowed requestContext={e.referer} requestClientApplication={e.agent}"
            for e in es
        ]
    )


@layout("leef 2.0", user=True)
def leef(es: list[Event], random: Random) -> bytes:
    return lines(
        [
            f"LEEF:2.0|Vendor|Proxy|2.1|web|^|devTime={e.at}000^src={e.ip}^usrName={e.user}^dst=203.0.113.7^"
            f"url=https://{e.host}{e.path}^srcBytes={e.up}^dstBytes={e.down}^action=allow^referrer={e.referer}"
            for e in es
        ]
    )


@layout("sophos firewall", user=True)
def sophos(es: list[Event], random: Random) -> bytes:
    return lines(
        [
            f'device="SFW" date={text(e, "%Y-%m-%d")} time={text(e, "%H:%M:%S")} timezone="GMT" device_name="XG" device_id=C01 '
            f'log_id=050901616001 log_type="Content Filtering" log_component="HTTP" log_subtype="Allowed" status="" '
            f'priority=Information fw_rule_id=1 user_name="{e.user}" user_gp="Open Group" category="IT" '
            f'url="https://{e.host}{e.path}" contenttype="text/html" src_ip={e.ip} dst_ip=203.0.113.7 protocol="TCP" '
            f'src_port={e.port} dst_port=443 sent_bytes={e.up} recv_bytes={e.down} domain={e.host} referer="{e.referer}"'
            for e in es
        ]
    )


def hello(host: str) -> bytes:
    """A TLS 1.2-framed ClientHello that names a server (RFC 8446, RFC 6066)."""
    name = host.encode()
    sni = struct.pack("!HHHBH", 0, len(name) + 5, len(name) + 3, 0, len(name)) + name
    pad = struct.pack("!HH", 21, 400) + bytes(400)
    extensions = pad + sni
    body = b"\x03\x03" + bytes(32) + b"\0" + struct.pack("!H", 2) + b"\x13\x01" + b"\x01\0"
    body += struct.pack("!H", len(extensions)) + extensions
    shake = b"\x01" + len(body).to_bytes(3, "big") + body
    return b"\x16\x03\x01" + struct.pack("!H", len(shake)) + shake


@layout("pcap, hello over two segments")
def pcap(es: list[Event], random: Random) -> bytes:
    out = [struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1)]
    for e in es:
        source, target = bytes(int(part) for part in e.ip.split(".")), bytes([203, 0, 113, 7])
        sent, seq = hello(e.host), random.randrange(2**31)
        cut = random.randrange(5, len(sent) - 5)
        for at, data, flags in ((seq - 1, b"", 2), (seq, sent[:cut], 16), (seq + cut, sent[cut:], 24)):
            tcp = struct.pack("!HHIIBBHHH", e.port, 443, at % 2**32, 0, 5 << 4, flags, 64240, 0, 0) + data
            ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(tcp), 1, 0, 64, 6, 0, source, target)
            frame = b"\x02\0\0\0\0\x01\x02\0\0\0\0\x02\x08\0" + ip + tcp
            out.append(struct.pack("<IIII", e.at, 0, len(frame), len(frame)) + frame)
    return b"".join(out)


@layout("cloudtrail bedrock", user=True)
def cloudtrail(es: list[Event], random: Random) -> bytes:
    def row(e: Event) -> object:
        ai = e.planted
        return {
            "eventVersion": "1.09", "eventTime": iso(e), "awsRegion": "us-east-1", "sourceIPAddress": e.ip,
            "userIdentity": {
                "type": "AssumedRole", "arn": f"arn:aws:sts::123456789012:assumed-role/dev/{e.user}",
                "principalId": f"AROAX:{e.user}",
            },
            "eventSource": "bedrock.amazonaws.com" if ai else "s3.amazonaws.com",
            "eventName": random.choice(["InvokeModel", "Converse", "InvokeModelWithResponseStream"]) if ai else "GetObject",
            "requestParameters": {"modelId": "anthropic.claude-sonnet-4"} if ai else {"key": "bedrock.amazonaws.com"},
            "tlsDetails": {
                "clientProvidedHostHeader": "bedrock-runtime.us-east-1.amazonaws.com" if ai else "s3.amazonaws.com"
            },
        }  # fmt: skip

    return json.dumps({"Records": [row(e) for e in es]}).encode()


@layout("entra sign-ins", user=True)
def entra(es: list[Event], random: Random) -> bytes:
    return json.dumps(
        {
            "value": [
                {
                    "id": f"{n}", "createdDateTime": iso(e), "userPrincipalName": e.user, "ipAddress": e.ip,
                    "appDisplayName": app(e) if e.planted else "Office 365 Exchange Online", "appId": f"00000000-{n:04}",
                    "status": {"errorCode": 0},
                }
                for n, e in enumerate(es)
            ]
        }
    ).encode()  # fmt: skip


@layout("workspace token audit", user=True)
def workspace(es: list[Event], random: Random) -> bytes:
    def row(n: int, e: Event) -> object:
        event = {"name": "authorize", "parameters": [{"name": "app_name", "value": app(e) if e.planted else "Slack"}]}
        return {
            "id": {"time": iso(e), "applicationName": "token"}, "actor": {"email": e.user}, "ipAddress": e.ip,
            "events": event if n % 2 else [event],
        }  # fmt: skip

    return jsonl([row(n, e) for n, e in enumerate(es)])


@layout("okta system log", user=True)
def okta(es: list[Event], random: Random) -> bytes:
    return json.dumps(
        [
            {
                "uuid": f"{n}", "published": iso(e), "eventType": "user.authentication.sso", "outcome": {"result": "SUCCESS"},
                "actor": {"type": "User", "alternateId": e.user, "displayName": "x"}, "client": {"ipAddress": e.ip},
                "target": [{"type": "AppInstance", "displayName": app(e) if e.planted else "Salesforce", "alternateId": "x"}],
            }
            for n, e in enumerate(es)
        ]
    ).encode()  # fmt: skip


@layout("azure openai diagnostics")
def azure_openai(es: list[Event], random: Random) -> bytes:
    return jsonl(
        [
            {
                "time": iso(e), "category": "RequestResponse", "callerIpAddress": e.ip, "resultSignature": "200",
                "operationName": "ChatCompletions_Create" if e.planted else "Vaults_Get",
                "resourceId": "/SUBSCRIPTIONS/0/RESOURCEGROUPS/AI/PROVIDERS/"
                + ("MICROSOFT.COGNITIVESERVICES/ACCOUNTS/CONTOSO-EU" if e.planted else "MICROSOFT.KEYVAULT/VAULTS/K1"),
                "properties": json.dumps({"apiName": "Azure OpenAI API version 2024-10-21", "requestLength": e.up}),
            }
            for e in es
        ]
    )  # fmt: skip


@layout("vertex audit", user=True)
def vertex(es: list[Event], random: Random) -> bytes:
    return jsonl(
        [
            {
                "protoPayload": {
                    "@type": "type.googleapis.com/google.cloud.audit.AuditLog",
                    "serviceName": "aiplatform.googleapis.com" if e.planted else "storage.googleapis.com",
                    "methodName": "google.cloud.aiplatform.v1.PredictionService.GenerateContent"
                    if e.planted
                    else "storage.objects.get",
                    "authenticationInfo": {"principalEmail": e.user},
                    "requestMetadata": {"callerIp": e.ip},
                },
                "timestamp": iso(e),
                "logName": "projects/p/logs/cloudaudit.googleapis.com%2Fdata_access",
            }
            for e in es
        ]
    )


@layout("github audit", user=True)
def github(es: list[Event], random: Random) -> bytes:
    return jsonl(
        [
            {
                "@timestamp": e.at * 1000, "actor": e.user, "org": "corp", "actor_ip": e.ip,
                "action": "copilot.cfb_seat_added" if e.planted else "git.clone", "created_at": e.at * 1000,
            }
            for e in es
        ]
    )  # fmt: skip


NAMES_APPS = {"entra sign-ins", "workspace token audit", "okta system log"}
ONE_SERVICE = {"cloudtrail bedrock", "azure openai diagnostics", "vertex audit", "github audit"}


def truth(name: str, es: list[Event]) -> set[tuple[str, str]]:
    """What was planted: who, and the host; the application where the layout names that, "" where it is of one service."""
    who = [(e.user if name in BY_USER else e.ip, e) for e in es if e.planted]
    if name in NAMES_APPS:
        return {(actor, app(e)) for actor, e in who}
    return {(actor, "" if name in ONE_SERVICE else e.host) for actor, e in who}
