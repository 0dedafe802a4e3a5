# ruff: noqa: E501 (a line of a log is as long as it is)
"""Logs of name servers and network sensors, as the programs write them: AI visits among others, look-alikes and decoys."""

from __future__ import annotations

import json
from typing import Any

LINES: dict[str, str] = {
    "bind": """
05-Jan-2026 10:00:00.123 queries: info: client @0x7faf27d67098 10.0.0.7#47259 (chatgpt.com): query: chatgpt.com IN A +E(0)K (10.0.0.53)
05-Jan-2026 10:00:01.000 queries: info: client @0x7faf27d67098 10.0.0.8#40713 (claude.ai): query: claude.ai IN A +E(0)K (10.0.0.53) [ECS 10.1.2.0/24/0]
05-Jan-2026 10:00:01.001 rpz: info: client @0x7faf27d67098 10.0.0.8#40713 (claude.ai): rpz QNAME NXDOMAIN rewrite claude.ai/A/IN via claude.ai.rpz
05-Jan-2026 10:00:02.000 queries: info: client @0x7faf27d67098 10.0.0.9#40714 (API.openai.com): view inside: query: API.openai.com IN HTTPS +E(0)TK (10.0.0.53)
05-Jan-2026 10:00:03.000 queries: info: client @0x7faf27d67098 10.0.0.9#40715 (www.bbc.co.uk): query: www.bbc.co.uk IN A + (10.0.0.53)
05-Jan-2026 10:00:04.000 queries: info: client @0x7faf27d67098 10.0.0.9#40716 (claude.ai.phish.example): query: claude.ai.phish.example IN A + (10.0.0.53)
2026-01-05T10:00:05.000Z client @0x7faf27d67098 fd00::9#40717/key laptop (claude.ai): query: claude.ai IN AAAA +E(0)K (fd00::53)
""",
    "dnsmasq": """
Jan  5 10:00:00 dnsmasq[812]: query[A] chatgpt.com from 10.0.0.7
Jan  5 10:00:00 dnsmasq[812]: forwarded chatgpt.com to 1.1.1.1
Jan  5 10:00:00 dnsmasq[812]: reply chatgpt.com is <CNAME>
Jan  5 10:00:00 dnsmasq[812]: reply api.openai.com is 203.0.113.9
Jan  5 10:00:01 dnsmasq[812]: query[AAAA] claude.ai from 10.0.0.8
Jan  5 10:00:01 dnsmasq[812]: gravity blocked claude.ai is ::
Jan  5 10:00:02 dnsmasq[812]: 41 10.0.0.9/51000 query[type=65] api.openai.com from 10.0.0.9
Jan  5 10:00:02 dnsmasq[812]: 41 10.0.0.9/51000 config api.openai.com is NXDOMAIN
Jan  5 10:00:03 dnsmasq[812]: query[A] www.bbc.co.uk from 10.0.0.9
Jan  5 10:00:03 dnsmasq[812]: cached www.bbc.co.uk is 203.0.113.1
Jan  5 10:00:04 dnsmasq-dhcp[812]: DHCPACK(eth0) 10.0.0.9 02:00:00:00:00:01 claude.ai
Jan  5 10:00:05 router dnsmasq[812]: query[A] claude.ai from fd00::9
""",
    "unbound": """
[1767607200] unbound[204:0] info: 10.0.0.7 chatgpt.com. A IN
[1767607200] unbound[204:0] info: 10.0.0.7 chatgpt.com. A IN NOERROR 0.000605 0 75
[1767607201] unbound[204:0] query: 10.0.0.8 claude.ai. AAAA IN
[1767607201] unbound[204:0] info: claude.ai. always_nxdomain 10.0.0.8@43575 claude.ai. AAAA IN
[1767607201] unbound[204:0] reply: 10.0.0.8 claude.ai. AAAA IN NXDOMAIN 0.000000 1 38
[1767607202] unbound[204:1] reply: 10.0.0.9 api.openai.com. HTTPS IN NOERROR 0.1 0 91
[1767607203] unbound[204:1] info: 10.0.0.9 www.bbc.co.uk. A IN
[1767607204] unbound[204:0] info: server stats for thread 0: 6 queries, 1 answers from cache, 5 recursions, 0 prefetch
<30>1 2026-01-05T10:00:05+00:00 OPNsense.localdomain unbound 12345 - [meta sequenceId="1"] [12345:0] info: fd00::9 claude.ai. A IN
""",
    "coredns": """
[INFO] 10.0.0.7:40212 - 25389 "A IN chatgpt.com. udp 51 false 1232" NOERROR qr,rd,ra 130 0.0123s
2026-01-05T10:00:01.123456789Z stdout F [INFO] [fd00::8]:40212 - 7 "AAAA IN claude.ai. tcp 51 false 1232" REFUSED qr,rd 40 0.0001s
10.0.0.9 - [05/Jan/2026:10:00:02 +0000] "HTTPS IN api.openai.com. udp 51 false 512" NOERROR qr,rd,ra 130 0.0123s
[INFO] 10.0.0.9:40212 - 8 "A IN claude.ai.phish.example. udp 51 false 1232" NXDOMAIN qr,rd,ra 130 0.0123s
""",
    "windows-dns": """
1/5/2026 10:00:00 AM 0A1C PACKET  000001D9AF5C7C00 UDP Rcv 10.0.0.7        5b47   Q [0001   D   NOERROR] A      (7)chatgpt(3)com(0)
1/5/2026 10:00:00 AM 0A1C PACKET  000001D9AF5C7C00 UDP Snd 203.0.113.53    5b48   Q [0001   D   NOERROR] A      (7)chatgpt(3)com(0)
1/5/2026 10:00:00 AM 0A1C PACKET  000001D9AF5C7C00 UDP Rcv 203.0.113.53    5b48 R Q [8081   DR  NOERROR] A      (7)chatgpt(3)com(0)
1/5/2026 10:00:00 AM 0A1C PACKET  000001D9AF5C7C00 UDP Snd 10.0.0.7        5b47 R Q [8081   DR  NOERROR] A      (7)chatgpt(3)com(0)
1/5/2026 10:00:01 PM 0A1C PACKET  000001D9AF5C7C00 TCP Rcv fd00::8         5b49   Q [0001   D   NOERROR] AAAA   (3)api(6)openai(3)com(0)
1/5/2026 10:00:02 PM 0A1C PACKET  000001D9AF5C7C00 UDP Rcv 10.0.0.9        5b49   Q [0001   D   NOERROR] A      (13)chatgpt(3)com(0)
1/5/2026 10:00:03 PM 0A1C PACKET  000001D9AF5C7C00 UDP Rcv 10.0.0.9        5b4a   Q [0001   D   NOERROR] A      (3)www(3)bbc(2)co(2)uk(0)
""",
    "powerdns": """
Jan  5 10:00:00 msg="Question" subsystem="syncres" level="0" prio="Info" tid="3" ts="1767607200.506" ecs="" mtid="1" proto="udp" qname="chatgpt.com" qtype="A" remote="10.0.0.7:33163"
Jan  5 10:00:00 msg="Answer" subsystem="syncres" level="0" prio="Info" tid="3" ts="1767607200.535" additional="1" answers="0" proto="udp" qname="chatgpt.com" qtype="A" rcode="0" rd="1" remote="10.0.0.7:33163"
Jan  5 10:00:01 ns1 pdns_recursor[123]: 3 [1/1] question for 'claude.ai|AAAA' from [fd00::8]:33163
Jan  5 10:00:02 ns1 pdns_recursor[123]: 3 [1/1] question for 'www.bbc.co.uk|A' from 10.0.0.9:33163
""",
    "technitium": """
[2026-01-05 10:00:00 UTC] [10.0.0.7:51023] [UDP] QNAME: chatgpt.com; QTYPE: A; QCLASS: IN; RCODE: NoError; ANSWER: [203.0.113.9]
[2026-01-05 10:00:01 Local] [[fd00::8]:51023] [HTTPS] QNAME: claude.ai; QTYPE: AAAA; QCLASS: IN; RCODE: NoError; ANSWER: [::]
[2026-01-05 10:00:02 UTC] [10.0.0.9:51023] [UDP] QNAME: www.bbc.co.uk; QTYPE: A; QCLASS: IN; RCODE: NoError; ANSWER: [203.0.113.1]
""",
    "zeek": """
#separator \\x09
#set_separator\t,
#empty_field\t(empty)
#unset_field\t-
#path\tssl
#open\t2026-01-05-10-00-00
#fields\tts\tuid\tid.orig_h\tid.orig_p\tid.resp_h\tid.resp_p\tversion\tserver_name\testablished
#types\ttime\tstring\taddr\tport\taddr\tport\tstring\tstring\tbool
1767607200.123456\tCa1\t10.0.0.7\t50000\t203.0.113.9\t443\tTLSv13\tchatgpt.com\tT
1767607201.000000\tCa2\t10.0.0.8\t50001\t203.0.113.9\t443\tTLSv13\tclaude.ai\tT
1767607202.000000\tCa3\t10.0.0.9\t50002\t203.0.113.9\t443\tTLSv13\twww.bbc.co.uk\tT
1767607202.000000\tCa4\t10.0.0.9\t50003\t203.0.113.9\t443\tTLSv13\t-\tT
#close\t2026-01-05-11-00-00
""",
    "suricata": "\n".join(
        json.dumps(row, separators=(",", ":"))
        for row in (
            {"timestamp": "2026-01-05T10:00:00.000000+0000", "flow_id": 1, "event_type": "tls", "src_ip": "10.0.0.7", "src_port": 50000, "dest_ip": "203.0.113.9", "dest_port": 443, "proto": "TCP", "tls": {"sni": "chatgpt.com", "version": "TLS 1.3"}},
            {"timestamp": "2026-01-05T10:00:01.000000+0000", "flow_id": 2, "event_type": "dns", "src_ip": "10.0.0.8", "src_port": 50000, "dest_ip": "10.0.0.53", "dest_port": 53, "proto": "UDP", "dns": {"type": "query", "id": 1, "rrname": "claude.ai", "rrtype": "A", "tx_id": 0}},
            {"timestamp": "2026-01-05T10:00:01.000000+0000", "flow_id": 2, "event_type": "dns", "src_ip": "10.0.0.53", "src_port": 53, "dest_ip": "10.0.0.8", "dest_port": 50000, "proto": "UDP", "dns": {"type": "answer", "id": 1, "rrname": "claude.ai", "rrtype": "A", "answers": [{"rrname": "claude.ai", "rrtype": "A", "rdata": "203.0.113.9"}]}},
            {"timestamp": "2026-01-05T10:00:02.000000+0000", "flow_id": 3, "event_type": "dns", "src_ip": "10.0.0.9", "src_port": 50000, "dest_ip": "10.0.0.53", "dest_port": 53, "proto": "UDP", "dns": {"version": 3, "type": "request", "id": 1, "queries": [{"rrname": "api.openai.com", "rrtype": "A"}]}},
            {"timestamp": "2026-01-05T10:00:03.000000+0000", "flow_id": 4, "event_type": "http", "src_ip": "10.0.0.9", "src_port": 50000, "dest_ip": "203.0.113.1", "dest_port": 80, "proto": "TCP", "http": {"hostname": "www.bbc.co.uk", "url": "/?u=claude.ai", "http_refer": "https://chatgpt.com/", "http_method": "GET"}},
            {"timestamp": "2026-01-05T10:00:04.000000+0000", "flow_id": 5, "event_type": "http", "src_ip": "10.0.0.9", "src_port": 50000, "dest_ip": "203.0.113.1", "dest_port": 80, "proto": "TCP", "http": {"hostname": "api.openai.com", "url": "/v1/chat/completions", "http_method": "POST"}},
            {"timestamp": "2026-01-05T10:00:05.000000+0000", "flow_id": 1, "event_type": "flow", "src_ip": "10.0.0.7", "dest_ip": "203.0.113.9", "proto": "TCP", "flow": {"bytes_toserver": 52000, "bytes_toclient": 180000}},
            {"timestamp": "2026-01-05T10:00:06.000000+0000", "event_type": "stats", "stats": {"uptime": 1}},
        )
    ),
}  # fmt: skip

RECORDS: dict[str, list[dict[str, Any]]] = {
    "adguard": [
        {"T": "2026-01-05T10:00:00.5+01:00", "QH": "chatgpt.com", "QT": "A", "QC": "IN", "CP": "", "Answer": "AAAA", "IP": "10.0.0.7", "Result": {}, "Elapsed": 1000, "Upstream": "https://dns.quad9.net:443/dns-query"},
        {"T": "2026-01-05T10:00:01Z", "QH": "claude.ai", "QT": "A", "QC": "IN", "CP": "doh", "IP": "10.0.0.8", "Result": {"IsFiltered": True, "Reason": 3, "Rules": [{"Text": "||claude.ai^"}]}, "Elapsed": 10},
        {"T": "2026-01-05T10:00:02Z", "QH": "api.openai.com", "QT": "A", "QC": "IN", "CP": "", "IP": "10.0.0.9", "Result": {"Reason": 9, "IPList": ["0.0.0.0"]}, "Elapsed": 10},
        {"T": "2026-01-05T10:00:03Z", "QH": "www.bbc.co.uk", "QT": "A", "QC": "IN", "CP": "", "IP": "10.0.0.9", "Result": {"IsFiltered": True, "Reason": 7}, "Elapsed": 10},
    ],
    "route53": [
        {"version": "1.100000", "account_id": "1", "region": "eu-central-1", "vpc_id": "vpc-1", "query_timestamp": "2026-01-05T10:00:00Z", "query_name": "chatgpt.com.", "query_type": "A", "query_class": "IN", "rcode": "NOERROR", "answers": [], "srcaddr": "10.0.0.7", "srcport": "50000", "transport": "UDP", "srcids": {"instance": "i-1"}},
        {"version": "1.100000", "query_timestamp": "2026-01-05T10:00:01Z", "query_name": "claude.ai.", "query_type": "A", "query_class": "IN", "rcode": "NXDOMAIN", "answers": [], "srcaddr": "10.0.0.8", "firewall_rule_action": "BLOCK", "firewall_rule_group_id": "rslvr-frg-1"},
        {"version": "1.100000", "query_timestamp": "2026-01-05T10:00:02Z", "query_name": "www.bbc.co.uk.", "query_type": "A", "query_class": "IN", "rcode": "NOERROR", "answers": [], "srcaddr": "10.0.0.9"},
    ],
}  # fmt: skip


def source(form_id: str) -> list[Any]:
    """Lines as bytes, or records."""
    if form_id in LINES:
        return [line.encode() for line in LINES[form_id].strip("\n").split("\n")]
    return RECORDS[form_id]
