"""Captures: names of connections, over segments, links and files of all kinds."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from itertools import pairwise

import pytest
from captured import (
    ACK,
    CLIENT,
    FIN,
    SERVER,
    SYN,
    crypto,
    ethernet,
    hello,
    initial,
    pcap,
    pcapng,
    query,
    record,
    tcp,
    udp,
)
from hypothesis import given
from hypothesis import strategies as st
from known_hosts import visits

from bartizan.readers.logs import connections
from bartizan.readers.logs.capture import BROKEN
from bartizan.readers.logs.connections import CUT_OFF, HIDDEN, MANY
from bartizan.readers.logs.pcap import FORMAT
from bartizan.readers.logs.visit import Evidence, Sample, Tally

AT = 1_767_607_200_500_000
CLAUDE = record(hello("claude.ai"))
BASE = 4_294_967_000  # Numbers that begin anew within the hello.


def told(data: bytes, tally: Tally | None = None) -> list[tuple[str, bytes, Evidence, int]]:
    chunks = [data[at : at + 100] for at in range(0, len(data), 100)]
    return [(visit.actor, visit.host, visit.evidence, visit.bytes_up) for visit in visits(FORMAT, chunks, tally)]


def conversation(data: bytes, cuts: Iterable[int] = (), ports: tuple[int, int] = (50_000, 443)) -> list[bytes]:
    """A connection whose client sends that, cut into segments there."""
    ends = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    packets = [tcp(b"", BASE - 1, SYN, ports=ports), tcp(b"", 77, SYN | ACK, SERVER, CLIENT, ports[::-1])]
    return packets + [tcp(data[a:b], BASE + a, ports=ports) for a, b in pairwise(ends)]


def framed(packets: Iterable[bytes]) -> list[bytes]:
    return [ethernet(packet) for packet in packets]


CONNECTED = [(CLIENT, b"claude.ai", Evidence.CONNECTED, len(CLAUDE))]


@given(st.lists(st.integers(1, 500), max_size=6), st.randoms(use_true_random=False))
def test_a_hello_over_segments_in_any_order_and_twice(cuts: list[int], random: object) -> None:
    first, answer, *rest = conversation(CLAUDE, cuts)
    again = [*rest, *rest[:2]]
    random.shuffle(again)  # type: ignore[attr-defined]  # Hypothesis' own Random
    assert told(pcap(framed([first, answer, *again]))) == CONNECTED


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("nano", [False, True])
@pytest.mark.parametrize("kind", [pcap, pcapng])
def test_files_of_all_kinds(kind: object, order: str, nano: bool) -> None:
    data = kind(framed(conversation(CLAUDE)), order=order, nano=nano)  # type: ignore[operator]  # one of two functions
    assert FORMAT.recognise(Sample(data, (), ())) == 1.0
    assert told(data) == CONNECTED
    assert visits(FORMAT, [data])[0].time_us == AT + 2_000_000


@pytest.mark.parametrize(
    ("link", "before"),
    [
        (0, b"\2\0\0\0"), (108, b"\0\0\0\2"), (101, b""), (228, b""), 
        (113, bytes(14) + b"\x08\0"), (276, b"\x08\0" + bytes(18)),
        (1, bytes(12) + b"\x81\0\0\7\x08\0"), (1, bytes(12) + b"\x88\xa8\0\7\x81\0\0\7\x08\0"),
        (1, bytes(12) + b"\x88\x64\x11\0\0\1\0\x40\0\x21"),
    ],
)  # fmt: skip
def test_links_of_all_kinds(link: int, before: bytes) -> None:
    assert told(pcap([before + packet for packet in conversation(CLAUDE)], link)) == CONNECTED


def test_version_6_with_headers_in_between() -> None:
    a, b = "fd00::7", "2001:db8::9"
    plain = [tcp(b"", BASE - 1, SYN, a, b), tcp(CLAUDE, BASE, ACK, a, b)]
    between = [packet[:6] + b"\0" + packet[7:40] + b"\x06\0" + bytes(6) + packet[40:] for packet in plain]
    between = [packet[:4] + struct.pack("!H", len(packet) - 40) + packet[6:] for packet in between]
    for packets in (plain, between):
        assert told(pcap(framed(packets))) == [(a, b"claude.ai", Evidence.CONNECTED, len(CLAUDE))]


def test_bytes_go_up_and_down_and_retransmissions_count_once() -> None:
    begun = conversation(CLAUDE)
    more = [tcp(b"\x17" * 1000, BASE + len(CLAUDE) + n * 1000) for n in range(9)]
    down = tcp(b"\x17" * 700, 78, ACK, SERVER, CLIENT, (443, 50_000))
    (visit,) = visits(FORMAT, [pcap(framed([*begun, *more, more[3], down]))])
    assert (visit.evidence, visit.bytes_up, visit.bytes_down) == (Evidence.UPLOADED, len(CLAUDE) + 9000, 700)


def test_a_port_that_is_used_again_is_another_connection() -> None:
    second = [tcp(b"", 5, SYN), tcp(record(hello("chatgpt.com")), 6)]
    found = told(pcap(framed([*conversation(CLAUDE), tcp(b"", BASE + len(CLAUDE), FIN | ACK), *second])))
    assert [host for _, host, _, _ in found] == [b"claude.ai", b"chatgpt.com"]
    assert [host for _, host, _, _ in told(pcap(framed([*conversation(CLAUDE), *second])))] == [
        b"claude.ai",
        b"chatgpt.com",
    ]


def test_a_capture_that_begins_in_the_middle() -> None:
    assert told(pcap(framed([tcp(CLAUDE, BASE)]))) == CONNECTED
    assert told(pcap(framed([tcp(b"\x17\x03\x03" + CLAUDE, BASE)]))) == []


def test_hosts_that_are_not_wanted_and_names_elsewhere() -> None:
    assert told(pcap(framed(conversation(record(hello("claude.ai.phish.example")))))) == []
    assert told(pcap(framed(conversation(b"SSH-2.0-x " + CLAUDE)))) == []


def test_quic_over_several_packets() -> None:
    message, id_ = hello("claude.ai", padding=2000), b"\1" * 8
    sent = [initial(crypto(at, message[at : at + 1000]), id_, n) for n, at in enumerate((1000, 0, 2000))]
    up = sum(map(len, sent)) + 9000
    packets = [*(udp(one) for one in sent), udp(b"x" * 500, SERVER, CLIENT, (443, 50_000)), udp(b"\x40" * 9000)]
    assert told(pcap(framed(packets))) == [(CLIENT, b"claude.ai", Evidence.UPLOADED, up)]


def test_a_name_that_is_encrypted_is_counted_and_not_made_up() -> None:
    tally = Tally()
    assert told(pcap(framed(conversation(record(hello("cloudflare-ech.com", ech=True))))), tally) == []
    assert tally.bounded == {HIDDEN: 1}
    assert told(pcap(framed(conversation(record(hello("claude.ai", ech=True)))))) != []  # Grease, as browsers send it.


def test_queries_count_and_answers_do_not() -> None:
    asked, answered = query("claude.ai"), query("claude.ai", response=True)
    packets = [
        udp(asked, ports=(50_000, 53)),
        udp(answered, SERVER, CLIENT, (53, 50_000)),
        tcp(struct.pack("!H", len(asked)) + asked, 7, ports=(50_001, 53)),
        udp(query("www.bbc.co.uk"), ports=(50_000, 53)),
    ]
    assert told(pcap(framed(packets))) == [(CLIENT, b"claude.ai", Evidence.RESOLVED, 0)] * 2


@pytest.mark.parametrize(
    ("request_", "evidence"),
    {
        b"CONNECT claude.ai:443 HTTP/1.1\r\nHost: www.bbc.co.uk\r\n\r\n": Evidence.CONNECTED,
        b"GET / HTTP/1.1\r\nHost: claude.ai\r\nReferer: https://x/\r\n\r\n": Evidence.CONNECTED,
        b"POST http://api.openai.com/v1/chat/completions HTTP/1.1\r\nContent-Length: 9\r\n\r\n": Evidence.PROMPT,
        b"POST /up HTTP/1.1\r\nhost:claude.ai\r\nTransfer-Encoding: chunked\r\n\r\n": Evidence.UPLOADED,
        b"GET /?u=claude.ai HTTP/1.1\r\nHost: www.bbc.co.uk\r\nReferer: https://claude.ai\r\n\r\n": None,
        b"GET / HTTP/1.1\r\nX: y\r\n\r\nHost: claude.ai\r\n\r\n": None,
        b"GET / HTTP/1.1\r\nHost: www.bbc.co.uk\r\nHost: claude.ai\r\n\r\n": None,
    }.items(),
)
def test_requests_in_clear(request_: bytes, evidence: Evidence | None) -> None:
    found = told(pcap(framed(conversation(request_, [2, 20], (50_000, 3128)))))
    assert [proved for _, _, proved, _ in found] == ([evidence] if evidence else [])


def test_a_tunnel_counts_what_goes_through_it() -> None:
    data = b"CONNECT claude.ai:443 HTTP/1.1\r\n\r\n" + b"\x16" * 9000
    assert told(pcap(framed(conversation(data, [100])))) == [(CLIENT, b"claude.ai:443", Evidence.UPLOADED, len(data))]


def test_what_was_cut_off_is_said() -> None:
    tally = Tally()
    assert told(pcap(framed(conversation(CLAUDE)), snap=200), tally) == []
    assert tally.bounded == {CUT_OFF: 1}
    broken = pcap(framed(conversation(CLAUDE)))
    tally = Tally()
    assert told(broken[:-10], tally) == []
    assert tally.bounded[BROKEN] == 1


def test_tables_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "MAX_CONNECTIONS", 3)
    packets = [packet for n in range(9) for packet in conversation(CLAUDE, ports=(50_000 + n, 443))]
    tally = Tally()
    assert len(told(pcap(framed(packets)), tally)) == 9
    assert tally.bounded == {MANY: 6}


@given(st.binary(max_size=300))
def test_any_bytes_at_all(data: bytes) -> None:
    told(data)
    for head in (pcap([]), pcap([], 101), pcapng([])):
        told(head + data)
    told(pcap([data]))
    told(pcapng([data], 101))


@given(st.data())
def test_a_spoiled_capture_never_raises(data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from([pcap, pcapng]))
    message = hello("claude.ai")
    whole = kind(
        framed(
            [
                *conversation(CLAUDE, [50, 90]),
                udp(initial(crypto(0, message), b"\1" * 8)),
                udp(query("claude.ai"), ports=(1, 53)),
            ]
        )
    )
    at = data.draw(st.integers(0, len(whole) - 1))
    told(whole[:at] + bytes([data.draw(st.integers(0, 255))]) + whole[at + 1 :])
    told(whole[:at] + whole[at + 1 :])
