"""Sources whole: told by content, read by their format, whatever they are made of, in pieces of any size."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from functools import cache
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bartizan.catalogue.catalogue import Catalogue
from bartizan.catalogue.wanted import Wanted
from bartizan.core.errors import UsageError
from bartizan.readers.logs import reading
from bartizan.readers.logs.formats import formats, named
from bartizan.readers.logs.observe import Observation, Observations
from bartizan.readers.logs.reading import Read, read
from bartizan.readers.logs.visit import Evidence, Tally, Visit

SQUID = [
    f"176760720{n % 10}.000 1 10.0.0.{n % 200} TCP_TUNNEL/200 9 CONNECT {host}:443 - HIER_DIRECT/203.0.113.9 -"
    for n, host in enumerate(["chatgpt.com", "www.bbc.co.uk", "www.zeit.de", "claude.ai", "www.rijksmuseum.nl"] * 40)
]
CLF = [
    f'10.1.0.{n % 200} - - [05/Jan/2026:10:00:00 +0000] "CONNECT {host}:443 HTTP/1.1" 200 9'
    for n, host in enumerate(["api.openai.com", "www.bbc.co.uk", "www.zeit.de", "www.rijksmuseum.nl"] * 50)
]
DNS = [
    json.dumps({"T": "2026-01-05T10:00:00Z", "QH": host, "QT": "A", "QC": "IN", "CP": "", "IP": f"10.2.0.{n % 200}"})
    for n, host in enumerate(["claude.ai", "www.bbc.co.uk"] * 100)
]


@cache
def wanted() -> Wanted:
    return Catalogue.load().wanted()


def observed(
    data: bytes, size: int = 1 << 20, tally: Tally | None = None, as_: str = ""
) -> tuple[Read, set[Observation]]:
    """What became of a source that comes in pieces of that size, and what it tells."""
    found, map_ = Observations(), wanted()
    chunks: Iterator[bytes] = (data[at : at + size] for at in range(0, len(data), size))
    form = named(as_) if as_ else None
    became = read(chunks, map_, tally or Tally(), lambda visit: found.add(visit, map_), form)
    return became, set(found)


def text(*parts: list[str]) -> bytes:
    return "\n".join(line for part in parts for line in part).encode()


def hosts(found: set[Observation]) -> set[tuple[str, str]]:
    return {(one.actor.rpartition(".")[0], one.host) for one in found}


def test_every_format_has_a_name_and_a_source() -> None:
    for one in formats():
        assert one.title
        assert one.source
        assert named(one.id) is one
    with pytest.raises(UsageError, match="Did you mean 'squid'"):
        named("squidd")


@pytest.mark.parametrize("size", [1, 37, 1 << 20])
def test_a_source_in_pieces_is_the_same_source(size: int) -> None:
    whole, found = observed(text(SQUID))
    assert observed(text(SQUID), size)[1] == found
    assert observed(gzip.compress(text(SQUID)), size)[1] == found
    assert observed(text(SQUID).decode().encode("utf-16"), size)[1] == found
    assert whole.formats == {"squid": 200}
    assert hosts(found) == {("10.0.0", "chatgpt.com"), ("10.0.0", "claude.ai")}


@given(st.lists(st.integers(0, 4000), max_size=6), st.integers(0, 3999), st.binary(max_size=20))
def test_cutting_anywhere_changes_nothing(cuts: list[int], at: int, junk: bytes) -> None:
    data = text(SQUID[:40])
    data = data[:at] + junk + data[at:]
    ends = [0, *sorted(cuts), len(data)]
    found, map_ = Observations(), wanted()
    pieces = (data[start:end] for start, end in pairwise(ends) if start < end)
    read(pieces, map_, Tally(), lambda visit: found.add(visit, map_))
    assert set(found) == observed(data)[1]


@given(
    st.binary(max_size=400),
    st.sampled_from([b"", b"\xff\xfe", b"{", b'[{"a":', b"1767607200.0 1 10.0.0.7 ", b"#fields\t"]),
)
def test_no_bytes_make_it_fail(data: bytes, head: bytes) -> None:
    observed(head + data, 17)


@pytest.mark.parametrize("parts", [(SQUID, CLF, DNS), (DNS, SQUID, CLF), (CLF, DNS, SQUID)])
def test_formats_one_after_the_other(parts: tuple[list[str], ...]) -> None:
    tally = Tally()
    became, found = observed(text(*parts), tally=tally)
    assert {"10.0.0", "10.1.0", "10.2.0"} == {actor for actor, _ in hosts(found)}
    assert became.formats.keys() == {"squid", "clf", "adguard"}
    assert (tally.read, tally.junk) == (600, 0)


def test_formats_line_by_line() -> None:
    tally = Tally()
    mixed = [line for three in zip(SQUID, CLF, DNS, strict=True) for line in three]
    became, found = observed(text(mixed), tally=tally)
    assert hosts(found) == hosts(observed(text(SQUID))[1] | observed(text(CLF))[1] | observed(text(DNS))[1])
    assert sum(one.visits for one in found) == 80 + 50 + 100
    assert tally.junk == 0
    assert became.formats.keys() == {"squid", "clf", "adguard"}


def test_a_format_that_begins_late(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file goes on in another layout after an update: block by block it is told anew."""
    monkeypatch.setattr("bartizan.readers.logs.source.BLOCK_BYTES", 4096)
    tally = Tally()
    became, found = observed(b"\0\1\2 no log\n" * 3000 + text(SQUID, CLF), tally=tally)
    assert became.formats == {"squid": 200, "clf": 200}
    assert {"10.0.0", "10.1.0"} == {actor for actor, _ in hosts(found)}
    assert tally.junk == 3000


def test_junk_is_counted_and_fatal_for_nothing() -> None:
    tally = Tally()
    lines = text(SQUID).split(b"\n")
    lines[50:50] = [b"\xff\xfe\x00binary\x00", b"\x1b[31mred", b"x" * 5000, lines[3][:40]]
    became, found = observed(b"\n".join(lines) + b"\n" + lines[0][:30], tally=tally)
    assert tally.junk == 5
    assert found == observed(text(SQUID))[1]
    assert became.formats == {"squid": 200}


def test_what_is_no_log_is_said() -> None:
    tally = Tally()
    became, found = observed(b"Dear all,\n\nplease use chatgpt.com\nfrom now on.\n", tally=tally)
    assert (became.formats, found, tally.junk) == ({}, set(), 3)
    assert tally.bounded == {reading.NO_FORMAT: 1}


def test_a_format_can_be_said() -> None:
    tally = Tally()
    assert observed(text(CLF), tally=tally, as_="squid")[1] == set()
    assert tally.junk == 200


def test_an_empty_source_is_nothing() -> None:
    tally = Tally()
    assert observed(b"", tally=tally)[0].formats == {}
    assert tally.bounded == {}


def visit(n: int, host: bytes = b"chatgpt.com", actor: str = "", up: int = 5) -> Visit:
    return Visit(
        1_767_607_200_000_000 + n, actor or f"u{n}", host, Evidence.UPLOADED, up, 7, account="x@y", denied=n == 1
    )


def test_visits_are_added_up() -> None:
    found = Observations(daily=True)
    for n in (5, 3, 4):
        found.add(visit(n, b"ChatGPT.com:443", "mara"), wanted())
    found.add(visit(86_400_000_000, actor="mara"), wanted())
    found.add(visit(1, actor="mara"), wanted())
    found.add(visit(1, b"www.bbc.co.uk", "mara"), wanted())
    first, denied, later = (
        sorted(found, key=lambda one: (one.day, one.denied))[0],
        *sorted(found, key=lambda one: (one.day, one.denied))[1:],
    )
    assert (first.host, first.visits, first.bytes_up, first.bytes_down) == ("chatgpt.com", 3, 15, 21)
    assert (first.first_us % 10, first.last_us % 10, first.account, first.denied) == (3, 5, "x@y", False)
    assert (denied.denied, denied.day, later.day - first.day) == (True, first.day, 1)
    assert set(Observations.unpacked(found.packed())) == set(found)


def test_observations_are_bounded_and_that_is_said() -> None:
    found = Observations(max_keys=100)
    for n in range(1000):
        found.add(visit(n), wanted())
    assert (len(list(found)), found.lost) == (100, 900)
    found.add(visit(3, up=2**62), wanted())
    found.add(visit(3, up=2**62), wanted())
    assert max(one.bytes_up for one in found) == 2**62


@given(
    st.lists(
        st.tuples(st.text(max_size=3), st.sampled_from([b"chatgpt.com", b"claude.ai"]), st.booleans()), max_size=30
    )
)
def test_nothing_is_mixed_up(seen: list[tuple[str, bytes, bool]]) -> None:
    found = Observations()
    for actor, host, denied in seen:
        found.add(Visit(0, actor, host, Evidence.RESOLVED, denied=denied), wanted())
    counted = {(one.actor, one.host.encode(), one.denied): one.visits for one in found}
    assert counted == {key: seen.count(key) for key in seen}


@pytest.mark.parametrize(
    "name", ["claude.ai/x.evil.example", "x@claude.ai", "claude.ai?x.evil.example", "a\\\\claude.ai"]
)
def test_what_was_asked_of_a_name_server_is_a_name_and_no_url(name: str) -> None:
    _, found = observed(text([line.replace('"claude.ai"', f'"{name}"') for line in DNS]))
    assert found == set()
