"""Who receives notices, really, on loopback: a webhook, a mail server, syslogs."""

from __future__ import annotations

import base64
import datetime
import ipaddress
import json
import socket
import socketserver
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


def until(true: Callable[[], object], within_s: float = 15) -> None:
    """Until it is true, looking again and again."""
    end = time.monotonic() + within_s
    while not true():
        assert time.monotonic() < end, "it never came true"
        time.sleep(0.01)


def certificate(folder: Path) -> tuple[Path, ssl.SSLContext]:
    """A certificate of our own for 127.0.0.1 and localhost (its file), and a server's context with it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    cert, private = folder / "cert.pem", folder / "private.pem"
    cert.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    pem = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    private.write_bytes(key.private_bytes(*pem))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, private)
    return cert, context


@dataclass
class WebhookServer:
    """What was posted. `answers` are (status, headers) for one request each, then 200; `wait` holds answers back."""

    port: int = 0
    posts: list[dict[str, Any]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    answers: list[tuple[int, dict[str, str]]] = field(default_factory=list)
    drip: bool = False
    wait: threading.Event = field(default_factory=threading.Event)

    @property
    def texts(self) -> list[str]:
        return [post["text"] for post in self.posts]


@contextmanager
def webhook(context: ssl.SSLContext | None = None) -> Iterator[WebhookServer]:
    server = WebhookServer()
    server.wait.set()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            assert self.headers["content-type"] == "application/json; charset=utf-8"
            server.paths.append(self.path)
            server.posts.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
            if server.drip:  # A byte now and then, for ever: no single read waits long.
                try:
                    while not server.wait.wait(0.05):
                        self.wfile.write(b"H")
                except OSError:
                    return
            server.wait.wait(20)
            status, headers = server.answers.pop(0) if server.answers else (200, {})
            try:
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(b"ok")
            except OSError:
                return

        def log_message(self, *_: object) -> None:
            """Quiet."""

    class Server(ThreadingHTTPServer):
        def handle_error(self, *_: object) -> None:
            """A client that does not like our certificate."""

    http = Server(("127.0.0.1", 0), Handler)
    if context:
        http.socket = context.wrap_socket(http.socket, server_side=True)
    server.port = http.server_address[1]
    with _serving(http):
        yield server
        server.wait.set()


@dataclass
class MailServer:
    """What was delivered, as (sender, recipients, message); what clients said. `says` has answers for some verbs."""

    port: int = 0
    mails: list[tuple[str, list[str], bytes]] = field(default_factory=list)
    verbs: list[str] = field(default_factory=list)
    signed_in: list[str] = field(default_factory=list)
    says: dict[str, str] = field(default_factory=dict)
    refuses: set[str] = field(default_factory=set)
    starttls: bool = True
    silent: bool = False


@contextmanager
def mail_server(context: ssl.SSLContext | None = None, *, tls: bool = False) -> Iterator[MailServer]:
    """With a context: offers STARTTLS, or (`tls`) speaks TLS from the start."""
    server = MailServer(starttls=context is not None and not tls)
    ended = threading.Event()

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            self.sock: socket.socket = self.request
            try:
                if context and tls:
                    self.sock = context.wrap_socket(self.sock, server_side=True)
                self._converse()
            except OSError:
                return
            finally:
                self.sock.close()

        def _converse(self) -> None:
            if server.silent:
                ended.wait(20)
                return
            file = self.sock.makefile("rwb")

            def say(line: str) -> None:
                file.write(line.encode() + b"\r\n")
                file.flush()

            say(server.says.get("CONNECT", "220 mail.example ESMTP"))
            sender, to, closed = "", [], tls
            while line := file.readline():
                text = line.decode().strip()
                verb = text.split(" ")[0].split(":")[0].upper()
                server.verbs.append(verb)
                if verb in server.says:
                    say(server.says[verb])
                elif verb == "EHLO":
                    say("250-mail.example")
                    if server.starttls and not closed:
                        say("250-STARTTLS")
                    say("250 AUTH PLAIN")
                elif verb == "STARTTLS":
                    say("220 go on")
                    assert context is not None
                    file.close()
                    self.sock = context.wrap_socket(self.sock, server_side=True)
                    file, closed = self.sock.makefile("rwb"), True
                elif verb == "AUTH":
                    server.signed_in.append(base64.b64decode(text.split(" ")[2]).decode())
                    say("235 welcome")
                elif verb == "MAIL":
                    sender, to = text[len("MAIL FROM:<") :].split(">")[0], []
                    say("250 ok")
                elif verb == "RCPT":
                    one = text[len("RCPT TO:<") :].split(">")[0]
                    if one in server.refuses:
                        say("550 no such mailbox")
                    else:
                        to.append(one)
                        say("250 ok")
                elif verb == "DATA":
                    say("354 go on")
                    body = b""
                    while (piece := file.readline()) not in (b".\r\n", b""):
                        body += piece.removeprefix(b".")
                    server.mails.append((sender, to, body))
                    say("250 taken")
                elif verb == "QUIT":
                    say("221 bye")
                    return
                else:
                    say("250 ok")

    class Server(socketserver.ThreadingTCPServer):
        allow_reuse_address = True

        def handle_error(self, *_: object) -> None:
            """As above."""

    tcp = Server(("127.0.0.1", 0), Handler)
    server.port = tcp.server_address[1]
    with _serving(tcp):
        yield server
        ended.set()


@dataclass
class SyslogServer:
    """The lines that arrived. `address` is what the setting says."""

    address: str
    lines: list[bytes] = field(default_factory=list)


@contextmanager
def syslog(kind: str, folder: Path) -> Iterator[SyslogServer]:
    """`udp`, `tcp`, `unix` (datagrams) or `unix-stream`."""
    unix = kind.startswith("unix")
    type_ = socket.SOCK_DGRAM if kind in {"udp", "unix"} else socket.SOCK_STREAM
    sock = socket.socket(socket.AF_UNIX if unix else socket.AF_INET, type_)
    path = folder / "log.sock"
    sock.bind(str(path) if unix else ("127.0.0.1", 0))
    server = SyslogServer(f"unix:{path}" if unix else f"{kind}://127.0.0.1:{sock.getsockname()[1]}")
    sock.settimeout(0.1)
    if type_ is socket.SOCK_STREAM:
        sock.listen(8)
    ended = threading.Event()

    def datagrams() -> None:
        while not ended.is_set():
            try:
                server.lines.append(sock.recv(65536))
            except TimeoutError:
                continue

    def streams() -> None:
        while not ended.is_set():
            try:
                client, _ = sock.accept()
            except TimeoutError:
                continue
            with client:
                client.settimeout(5)
                got = b""
                while piece := client.recv(65536):
                    got += piece
            while got and not unix:
                size, _, got = got.partition(b" ")
                server.lines.append(got[: int(size)])
                got = got[int(size) :]
            server.lines += got.split(b"\0")[:-1] if unix else []

    thread = threading.Thread(target=datagrams if type_ is socket.SOCK_DGRAM else streams, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        ended.set()
        thread.join()
        sock.close()


@contextmanager
def _serving(server: socketserver.BaseServer) -> Iterator[None]:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
