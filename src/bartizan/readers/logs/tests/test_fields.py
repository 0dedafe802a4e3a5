"""Fields of lines and records: hosts of URLs, pairs, cells."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bartizan.readers.logs.fields import authority, cells, pairs, path, size, somebody

URLS = {
    b"https://claude.ai/new?x=1": b"claude.ai",
    b"claude.ai": b"claude.ai",
    b"claude.ai:443": b"claude.ai:443",
    b"tunnel://claude.ai:443/": b"claude.ai:443",
    b"//claude.ai/x": b"claude.ai",
    b"https://claude.ai@evil.example/": b"claude.ai@evil.example",
    b"https://evil.example\\@claude.ai/": b"evil.example",
    b"https://evil.example?@claude.ai/": b"evil.example",
    b"https://evil.example#@claude.ai/": b"evil.example",
    b"/claude.ai": b"",
    b"?u=claude.ai": b"",
    b"": b"",
    b"https://" + b"a" * 1000 + b"@claude.ai/": b"claude.ai",
    b"https://" + b"a" * 1000 + b"/": b"",
}


@pytest.mark.parametrize("url", URLS)
def test_the_host_of_an_url(url: bytes) -> None:
    assert authority(url) == URLS[url]


def test_the_path_of_an_url() -> None:
    assert [path(one) for one in (b"https://claude.ai/a/b?c", b"claude.ai/a", b"/a", b"claude.ai")] == [
        "/a/b?c",
        "/a",
        "/a",
        "",
    ]


def test_pairs_with_and_without_quotes() -> None:
    line = (
        rb'<189>date=2026-01-05 user="corp\mara" msg="a \"b\" host=x" empty="" bare= host=claude.ai host=later url="cut'
    )
    assert pairs(line) == {
        b"date": b"2026-01-05", b"user": rb"corp\mara", b"msg": rb"a \"b\" host=x", b"empty": b"", b"bare": b"",
        b"host": b"claude.ai", b"url": b"cut",
    }  # fmt: skip


def test_cells_with_commas_quotes_and_spaces() -> None:
    assert cells(b'"a, b", "c ""d""",e,\x00') == ["a, b", 'c "d"', "e", ""]


def test_sizes_are_bounded_and_nobody_is_nobody() -> None:
    assert [size(one) for one in ("12", b"12", 12, 12.5, "-1", "", None, True, "9" * 30, float("nan"), "1e9")] == [
        12
    ] * 4 + [0] * 7
    assert somebody("-", "N/A", " mara ", "jonas") == "mara"


@given(st.binary(max_size=300))
def test_any_bytes_at_all(line: bytes) -> None:
    pairs(line)
    cells(line)
    path(line)
    assert len(authority(line)) <= 512


@pytest.mark.parametrize(
    ("line", "field"),
    [
        (rb'user="CORP\" group="x" hostname="claude.ai"', {b"user": b"CORP\\", b"group": b"x"}),
        (rb'user="CORP\" srcip=10.0.0.7 n=2 hostname="claude.ai"', {b"srcip": b"10.0.0.7", b"hostname": b"claude.ai"}),
        (rb'hostname="claude.ai" user="CORP\"', {b"user": b"CORP\\", b"hostname": b"claude.ai"}),
        # What is quoted inside begins no field.
        (rb'agent="x\" hostname=\"evil.test\" y" action="pass"', {b"hostname": None, b"action": b"pass"}),
        (rb'agent="x\" hostname=evil.test" action="pass"', {b"hostname": None, b"action": b"pass"}),
        (rb'agent="x\" hostname=evil.test k=" action="pass"', {b"hostname": None, b"action": b"pass"}),
    ],
)
def test_a_backslash_at_the_end_of_a_value_swallows_nothing(line: bytes, field: dict[bytes, bytes | None]) -> None:
    assert {key: pairs(line).get(key) for key in field} == field
