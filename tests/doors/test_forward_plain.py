"""Plain http through the proxy: curl, pages for people, headers, and requests that can be read in two ways."""

from __future__ import annotations

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
from running_proxy import RunningProxy, credential, decided, proxy
from tls_site import BULK, Site, Visited

from bartizan.catalogue.catalogue import Catalogue
from bartizan.inventory.system import Status

RESTRICTED, BLOCKED = "claude.ai", "chat.deepseek.com"


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with Site() as one:
        yield one


@pytest.fixture(scope="module")
def up(site: Site, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningProxy]:
    home = tmp_path_factory.mktemp("plain") / "home"
    headers = "  headers: {localhost: {OpenAI-Allowed-Organization-Ids: org-ours}}\n"
    public = "console_url: https://ai.example.org\n"
    with proxy(home, Path("/dev/null"), (80, site.port), forward=headers, config=public) as one:
        for host, status in ((RESTRICTED, Status.RESTRICTED), (BLOCKED, Status.BLOCKED)):
            service = Catalogue.load().lookup(host).service
            assert service is not None
            decided(home, service.id, status)
        one.until_refused(BLOCKED)
        yield one


def test_a_page_comes_through_and_is_recorded(up: RunningProxy, site: Site) -> None:
    done = up.curl(f"http://localhost:{site.port}/hello?q=1#part")
    assert (done.returncode, done.stdout) == (0, "the site says hello")
    visit = site.visits[-1]
    names = {name.lower() for name, _ in visit.headers}
    assert (visit.method, visit.path) == ("GET", "/hello?q=1")
    assert not names & {"proxy-authorization", "proxy-connection"}
    asked, ended = up.exchange(up.decision(done))
    assert (asked["action"], asked["kind"], asked["target"]) == ("allow", "flow", {"host": "localhost"})
    assert ended["ended"] == "closed"
    assert ended["bytes_down"] > len(done.stdout)


def test_much_goes_both_ways(up: RunningProxy, site: Site, tmp_path: Path) -> None:
    file = tmp_path / "much"
    file.write_bytes(b"y" * BULK)
    done = up.curl(f"http://localhost:{site.port}/bulk", "--data-binary", f"@{file}")
    assert (done.returncode, len(done.stdout)) == (0, BULK)
    assert site.visits[-1].body == b"y" * BULK
    done = up.curl(f"http://localhost:{site.port}/x", "-T", str(file), "-H", "transfer-encoding: chunked")
    assert done.returncode == 0
    assert site.visits[-1].body == b"y" * BULK


def test_a_configured_header_takes_the_place_of_the_clients_own(up: RunningProxy, site: Site) -> None:
    own = ("-H", "openai-allowed-organization-ids: org-theirs", "-H", "x-bartizan-odd: 1", "-H", "x-mine: 2")
    assert up.curl(f"http://localhost:{site.port}/", *own).returncode == 0
    told = [(n.lower(), v) for n, v in site.visits[-1].headers]
    assert [v for n, v in told if n == "openai-allowed-organization-ids"] == ["org-ours"]
    assert ("x-mine", "2") in told
    assert "x-bartizan-odd" not in dict(told)
    assert up.curl(f"http://127.0.0.1:{site.port}/", *own).returncode == 0
    assert "org-theirs" in dict(site.visits[-1].headers).values()  # Another host: nothing was configured for it.


def test_whoever_needs_a_reason_is_led_to_where_it_is_given(up: RunningProxy) -> None:
    done = up.curl(f"http://{RESTRICTED}/", "-H", "accept: text/html", "-w", "%{http_code} %{redirect_url}")
    assert "307 http" in done.stdout
    assert "/c/" in done.stdout
    told = up.curl(f"http://{RESTRICTED}/", "-w", "%{http_code}").stdout
    assert told.endswith("403")
    assert "restricted-ai-with-a-reason" in json.loads(told[:-3])["bartizan"]["clauses"]


def test_whoever_may_not_at_all_gets_a_page(up: RunningProxy) -> None:
    done = up.curl(f"http://{BLOCKED}/", "-H", "accept: text/html", "-w", "%{http_code}")
    assert done.stdout.endswith("403")
    assert f"<h1>{BLOCKED} was not opened</h1><p>This AI service is blocked here.</p>" in done.stdout
    assert '<a href="https://ai.example.org/coach/deepseek">' in done.stdout
    assert "<script" not in done.stdout
    told = json.loads(up.curl(f"http://{BLOCKED}/").stdout)
    assert told["bartizan"]["link"] == "https://ai.example.org/coach/deepseek"


@pytest.mark.parametrize(
    ("line", "more", "status"),
    [
        ("GET /x HTTP/1.1", "", 400),
        ("GET https://localhost/ HTTP/1.1", "", 400),
        ("GET ftp://localhost/ HTTP/1.1", "", 400),
        ("GET http://user:pw@localhost:PORT/ HTTP/1.1", "", 400),
        ("GET http://localhost:25/ HTTP/1.1", "", 403),
        ("GET http://localhost:0/ HTTP/1.1", "", 400),
        ("GET http://127.1:PORT/ HTTP/1.1", "", 400),
        ("GET http://[::ffff:7f00:1%25lo]:PORT/ HTTP/1.1", "", 400),
        ("GET http://10.0.0.1/ HTTP/1.1", "", 403),
        ("GET http://169.254.169.254/ HTTP/1.1", "", 403),
        ("POST http://localhost:PORT/ HTTP/1.1", "content-length: 3\r\ncontent-length: 4\r\n", 400),
        ("POST http://localhost:PORT/ HTTP/1.1", "content-length: 3\r\ntransfer-encoding: chunked\r\n", 400),
        ("POST http://localhost:PORT/ HTTP/1.1", "transfer-encoding: gzip, chunked\r\n", 501),
        ("POST http://localhost:PORT/ HTTP/1.1", "transfer-encoding: chunked, identity\r\n", 400),
        ("POST http://localhost:PORT/ HTTP/1.0", "transfer-encoding: chunked\r\n", 501),
        ("GET http://localhost:PORT/ HTTP/1.1", "host: a\r\nhost: b\r\n", 400),
        ("GET http://localhost:PORT/ HTTP/1.1", "x: 1\n y: 2\r\n", 400),
        ("GET http://localhost:PORT/ HTTP/1.1", "x : 1\r\n", 400),
        ("GET http://localhost:PORT/ HTTP/1.1", "upgrade: websocket\r\nconnection: upgrade\r\n", 501),
        ("GET http://localhost:PORT/ HTTP/1.1", "expect: the-unexpected\r\n", 417),
        ("GET http://localhost:PORT/ HTTP/1.1", "a: b\r\n" * 101, 431),
        ("GET http://localhost:PORT/ HTTP/2.0", "", 505),
        (f"GET http://{'a' * 10_000}/ HTTP/1.1", "", 400),
        ("GET http://xn--/ HTTP/1.1", "", 400),
    ],
)
def test_what_is_odd_is_refused_and_never_forwarded(
    up: RunningProxy, site: Site, line: str, more: str, status: int
) -> None:
    before = len(site.visits)
    got = up.send(f"{line.replace('PORT', str(site.port))}\r\n{credential()}{more}\r\n".encode())
    assert got.split(b" ", 2)[1:2] == [str(status).encode()], got[:300]
    assert len(site.visits) == before


def test_what_stands_behind_a_request_is_no_second_one(up: RunningProxy, site: Site) -> None:
    before = len(site.visits)
    one = f"POST http://localhost:{site.port}/one HTTP/1.1\r\n{credential()}content-length: 3\r\n\r\nabc"
    two = f"GET http://localhost:{site.port}/two HTTP/1.1\r\n\r\n"
    got = up.send((one + two).encode())
    assert got.count(b"HTTP/1.1 200") == 1
    assert [(visit.path, visit.body) for visit in site.visits[before:]] == [("/one", b"abc")]


def _raw(answer: bytes) -> object:
    def tell(handler: BaseHTTPRequestHandler, visit: Visited) -> bool:
        if visit.path != "/raw":
            return False
        handler.wfile.write(answer)
        handler.close_connection = True
        return True

    return tell


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\nuntil the end", b"until the end"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", b"3\r\nabc\r\n0\r\n\r\n"),
        (b"HTTP/1.1 103 Early\r\nlink: x\r\n\r\nHTTP/1.1 204 None\r\n\r\n", b"HTTP/1.1 204 None"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", b"502"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nabHTTP/1.1 200 OK\r\n\r\n", b"a"),
        (
            b"HTTP/1.1 200 OK\r\nx-bartizan-a: forged\r\nproxy-authenticate: B\r\ncontent-length: 0\r\n\r\n",
            b"200",
        ),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nab", b"502"),
        (b"nonsense", b"502"),
        (b"", b"502"),
        (b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 300 + b"\r\n", b"502"),
        (b"HTTP/1.1 200 OK\r\nx: " + b"y" * 300_000, b"502"),
    ],
)
def test_answers_are_written_anew(up: RunningProxy, site: Site, answer: bytes, told: bytes) -> None:
    site.handler = _raw(answer)  # type: ignore[assignment]  # as a site takes it
    got = up.send(f"GET http://localhost:{site.port}/raw HTTP/1.1\r\n{credential()}\r\n".encode())
    site.handler = None
    assert told in got
    assert b"forged" not in got
    assert b"proxy-authenticate" not in got
    assert got.count(b"HTTP/1.1 ") == 1
    assert b"connection: close" in got


def test_half_an_answer_does_not_look_whole(up: RunningProxy, site: Site) -> None:
    site.handler = _raw(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc")  # type: ignore[assignment]  # as above
    done = up.curl(f"http://localhost:{site.port}/raw")
    site.handler = None
    assert done.returncode in (18, 56)
    assert up.exchange(up.decision(done))[1]["ended"] == "server-broke"
