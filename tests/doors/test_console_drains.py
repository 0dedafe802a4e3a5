"""Whoever watches Live does not keep the platform from stopping."""

from __future__ import annotations

import http.client
import re
import time
from pathlib import Path

from running_gateway import free_port, gateway


def test_an_open_stream_holds_up_nothing(tmp_path: Path) -> None:
    port = free_port()
    with gateway(tmp_path / "home", {"openai": "http://127.0.0.1:9/v1"}, "--console", f"127.0.0.1:{port}") as up:
        until_s = time.monotonic() + 20
        while (link := re.search(r"/sign-in/(\S+)", up.log)) is None:
            assert time.monotonic() < until_s, up.log
            time.sleep(0.02)
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        connection.request("POST", f"/sign-in/{link[1]}", b"", {"content-type": "application/x-www-form-urlencoded"})
        answer = connection.getresponse()
        answer.read()
        cookie = str(answer.getheader("set-cookie")).partition(";")[0]
        connection.request("GET", "/live/stream", headers={"cookie": cookie})
        stream = connection.getresponse()
        assert stream.status == 200 and stream.readline()
        up.process.terminate()
        while stream.readline():
            pass
        connection.close()
        assert up.process.wait(20) == 0
    # A server that lost its patience with an answer says so.
    assert "console" not in up.log.rpartition("Ctrl-C stops.")[2]
