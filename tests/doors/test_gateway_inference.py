"""Questions to a classical model through the real gateway, and who asks them to copy it."""

from __future__ import annotations

import json
import secrets
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np
import pytest
from click.testing import CliRunner
from running_gateway import RunningGateway, gateway
from values import aws_key, card

from bartizan.assess.theft.monitoring import Traffic, monitor
from bartizan.doors.admin.config import check
from bartizan.home import Home

ROOT = Path(__file__).resolve().parents[2]
CHANCE = np.random.default_rng(8)
CENTRES = CHANCE.normal(size=(4, 5)) * 4
ROUTE = "/v2/models/blobs/infer"
POLICY = (ROOT / "src/bartizan/rules/policies/default.yaml").read_text()
Rows = Any  # numpy's array


def said(rows: Rows) -> Rows:
    """Softmax of likeness to four centres: the model."""
    likeness = -((rows[:, None] - CENTRES) ** 2).sum(axis=2) / 4
    powers = np.exp(likeness - likeness.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def honest(count: int) -> Rows:
    return CENTRES[CHANCE.integers(0, 4, count)] + CHANCE.normal(size=(count, 5))


def between(count: int) -> Rows:
    """Rows made up between the classes, as a thief makes them."""
    pairs = CHANCE.permuted(np.tile(np.arange(4), (count, 1)), axis=1)[:, :2]
    return CENTRES[pairs].mean(axis=1) + CHANCE.normal(size=(count, 5)) * 0.3


def question(rows: Rows, **more: object) -> dict[str, object]:
    tensor = {"name": "x", "shape": list(rows.shape), "datatype": "FP64", "data": rows.ravel().tolist()}
    return {"inputs": [tensor], **more}


class Model(BaseHTTPRequestHandler):
    """A server of the Open Inference Protocol. `blobs` is the model, `echo` answers the texts it was sent."""

    protocol_version = "HTTP/1.1"
    asked: list[dict[str, Any]] = []  # noqa: RUF012  Of all requests of this file.

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.asked.append({"path": self.path, "body": body})
        if "/echo/" in self.path:
            self.answer({"model_name": "echo", "outputs": body["inputs"]})
        elif "/broken/" in self.path:
            self.answer({"predictions": [1]})
        else:
            scores = said(np.array(body["inputs"][0]["data"]).reshape(-1, 5))
            out = {"name": "p", "shape": list(scores.shape), "datatype": "FP64", "data": scores.ravel().tolist()}
            self.answer({"model_name": "blobs", "outputs": [out]})

    def do_GET(self) -> None:
        self.answer({"name": self.path})

    def answer(self, value: object) -> None:
        raw = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def log_message(self, *_: object) -> None:
        """Nothing on stderr."""


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    running = ThreadingHTTPServer(("127.0.0.1", 0), Model)
    thread = threading.Thread(target=running.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{running.server_port}"
    running.shutdown()
    thread.join(10)
    running.server_close()


@pytest.fixture(scope="module")
def up(server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGateway]:
    """Two processes, which share what they are asked."""
    folder = tmp_path_factory.mktemp("inference")
    test = honest(600)
    calibrated = monitor("ab" * 32, honest(800), Traffic(test, said(test)), {}, 0)
    assert calibrated is not None
    (folder / "blobs.json").write_text(json.dumps(calibrated.file()))
    config = (
        f"upstreams:\n  scoring: {{url: '{server}', protocol: inference, monitors: {{blobs: ../blobs.json}}}}\n"
        f"  other: {{url: '{server}/v2', protocol: inference}}\n"
    )
    with gateway(folder / "home", {}, "--workers", "2", config=config, policy=POLICY) as one:
        yield one


def key(up: RunningGateway, name: str) -> str:
    with Home.open(up.home, create=False) as home:
        return home.vault.add_key(name)[1]


def records(up: RunningGateway, count: int = 60) -> list[dict[str, Any]]:
    """The newest."""
    out = up.run("ledger", "tail", "--format", "json", "-n", str(count)).stdout
    return [json.loads(line) for line in out.splitlines()]


def test_an_honest_account_is_answered_and_a_thief_waits_for_somebody(up: RunningGateway) -> None:
    """In two processes, by a connection for each question: the thief is seen at the first length that is judged."""
    ada, eve = key(up, "ada"), key(up, "eve")
    told = [up.ask("POST", ROUTE, question(row[None]), key=ada) for row in honest(120)]
    assert {status for status, _, _ in told} == {200}
    assert not any("x-bartizan-tell" in headers for _, headers, _ in told)
    answers = [up.ask("POST", ROUTE, question(row[None]), key=eve) for row in between(56)]
    statuses = [status for status, _, _ in answers]
    # At 50, and not much later where the processes have not heard of each other's last question yet.
    assert statuses[:49] == [200] * 49
    assert statuses[52:] == [400] * 4
    refused = json.loads(answers[-1][2])
    assert "copies it" in refused["error"]
    assert "no-copies-of-a-model" in refused["bartizan"]["clauses"]
    before = len(Model.asked)
    assert up.ask("POST", ROUTE, question(honest(1)), key=eve)[0] == 400
    assert len(Model.asked) == before  # Her next question is not even asked.
    assert up.ask("POST", ROUTE, question(honest(1)), key=ada)[0] == 200
    found = [one for one in records(up, 200) if "findings" in one and one["side"] == "answer"]
    assert {one["findings"][0]["risk"] for one in found} == {"theft.extraction-attempt"}
    assert "in 50 queries this account" in found[0]["findings"][0]["because"]
    assert found[0]["findings"][0]["places"][0][0] == "/asking"
    with Home.open(up.home, create=False) as home:
        decided = home.desk().decide(refused["bartizan"]["id"], True, "bob@example.org", time.time_ns() // 1000)
    assert (decided.state, decided.risks) == ("granted", ("theft.extraction-attempt",))
    end = time.monotonic() + 20
    while up.ask("POST", ROUTE, question(honest(1)), key=eve)[0] != 200:  # She may go on with this model.
        assert time.monotonic() < end


def test_many_rows_at_once_hide_nothing(up: RunningGateway) -> None:
    """The whole answer is held back, not the next one."""
    status, _, body = up.ask("POST", ROUTE, question(between(500)), key=key(up, "mallory"))
    assert status == 400
    assert b"copies it" in body
    assert up.ask("POST", ROUTE, question(honest(500)), key=key(up, "batch"))[0] == 200


def test_texts_are_judged_and_numbers_are_not(up: RunningGateway) -> None:
    """In tensors, names and parameters; what is not edited goes on byte for byte."""

    def text(value: str) -> dict[str, object]:
        return {"inputs": [{"name": "t", "shape": [1], "datatype": "BYTES", "data": [value]}]}

    status, headers, body = up.ask("POST", "/v2/models/echo/infer", text(f"my key is {aws_key()}"))
    assert (status, headers["x-bartizan-action"]) == (200, "redacted")
    assert unquote(headers["x-bartizan-tell"]).startswith("We removed a credential")
    assert Model.asked[-1]["body"]["inputs"][0]["data"] == ["my key is [redacted: aws-access-key]"]
    assert aws_key().encode() not in body
    number = {"inputs": [{"name": "n", "shape": [1], "datatype": "INT64", "data": [int(card())]}]}
    assert up.ask("POST", "/v2/models/echo/infer", number)[0] == 200
    assert Model.asked[-1]["body"] == number
    assert up.ask("POST", f"/v2/models/{aws_key()}/infer", text("hello"))[0] == 400


def test_the_path_names_model_version_and_upstream(up: RunningGateway) -> None:
    for asked, gone in {
        "/v2/models/echo/versions/3/infer": "/v2/models/echo/versions/3/infer",
        "/v2/models/other/echo/infer": "/v2/models/echo/infer",
    }.items():
        body = {"inputs": [{"name": "n", "shape": [1], "datatype": "BOOL", "data": [True]}]}
        assert up.ask("POST", asked, body)[0] == 200
        assert Model.asked[-1]["path"] == gone
    assert json.loads(up.ask("GET", "/v2/models/other/echo/ready")[2]) == {"name": "/v2/models/echo/ready"}
    assert json.loads(up.ask("GET", "/v2/health/ready", key="none")[2])["ready"] is True
    assert up.ask("GET", "/v2/models/blobs", key="no-such-key")[0] == 401
    assert up.ask("GET", ROUTE)[0] == 405
    assert up.ask("POST", "/v2/models/nobody/echo/infer", body)[0] == 404
    watched = {one["target"]["model"]: one["watched"] for one in records(up) if "watched" in one}
    assert watched["blobs"] is True
    assert watched["echo"] is False


REFUSED = {
    "no inputs": ({}, "inputs: must be a list"),
    "fewer values than the shape has": (
        {"inputs": [{"name": "x", "shape": [1, 5], "datatype": "FP64", "data": [1.5]}]},
        "has 1 values, its shape has 5",
    ),
    "another width": (question(np.ones((2, 4))), "rows of 5 numbers"),
    "texts, which no monitor can compare": (
        {"inputs": [{"name": "x", "shape": [5], "datatype": "BYTES", "data": ["1"] * 5}]},
        "must be numbers",
    ),
    "a binary answer": (question(np.ones((1, 5)), parameters={"binary_data_output": True}), "send the data as JSON"),
    "shared memory": (
        {"inputs": [{"name": "x", "shape": [5], "datatype": "FP64", "parameters": {"shared_memory_region": "r"}}]},
        "send the data as JSON",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_looked_at_does_not_pass(up: RunningGateway, name: str) -> None:
    body, why = REFUSED[name]
    before = len(Model.asked)
    status, _, answer = up.ask("POST", ROUTE, body)
    assert status == 400
    assert why in json.loads(answer)["error"]
    assert len(Model.asked) == before


def test_binary_tensors_behind_the_json_and_answers_that_are_none_do_not_pass(up: RunningGateway) -> None:
    rows = question(honest(1))
    assert up.ask("POST", ROUTE, rows, inference_header_content_length="10")[0] == 400
    assert up.ask("POST", f"{ROUTE}?more=1", rows)[0] == 400
    body = {"inputs": [{"name": "n", "shape": [1], "datatype": "BOOL", "data": [True]}]}
    assert up.ask("POST", "/v2/models/broken/infer", body)[0] == 502


def test_what_is_said_is_written_nowhere(up: RunningGateway) -> None:
    """A marker in every place of a question, passed or refused, is in no log, record or error."""
    mark = "zq" + secrets.token_hex(8)
    text = {
        "name": mark,
        "shape": [1],
        "datatype": "BYTES",
        "data": [f"{mark} {aws_key()}"],
        "parameters": {mark: mark},
    }
    assert up.ask("POST", "/v2/models/echo/infer", {"inputs": [text], "id": mark, mark: 1})[0] == 200
    for body in ({"inputs": [text | {"datatype": mark}]}, {"inputs": [text | {"shape": mark}]}, {"inputs": mark}):
        status, headers, answer = up.ask("POST", "/v2/models/echo/infer", body)
        assert status == 400
        assert mark not in f"{headers} {answer!r}"
    assert up.ask("POST", f"/v2/models/..%2F{mark}/infer", {})[0] == 404
    assert mark not in up.log
    assert not [path.name for path in up.home.iterdir() if path.is_file() and mark.encode() in path.read_bytes()]


def test_what_is_not_watched_is_said_at_the_start(up: RunningGateway) -> None:
    assert "watched  scoring: blobs" in up.log
    assert "watched  other: no model" in up.log


def test_without_numpy_a_monitor_is_refused_before_the_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "numpy", None)
    config = tmp_path / "bartizan.yaml"
    config.write_text("upstreams: {a: {url: 'http://127.0.0.1:1', protocol: inference, monitors: {m: m.json}}}\n")
    told = CliRunner().invoke(check, ["--config", str(config), "--home", str(tmp_path)], standalone_mode=False)
    assert told.return_value == 1
    assert "needs numpy, which is not installed: pip install numpy" in told.output


def test_a_profile_that_is_none_is_told_before_the_start(tmp_path: Path) -> None:
    (tmp_path / "m.json").write_text("{}")
    config = tmp_path / "bartizan.yaml"
    config.write_text("upstreams: {a: {url: 'http://127.0.0.1:1', protocol: inference, monitors: {m: m.json}}}\n")
    told = CliRunner().invoke(check, ["--config", str(config), "--home", str(tmp_path)], standalone_mode=False)
    assert told.return_value == 1
    assert "upstreams.a.monitors.m:" in told.output
    assert "is no bartizan.theft-monitor/1" in told.output
    config.write_text("upstreams: {a: {url: 'http://127.0.0.1:1', protocol: inference}}\n")
    told = CliRunner().invoke(check, ["--config", str(config), "--home", str(tmp_path)], standalone_mode=False)
    assert told.return_value == 0
    assert "who copies its models is not found" in told.stderr
