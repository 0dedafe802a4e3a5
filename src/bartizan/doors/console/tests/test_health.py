"""What the console knows of the gateway, also when there is none."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from bartizan.config import Address, Config
from bartizan.doors.console.health import Pulse, disk, quantile, read

COUNTED = """\
# TYPE bartizan_judge_seconds histogram
bartizan_judge_seconds_bucket{{le="0.001"}} {fast}
bartizan_judge_seconds_bucket{{le="0.01"}} {all}
bartizan_judge_seconds_bucket{{le="+Inf"}} {all}
bartizan_judge_seconds_sum 1
bartizan_judge_seconds_count {all}
# TYPE bartizan_upstream_calls_total counter
bartizan_upstream_calls_total{{outcome="ok",upstream="openai"}} {all}
bartizan_upstream_calls_total{{outcome="unreachable",upstream="spare"}} 3
bartizan_upstream_calls_total{{outcome="client-gone",upstream="quiet"}} 3
# TYPE bartizan_examination_failures_total counter
bartizan_examination_failures_total{{detector="text.odd"}} 2
# TYPE bartizan_gateway_processes gauge
bartizan_gateway_processes 2
"""


class Gateway(ThreadingHTTPServer):
    """Says it is ready, or why not, and what it counted."""

    daemon_threads = True
    ready = (200, b'{"ready": true, "why": []}')
    metrics = COUNTED.format(fast=50, all=100)

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answer)


class Answer(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        server = self.server
        assert isinstance(server, Gateway)
        status, body = server.ready if self.path == "/readyz" else (200, server.metrics.encode())
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        return


@contextmanager
def serving() -> Iterator[Gateway]:
    server = Gateway()
    thread = threading.Thread(target=lambda: server.serve_forever(poll_interval=0.01))
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def pulse(port: int, **more: object) -> Pulse:
    upstreams = dict.fromkeys(("openai", "spare", "quiet"))
    config = Config(metrics=Address("127.0.0.1", port), upstreams=upstreams)  # type: ignore[arg-type]
    return Pulse(f"http://127.0.0.1:{port}", config, **more)  # type: ignore[arg-type]


def test_a_gateway_that_serves_and_what_it_counted() -> None:
    with serving() as gateway:
        one = pulse(gateway.server_port)
        health = one.health(wait_s=10)
        one.close()
    assert health.answers and health.ready and not health.stopped
    assert health.judged == 100 and health.processes == 2 and health.window_us == 0
    assert health.judge_p50_s == pytest.approx(0.001) and health.judge_p99_s == pytest.approx(0.00982)
    assert [(u.name, u.answered, u.failed, u.down) for u in health.upstreams] == [
        ("openai", 100, 0, False),
        ("spare", 0, 3, True),
        ("quiet", 0, 0, False),
    ]
    assert health.failing == ("text.odd",)
    assert health.waiting is None


def test_a_gateway_that_is_gone_is_gone_since_it_was_heard_last() -> None:
    times = iter(range(1_000, 9_000, 100))
    with serving() as gateway:
        one = pulse(gateway.server_port, clock=lambda: next(times))
        first = one.health(wait_s=10)
    second = one.health(wait_s=10)
    one.close()
    assert first.answers and not second.answers and second.stopped
    assert second.since_us == first.heard_us == second.heard_us
    assert second.judged == 100 and second.numbers_us == first.numbers_us, "the numbers of then are kept"


def test_who_never_answered_has_no_numbers() -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        one = pulse(nobody.getsockname()[1])
        health = one.health(wait_s=10)
        one.close()
    assert health.stopped and health.heard_us == 0 and health.judged is None and health.since_us == health.asked_us


def test_one_that_is_not_ready_says_why() -> None:
    with serving() as gateway:
        gateway.ready = (503, b'{"ready": false, "why": ["there is no policy that holds", 3]}')
        one = pulse(gateway.server_port)
        health = one.health(wait_s=10)
        one.close()
    assert health.answers and health.stopped and health.why == ("there is no policy that holds", "3")


def test_nobody_waits_for_a_gateway_that_does_not_speak() -> None:
    with socket.socket() as mute:
        mute.bind(("127.0.0.1", 0))
        mute.listen(8)
        one = pulse(mute.getsockname()[1])
        began = time.monotonic()
        health = one.health()
        took_s = time.monotonic() - began
        one.close()
    assert took_s < 5 and health.asked_us == 0 and not health.stopped


def test_a_platform_that_was_started_again_counts_anew() -> None:
    times = iter(range(1_000, 9_000, 100))
    with serving() as gateway:
        one = pulse(gateway.server_port, clock=lambda: next(times))
        one.health(wait_s=10)
        gateway.metrics = COUNTED.format(fast=150, all=200)
        more = one.health(wait_s=10)
        gateway.metrics = COUNTED.format(fast=150, all=207)
        few = one.health(wait_s=10)
        gateway.metrics = COUNTED.format(fast=5, all=7)
        anew = one.health(wait_s=10)
        one.close()
    assert more.judged == 100 and more.window_us > 0
    assert few.judged == 207 and few.window_us == 0, "of seven nothing can be said"
    assert anew.judged == 7 and anew.window_us == 0


def test_what_is_no_exposition_reads_as_far_as_it_goes() -> None:
    assert read("bartizan_x 1\n{{{\n") in ({}, {("bartizan_x", ()): 1.0})
    assert read("<html>") == {}
    assert quantile({}, "judge_seconds", 0.5) is None


def test_room_on_a_disk_is_told(tmp_path) -> None:
    found = disk(tmp_path)
    assert found is not None and 0 < found.free <= found.total
    assert disk(tmp_path / "nowhere") is None
