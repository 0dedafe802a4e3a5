"""Tunnels through `bartizan up --forward`, by curl and by hand."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from running_proxy import RunningProxy, proxy
from tls_site import BULK, Site, certified


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return certified(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def site(certificates: tuple[Path, Path]) -> Iterator[Site]:
    with Site(certificates[1]) as one:
        yield one


@pytest.fixture(scope="module")
def up(site: Site, certificates: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningProxy]:
    with proxy(tmp_path_factory.mktemp("forward") / "home", certificates[0], (site.port,)) as one:
        yield one


def test_curl_reaches_a_site_through_a_tunnel_and_both_ends_of_it_are_recorded(up: RunningProxy, site: Site) -> None:
    done = up.curl(f"https://localhost:{site.port}/hello")
    assert (done.returncode, done.stdout) == (0, "the site says hello")
    asked, ended = up.exchange(up.decision(done))
    assert (asked["action"], asked["door"], asked["kind"], asked["side"]) == ("allow", "forward", "flow", "request")
    assert asked["key"] == "bootstrap"
    assert asked["target"] == {"host": "localhost"}
    assert asked["port"] == site.port
    assert (ended["side"], ended["ended"], ended["direction"]) == ("answer", "closed", "in")
    assert ended["bytes_up"] > 200
    assert ended["bytes_down"] > len("the site says hello")


def test_much_goes_through_whole(up: RunningProxy, site: Site) -> None:
    done = up.curl(f"https://localhost:{site.port}/bulk")
    assert (done.returncode, len(done.stdout)) == (0, BULK)
    assert up.exchange(up.decision(done))[1]["bytes_down"] > BULK


@pytest.mark.parametrize("key", ["", "bartizan:wrong", "bartizan:"])
def test_without_a_key_nothing_is_reached(up: RunningProxy, site: Site, key: str) -> None:
    before = len(site.visits)
    done = up.curl(f"https://localhost:{site.port}/", key=key)
    assert done.returncode == 56
    assert "HTTP/1.1 407" in done.stderr
    assert len(site.visits) == before
