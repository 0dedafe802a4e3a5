"""A paused source is refused by the proxy too, on record, and what it had open ends."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from running_gateway import DEADLINE_S
from running_proxy import RunningProxy, credential, proxy
from tls_site import Site, certified


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return certified(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def site(certificates: tuple[Path, Path]) -> Iterator[Site]:
    with Site(certificates[1]) as one:
        yield one


@pytest.fixture(scope="module")
def up(site: Site, certificates: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningProxy]:
    with proxy(tmp_path_factory.mktemp("paused") / "home", certificates[0], (site.port,)) as one:
        yield one


def test_a_pause_refuses_and_ends_what_is_open_and_is_over_when_it_is_lifted(up: RunningProxy, site: Site) -> None:
    made = json.loads(up.platform.run("keys", "add", "mara", "--format", "json").stdout)
    key = f"bartizan:{made['secret']}"
    where = f"localhost:{site.port}"
    with up.connected() as tunnel:
        tunnel.settimeout(DEADLINE_S)
        tunnel.sendall(f"CONNECT {where} HTTP/1.1\r\nhost: {where}\r\n{credential(key)}\r\n".encode())
        assert tunnel.recv(65536).startswith(b"HTTP/1.1 200")
        up.platform.run("keys", "pause", made["id"], "--for", "1h", "--why", "odd traffic")
        end = time.monotonic() + DEADLINE_S
        while up.connect(where, key)[0] != 403:
            assert time.monotonic() < end
        with suppress(ConnectionResetError):
            assert tunnel.recv(65536) == b""
    status, _, told = up.connect(where, key)
    assert status == 403 and "Requests of this key are paused until" in told["error"]["message"]
    assert up.connect(where)[0] == 200
    (last, *_) = [one for one in reversed(up.records()) if "paused" in one]
    assert (last["action"], last["key"], last["door"], last["paused"]["kind"]) == (
        "block", made["id"], "forward", "key",
    )  # fmt: skip
    assert any(one.get("ended") == "paused" for one in up.records())
    up.platform.run("keys", "resume", made["id"])
    end = time.monotonic() + DEADLINE_S
    while up.connect(where, key)[0] != 200:
        assert time.monotonic() < end
