"""Clients and hosts that misbehave towards the proxy: slow, half, gone, too many; and the end of the process."""

from __future__ import annotations

import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from running_gateway import DEADLINE_S
from running_proxy import RunningProxy, credential, proxy
from tls_site import Site, certified

LIMITS = "limits: {head_s: 0.5, drain_s: 5}\n"
FORWARD = "  tunnels_per_key: 4\n  connect_s: 1\n  idle_s: 2\n"


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return certified(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def site(certificates: tuple[Path, Path]) -> Iterator[Site]:
    with Site(certificates[1]) as one:
        yield one


class Host:
    """A host that says what it likes: each connection goes to `serve`."""

    def __init__(self, serve: Callable[[socket.socket], None]) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self.gone = threading.Event()
        self._serve = serve
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._one, args=(connection,), daemon=True).start()

    def _one(self, connection: socket.socket) -> None:
        connection.settimeout(DEADLINE_S)
        with connection:
            self._serve(connection)
            try:
                while connection.recv(65536):
                    pass
            except OSError:
                pass
            self.gone.set()

    def close(self) -> None:
        self._listener.close()


def nothing(connection: socket.socket) -> None:
    """Says nothing."""


def greeting(connection: socket.socket) -> None:
    """Speaks first."""
    connection.sendall(b"220 hello\r\n")


def reset(connection: socket.socket) -> None:
    """Breaks off."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


@pytest.fixture(scope="module")
def quiet() -> Iterator[Host]:
    host = Host(nothing)
    yield host
    host.close()


@pytest.fixture(scope="module")
def first() -> Iterator[Host]:
    host = Host(greeting)
    yield host
    host.close()


@pytest.fixture(scope="module")
def broken() -> Iterator[Host]:
    host = Host(reset)
    yield host
    host.close()


@pytest.fixture(scope="module")
def up(
    site: Site,
    quiet: Host,
    first: Host,
    broken: Host,
    certificates: tuple[Path, Path],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[RunningProxy]:
    home = tmp_path_factory.mktemp("misbehave") / "home"
    ports = (site.port, quiet.port, first.port, broken.port, 1)
    with proxy(home, certificates[0], ports, forward=FORWARD, config=LIMITS) as one:
        yield one


@contextmanager
def tunnel(up: RunningProxy, port: int) -> Iterator[tuple[socket.socket, str]]:
    """A tunnel to this machine, and the id under which it is recorded."""
    with up.connected() as connection:
        connection.sendall(f"CONNECT 127.0.0.1:{port} HTTP/1.1\r\n{credential()}\r\n".encode())
        head = b""
        while b"\r\n\r\n" not in head:
            piece = connection.recv(1)
            assert piece, head
            head += piece
        assert head.startswith(b"HTTP/1.1 200 "), head
        id_ = head.partition(b"x-bartizan-decision: ")[2].partition(b"\r")[0].decode()
        yield connection, id_


def rest(connection: socket.socket) -> bytes:
    """All that comes until the end, however that comes."""
    got = b""
    try:
        while piece := connection.recv(65536):
            got += piece
    except ConnectionResetError:
        return got
    return got


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (b"CONNECT localhost:443 HTTP/1.1\r\nx: ", 408),
        (b"C", 408),
        (b"CONNECT localhost:443 HTTP/1.1\r\n" + b"x: " + b"y" * 70_000, 431),
        (b"\x16\x03\x01\x02\x00\x01\r\n\r\n", 400),
        (b"CONNECT localhost:443 HTTP/1.1\r\ncontent-length: 3\r\n\r\nabc", 400),
        (b"CONNECT localhost:443 HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        (b"CONNECT localhost:443 HTTP/1.1\r\n\r\n", 407),
        (b"CONNECT localhost:443 HTTP/1.1\r\nproxy-authorization: Basic !\r\n\r\n", 407),
        (b"CONNECT localhost:443 HTTP/1.1\r\nproxy-authorization: Digest x\r\n\r\n", 407),
        (b"CONNECT localhost:443 HTTP/1.1\r\nproxy-authorization: a\r\nproxy-authorization: b\r\n\r\n", 400),
    ],
)
def test_what_is_no_whole_request_is_told_so(up: RunningProxy, raw: bytes, status: int) -> None:
    assert up.send(raw).split(b" ", 2)[1] == str(status).encode()


@pytest.mark.parametrize(
    ("authority", "status"),
    [
        ("localhost:0", 400),
        ("localhost:25", 403),
        ("localhost", 400),
        ("user@localhost:443", 400),
        ("b\u00fccher.example:443", 400),
        ("a" * 10_000 + ":443", 400),
        ("127.0.0.1\t:443", 400),
        ("10.0.0.1:1", 403),
        ("[::ffff:10.0.0.1]:1", 403),
        ("169.254.169.254:1", 403),
        ("nobody.invalid:1", 502),
        ("127.0.0.1:1", 502),
    ],
)
def test_odd_places_are_refused(up: RunningProxy, authority: str, status: int) -> None:
    raw = f"CONNECT {authority} HTTP/1.1\r\n{credential()}\r\n".encode()
    got = up.send(raw)
    assert got.split(b" ", 2)[1] == str(status).encode(), got[:300]
    assert b"\r\nconnection: close\r\n" in got


def test_a_host_may_speak_first(up: RunningProxy, first: Host) -> None:
    with tunnel(up, first.port) as (connection, _):
        assert connection.recv(100) == b"220 hello\r\n"


def test_half_a_hello_ends_after_its_time_and_none_of_it_goes_through(up: RunningProxy, quiet: Host) -> None:
    with tunnel(up, quiet.port) as (connection, id_):
        connection.sendall(b"\x16\x03\x01\x02\x00\x01")
        assert rest(connection) == b""
    ended = up.exchange(id_)[1]
    assert (ended["ended"], ended["bytes_up"]) == ("no-hello", 0)


def test_a_tunnel_in_which_nothing_moves_ends(up: RunningProxy, quiet: Host) -> None:
    with tunnel(up, quiet.port) as (connection, id_):
        connection.sendall(b"not tls")
        assert rest(connection) == b""
    ended = up.exchange(id_)[1]
    assert (ended["ended"], ended["bytes_up"]) == ("idle", 7)


def test_a_client_that_is_gone_takes_its_connection_with_it(up: RunningProxy, quiet: Host) -> None:
    quiet.gone.clear()
    with tunnel(up, quiet.port) as (connection, id_):
        connection.sendall(b"not tls")
        reset(connection)
    assert quiet.gone.wait(DEADLINE_S)
    assert up.exchange(id_)[1]["ended"] in ("client-broke", "closed")


def test_a_host_that_breaks_off_ends_the_tunnel(up: RunningProxy, broken: Host) -> None:
    raw = f"CONNECT 127.0.0.1:{broken.port} HTTP/1.1\r\n{credential()}\r\n".encode()
    got = up.send(raw)
    assert got.startswith((b"HTTP/1.1 200 ", b"HTTP/1.1 502 "))


def test_one_key_has_a_bounded_number_of_tunnels(up: RunningProxy, quiet: Host) -> None:
    def one() -> bytes:
        return up.send(f"CONNECT 127.0.0.1:{quiet.port} HTTP/1.1\r\n{credential()}\r\n".encode())

    with tunnel(up, quiet.port), tunnel(up, quiet.port), tunnel(up, quiet.port), tunnel(up, quiet.port):
        got = one()
        assert got.startswith(b"HTTP/1.1 429 ")
        assert b"retry-after: 1" in got
    end = time.monotonic() + DEADLINE_S
    while True:  # They are given back once the tunnels are gone.
        with up.connected() as connection:
            connection.sendall(f"CONNECT 127.0.0.1:{quiet.port} HTTP/1.1\r\n{credential()}\r\n".encode())
            if connection.recv(100).startswith(b"HTTP/1.1 200 "):
                return
        assert time.monotonic() < end


def test_a_revoked_key_ends_its_tunnels(up: RunningProxy, site: Site) -> None:
    secret = up.platform.run("keys", "add", "short-lived").stdout.split()[-1]
    raw = f"CONNECT localhost:{site.port} HTTP/1.1\r\n{credential(f'x:{secret}')}\r\n".encode()
    with up.connected() as connection:
        connection.sendall(raw)
        assert connection.recv(100).startswith(b"HTTP/1.1 200 ")
        up.platform.run("keys", "revoke", "short-lived")
        rest(connection)
    assert up.send(raw).startswith(b"HTTP/1.1 407 ")


def test_much_that_nobody_reads_waits_at_its_source(up: RunningProxy, site: Site) -> None:
    """A slow reader holds a bounded number of bytes; it gets all of them in the end."""
    context = ssl.create_default_context(cafile=str(up.ca))
    with up.connected() as connection:
        # Less than a segment of loopback (64 KiB) would have each side wait for the other, 40 ms for every 2 KB.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 18)
        connection.sendall(f"CONNECT localhost:{site.port} HTTP/1.1\r\n{credential()}\r\n".encode())
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += connection.recv(1)
        with context.wrap_socket(connection, server_hostname="localhost") as inside:
            inside.sendall(b"GET /bulk HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
            assert len(rest(inside)) > 4 << 20


def test_tunnels_that_are_quiet_end_with_the_process_and_are_recorded(
    site: Site, quiet: Host, certificates: tuple[Path, Path], tmp_path: Path
) -> None:
    with proxy(tmp_path / "home", certificates[0], (site.port, quiet.port), config=LIMITS) as one:
        with tunnel(one, quiet.port) as (connection, id_):
            connection.sendall(b"not tls")
            one.platform.process.terminate()
            assert rest(connection) == b""
            one.platform.process.wait(DEADLINE_S)
        assert one.platform.process.returncode == 0
        assert one.exchange(id_)[1]["ended"] == "drained"
        assert one.platform.run("ledger", "verify").returncode == 0
