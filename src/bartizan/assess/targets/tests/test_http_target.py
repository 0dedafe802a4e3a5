"""Endpoints: what they are asked, what they may answer, and what happens where they do not."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread
from typing import Any

import numpy as np
import pytest

from bartizan.assess.budget import Budget
from bartizan.assess.data import Data, Form
from bartizan.assess.errors import Gone, Spent
from bartizan.assess.target import Output
from bartizan.assess.targets.endpoints import described
from bartizan.assess.targets.http import Endpoint
from bartizan.assess.targets.opening import open_target
from bartizan.core.errors import UsageError

X = np.random.default_rng(0).random((60, 3)).astype(np.float32)
Y = X.argmax(1)
DATA = Data(form=Form.TABLE, digest="", x_test=X, y_test=Y, classes=("ant", "bee", "cat"))
Answer = Callable[[Any], tuple[int, dict[str, str], Any]]


class Server(ThreadingHTTPServer):
    """Answers as the test says, and keeps what it was asked."""

    answer: Answer
    asked: list[tuple[dict[str, str], Any]]

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Whoever asked has hung up."""


class Handler(BaseHTTPRequestHandler):
    """One request."""

    protocol_version = "HTTP/1.1"
    server: Server

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.asked.append((dict(self.headers), body))
        status, headers, content = self.server.answer(body)
        raw = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        for name, value in {"Content-Length": str(len(raw)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(raw)

    def log_message(self, *args: Any) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    """A real one on this machine."""
    made = Server(("127.0.0.1", 0), Handler)
    made.asked = []
    made.answer = lambda body: (200, {}, {"predictions": body["inputs"]})
    thread = Thread(target=made.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield made
    made.shutdown()
    thread.join()
    made.server_close()


def address(server: Server) -> str:
    return f"http://127.0.0.1:{server.server_address[1]}/v1/score?x=1"


class Clock:
    """Time that passes only where somebody waits."""

    def __init__(self) -> None:
        self.now = 0.0
        self.waits: list[float] = []

    def wait(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.now += seconds


def patient(clock: Clock, **more: Any) -> Endpoint:
    return Endpoint(wait=clock.wait, clock=lambda: clock.now, **more)


def test_scores_come_back_as_they_are(server: Server) -> None:
    clock = Clock()
    endpoint = patient(
        clock, template='{"model": "m", "rows": ["$rows"]}', answer="out.scores", headers={"X-Key": "k"}, rate=2
    )
    server.answer = lambda body: (200, {}, {"out": {"scores": body["rows"][0]}})
    target = open_target(address(server), data=DATA, endpoint=endpoint)
    np.testing.assert_allclose(target.scores(X), X, rtol=1e-7)
    assert (target.kind, target.classes, target.output) == ("http", 3, Output.LOGITS)
    assert (target.queries, target.cap) == (76, 10_000)
    assert "x=1" not in target.name
    headers, body = server.asked[0]
    assert headers["X-Key"] == "k" and body["model"] == "m"
    assert clock.waits == [0.5]


@pytest.mark.parametrize(
    "answer",
    [
        lambda rows: {"labels": [int(np.argmax(row)) for row in rows]},
        lambda rows: [DATA.classes[int(np.argmax(row))] for row in rows],
        lambda rows: {"results": [{"label": DATA.classes[int(np.argmax(row))]} for row in rows]},
    ],
)
def test_labels_alone_are_enough(server: Server, answer: Callable[[Any], Any]) -> None:
    server.answer = lambda body: (200, {}, answer(body["inputs"]))
    target = open_target(address(server), data=DATA)
    assert target.output is Output.LABELS and target.notes == ["the endpoint answers labels alone"]
    np.testing.assert_array_equal(target.labels(X), Y)


@pytest.mark.parametrize(
    "answer",
    [
        lambda row: dict(zip(DATA.classes, row, strict=True)),
        lambda row: {"scores": row},
        lambda row: [{"label": name, "score": one} for name, one in zip(DATA.classes[::-1], row[::-1], strict=True)],
    ],
)
def test_scores_by_name(server: Server, answer: Callable[[Any], Any]) -> None:
    server.answer = lambda body: (200, {}, {"id": 7, "outputs": [answer(row) for row in body["inputs"]]})
    np.testing.assert_allclose(open_target(address(server), data=DATA).scores(X), X)


def test_texts_are_sent_as_texts(server: Server) -> None:
    texts = np.array(["a b", "c", "dd"] * 20, object)
    server.answer = lambda body: (200, {}, [[len(one), 1] for one in body["inputs"]])
    target = open_target(address(server), data=Data(form=Form.TEXT, digest="", x_test=texts, y_test=np.arange(60) % 2))
    assert target.scores(texts)[:3, 0].tolist() == [3, 1, 2]


def test_a_server_that_says_later_is_asked_later(server: Server) -> None:
    clock, plan = Clock(), [(429, {"Retry-After": "7"}), (503, {}), (500, {}), (429, {"Retry-After": "30"})]
    server.answer = lambda body: (*plan.pop(0), b"") if plan else (200, {}, body["inputs"])
    open_target(address(server), data=DATA, endpoint=patient(clock, rate=1e6))
    assert [one for one in clock.waits if one > 0.01] == [7.0, 0.5, 1.0, 30.0]
    plan[:] = [(429, {"Retry-After": "999999"})] * 2
    with pytest.raises(UsageError, match="for 999,999 seconds, after 1 try"):
        open_target(address(server), data=DATA, endpoint=patient(clock, rate=1e6))


def test_who_stops_answering_is_not_asked_again(server: Server) -> None:
    clock = Clock()
    target = open_target(address(server), data=DATA, endpoint=patient(clock, rate=1e6))
    server.answer = lambda body: (500, {}, b"")
    with pytest.raises(Gone, match="fails \\(500\\), after 5 tries"):
        target.scores(X)
    asked = len(server.asked)
    with pytest.raises(Gone):
        target.scores(X)
    assert len(server.asked) == asked and "fails" in target.gone


@pytest.mark.parametrize(("status", "said"), [(403, "does not let us in"), (404, "does not take the request")])
def test_who_answered_and_then_refuses_is_gone(server: Server, status: int, said: str) -> None:
    target = open_target(address(server), data=DATA, endpoint=patient(Clock(), rate=1e6))
    server.answer = lambda body: (status, {}, b"")
    for _ in range(2):
        with pytest.raises(Gone, match=said):
            target.scores(X[:1])
    assert len(server.asked) == 2 and said in target.gone


def test_nobody_waits_longer_than_the_time_there_is(server: Server) -> None:
    clock = Clock()
    target = open_target(address(server), data=DATA, endpoint=patient(clock, rate=1e6))
    server.answer = lambda body: (429, {"Retry-After": "30"}, b"")
    target.until = Budget(20)
    with pytest.raises(Spent, match="time to ask"):
        target.scores(X[:1])
    assert sum(clock.waits) < 1 and not target.gone
    target.until = Budget(0)
    with pytest.raises(Spent, match="time to ask"):
        target.scores(X[:1])
    assert len(server.asked) == 2


@pytest.mark.parametrize(
    ("status", "content", "said"),
    [
        (429, b"", "refuses more requests"),
        (500, b"secret trace", "fails"),
        (302, b"", "not followed"),
        (401, b"", "key"),
        (404, b"", "does not take the request"),
        (200, b"<html>", "not JSON"),
        (200, {"ok": True}, "without a list of 16"),
        (200, [[1, 2]] * 15 + [[1]], "different lengths"),
        (200, ["dog"] * 16, "label that the data does not have"),
        (200, [[[1, 2], [3, 4]]] * 16, "no score or label"),
    ],
)
def test_every_other_answer_is_one_sentence(server: Server, status: int, content: Any, said: str) -> None:
    server.answer = lambda body: (status, {"Location": "http://127.0.0.1:1/"}, content)
    with pytest.raises(UsageError, match=said) as raised:
        open_target(address(server), data=DATA, endpoint=patient(Clock()))
    assert "\n" not in str(raised.value) and "secret" not in str(raised.value)


def test_one_that_dies_is_one_sentence(server: Server) -> None:
    target = open_target(address(server), data=DATA, endpoint=patient(Clock(), batch=10, timeout_s=0.05))
    begun, over = [], Event()

    def silent(body: Any) -> tuple[int, dict[str, str], Any]:
        begun.append(1)
        over.wait(30)
        return 200, {}, b""

    server.answer = lambda body: (200, {"Content-Length": "10"}, b"[")
    with pytest.raises(Gone, match="breaks off, after 5 tries"):
        target.scores(X)
    server.answer = silent
    with pytest.raises(UsageError, match="in time"):
        open_target(address(server), data=DATA, endpoint=patient(Clock(), timeout_s=0.05))
    over.set()
    assert len(begun) == 5
    with pytest.raises(UsageError, match="cannot be reached"):
        open_target("http://127.0.0.1:1/", data=DATA, endpoint=patient(Clock()))


def test_nobody_is_asked_without_consent_or_beyond_the_cap(server: Server) -> None:
    with pytest.raises(UsageError, match="--i-own-this"):
        open_target("http://model.example/score", data=DATA)
    for url, said in (("http:///x", "no host"), ("http://u:p@127.0.0.1/", "password"), ("http://127.0.0.1:x/", "read")):
        with pytest.raises(UsageError, match=said):
            open_target(url, data=DATA)
    for template, said in (("{", "not JSON"), ("{}", "no .\\$rows")):
        with pytest.raises(UsageError, match=said):
            open_target(address(server), data=DATA, endpoint=Endpoint(template=template))
    assert server.asked == []
    target = open_target(address(server), data=DATA, queries=50)
    target.scores(X[:30])
    with pytest.raises(Spent, match="50 rows"):
        target.scores(X[:5])
    assert sum(len(body["inputs"]) for _, body in server.asked) == 46


def test_a_file_describes_an_endpoint(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "model.toml"
    lines = [
        f'url = "{address(server)}"',
        'request = \'{"inputs": "$rows", "k": 1}\'',
        'answer = "predictions"',
        "rate = 1e6",
    ]
    lines += ["queries = 40", "batch = 8", "timeout = 5", "[headers]", 'X-Key = "$OUR_KEY"', 'X-Plain = "p"']
    path.write_text("\n".join(lines))
    with pytest.raises(UsageError, match="OUR_KEY, not set"):
        open_target(str(path), data=DATA)
    monkeypatch.setenv("OUR_KEY", "s3cret")
    target = open_target(str(path), data=DATA)
    target.scores(X[:20])
    headers, body = server.asked[-1]
    assert (headers["X-Key"], headers["X-Plain"], body["k"], len(body["inputs"])) == ("s3cret", "p", 1, 4)
    assert target.cap == 40 and "s3cret" not in repr(described(path))
    for text, said in (
        ("url = 3", "url is not"), ('url = "ftp://x"', "http://"), ("uri = 1", "nothing is called"), ("[", "TOML"),
        ('url = "http://127.0.0.1/"\nrate = 0', "rate is not"), ('url = "http://h/"\n[headers]\na = 1', "one line"),
    ):  # fmt: skip
        path.write_text(text)
        with pytest.raises(UsageError, match=said):
            open_target(str(path), data=DATA)
