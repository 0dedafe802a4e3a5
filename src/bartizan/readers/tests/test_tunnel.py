"""Places that a client of a proxy may ask for, and what is known there."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bartizan.core.errors import InputError
from bartizan.core.subject import Context
from bartizan.readers.tunnel import Known, Place, Tunnel, stricter, tunnel


@pytest.mark.parametrize(
    ("authority", "place"),
    [
        (b"Api.Example.COM.:443", Place("api.example.com", 443, False)),
        (b"intranet:80", Place("intranet", 80, False)),
        (b"xn--bcher-kva.example:443", Place("xn--bcher-kva.example", 443, False)),
        (b"_x.a-b.example:1", Place("_x.a-b.example", 1, False)),
        (b"10.0.0.1:65535", Place("10.0.0.1", 65535, True)),
        (b"[2001:DB8::1]:443", Place("2001:db8::1", 443, True)),
    ],
)
def test_what_is_a_place(authority: bytes, place: Place) -> None:
    assert Place.parse(authority) == place
    assert Place.parse(str(place).encode()) == place


@pytest.mark.parametrize(
    "authority",
    [
        b"", b":443", b"a.example", b"a.example:", b"a.example:0", b"a.example:65536", b"a.example:+1", b"a.example:1 ",
        b"a.example:443:443", b"user@a.example:443", b"user:pw@a.example:443", b"a..example:443", b"-a.example:443",
        b"a.example\t:443", b"a.example/x:443", b"a.example%00:443", b"b\xc3\xbccher.example:443", b"*.example:443",
        b"127.1:443", b"0x7f.1:443", b"2130706433:443", b"0x7f000001:443", b"1.2.3.4.5:443", b"01.2.3.4:443",
        b"256.1.1.1:443", b"::1:443", b"[::1:443", b"[::1]443", b"[::1%25lo]:443", b"[fe80::1%eth0]:443",
        b"[1.2.3.4]:443", b"a" * 64 + b".example:443", b"a." * 5000 + b"example:443",
    ],
)  # fmt: skip
def test_what_is_none(authority: bytes) -> None:
    with pytest.raises(InputError):
        Place.parse(authority)


@given(st.binary(max_size=300))
def test_any_bytes_at_all(authority: bytes) -> None:
    try:
        place = Place.parse(authority, 80)
    except InputError as error:
        assert authority.decode("latin-1") not in str(error) or len(authority) < 2
    else:
        assert Place.parse(str(place).encode()) == place


def test_of_two_hosts_the_stricter_one_counts() -> None:
    some, blocked = Known("some", status="approved"), Known("other", status="blocked")
    imitation = Known(lookalike_of="some.example")
    for one, other, wanted in (
        (some, blocked, blocked),
        (some, Known(), some),
        (blocked, imitation, imitation),
        (Known("new"), some, Known("new")),
    ):
        assert stricter(one, other) == stricter(other, one) == wanted


def test_what_is_known_is_what_a_grant_can_cover() -> None:
    place = Place("a.example", 443, False)
    assert tunnel(Tunnel(place, Known("some")), Context()).texts() == {"/name": "some"}
    assert tunnel(Tunnel(place, Known(lookalike_of="b.example")), Context()).texts() == {"/name": "a.example"}
    assert tunnel(Tunnel(place), Context()).texts() == {}
