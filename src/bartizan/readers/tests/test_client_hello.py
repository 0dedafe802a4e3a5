"""The first message of TLS, as OpenSSL writes it and as nobody should."""

from __future__ import annotations

import ssl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bartizan.readers.client_hello import BOUNDED, MAX_RECORDS, OTHER, ClientHello, client_hello


def hello(name: str | None, *protocols: str) -> bytes:
    context = ssl.create_default_context()
    context.check_hostname = name is not None
    if protocols:
        context.set_alpn_protocols(protocols)
    outgoing = ssl.MemoryBIO()
    with pytest.raises(ssl.SSLWantReadError):
        context.wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname=name).do_handshake()
    return outgoing.read()


HELLO = hello("Api.Example.com", "h2", "http/1.1")
READ = ClientHello(True, "api.example.com", ("h2", "http/1.1"))


def records(raw: bytes, size: int) -> bytes:
    """The same message in records of that size."""
    message = raw[5:]
    cut = [message[at : at + size] for at in range(0, len(message), size)]
    return b"".join(raw[:3] + len(piece).to_bytes(2, "big") + piece for piece in cut)


def test_a_name_is_read_however_many_records_it_comes_in() -> None:
    assert client_hello(HELLO) == READ
    assert client_hello(records(HELLO, len(HELLO) // 40)) == READ
    assert client_hello(HELLO + b"and more") == READ


def test_one_without_a_name() -> None:
    assert client_hello(hello(None)) == ClientHello(True)


@given(st.integers(0, len(HELLO) - 1), st.integers(20, 600))
def test_before_its_end_it_is_no_hello_yet(cut: int, size: int) -> None:
    assert client_hello(HELLO[:cut]) is None
    whole = records(HELLO, size)
    assert client_hello(whole[: len(whole) - 1]) is None


def test_more_records_than_anybody_needs_are_a_bound_that_is_said() -> None:
    assert client_hello(records(HELLO, 1)) == BOUNDED
    assert len(HELLO) > MAX_RECORDS


def extension(kind: int, body: bytes) -> bytes:
    return kind.to_bytes(2, "big") + len(body).to_bytes(2, "big") + body


def server_name(*names: bytes) -> bytes:
    rows = b"".join(b"\0" + len(name).to_bytes(2, "big") + name for name in names)
    return extension(0, len(rows).to_bytes(2, "big") + rows)


def made(*extensions: bytes) -> bytes:
    rows = b"".join(extensions)
    body = b"\x03\x03" + bytes(32) + b"\0" + b"\0\x02\x13\x01" + b"\x01\0" + len(rows).to_bytes(2, "big") + rows
    message = b"\x01" + len(body).to_bytes(3, "big") + body
    return b"\x16\x03\x01" + len(message).to_bytes(2, "big") + message


@pytest.mark.parametrize(
    ("raw", "found"),
    [
        (made(server_name(b"a.example")), ClientHello(True, "a.example")),
        (made(server_name(b"a.example.")), ClientHello(True, "a.example")),
        (made(server_name(b"a.example"), extension(0xFE0D, b"x")), ClientHello(True, "a.example", encrypted=True)),
        (made(server_name(b"a.example", b"b.example")), OTHER),
        (made(server_name(b"a.example"), server_name(b"b.example")), OTHER),
        (made(server_name(b"a\r\nx: y")), OTHER),
        (made(server_name(b"")), OTHER),
        (made(extension(0, b"")), OTHER),
        (b"GET / HTTP/1.1", OTHER),
        (b"SSH-2.0-x", OTHER),
        (b"\x16\x03\x01\x00\x00", OTHER),
        (b"\x16\x03\x01\xff\xff", OTHER),
        (b"\x16\x03\x01\x00\x04\x02\x00\x00\x00", OTHER),
        (b"\x16\x03\x01\x00\x04\x01\xff\xff\xff", BOUNDED),
    ],
)
def test_what_others_write(raw: bytes, found: ClientHello) -> None:
    assert client_hello(raw) == found


@given(st.binary(max_size=2000))
def test_any_bytes_at_all(raw: bytes) -> None:
    """Hostile bytes never raise; what is one hello stays it whatever follows."""
    client_hello(raw)
    client_hello(HELLO[: len(raw)] + raw)
    assert client_hello(HELLO + raw) == READ
