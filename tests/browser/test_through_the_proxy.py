"""A real browser behind the proxy: what opens, what does not, and what a person sees then."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Error
from running_gateway import BOOTSTRAP
from running_proxy import RunningProxy, decided, proxy
from tls_site import Site, certified

from bartizan.catalogue.catalogue import Catalogue
from bartizan.inventory.system import Status

BLOCKED = "chat.deepseek.com"


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return certified(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def site(certificates: tuple[Path, Path]) -> Iterator[Site]:
    with Site(certificates[1]) as one:
        yield one


@pytest.fixture(scope="module")
def up(site: Site, certificates: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningProxy]:
    home = tmp_path_factory.mktemp("browser-proxy") / "home"
    with proxy(home, certificates[0], (80, 443, site.port)) as one:
        service = Catalogue.load().lookup(BLOCKED).service
        assert service is not None
        decided(home, service.id, Status.BLOCKED)
        one.until_refused(BLOCKED)
        yield one


@pytest.fixture
def behind(chromium: Browser, up: RunningProxy) -> Iterator[BrowserContext]:
    """A profile that is told of the proxy, for this machine, too."""
    server = {"server": f"http://127.0.0.1:{up.port}", "username": "ada", "password": BOOTSTRAP}
    context = chromium.new_context(proxy={**server, "bypass": "<-loopback>"}, ignore_https_errors=True)
    context.set_default_timeout(15_000)
    yield context
    context.close()


def test_a_site_opens_through_a_tunnel(behind: BrowserContext, up: RunningProxy, site: Site) -> None:
    page = behind.new_page()
    page.goto(f"https://localhost:{site.port}/hello")
    assert page.inner_text("body") == "the site says hello"
    assert any(record.get("door") == "forward" and record["action"] == "allow" for record in up.records())


def test_a_blocked_service_shows_that_there_was_no_tunnel_and_nothing_else(behind: BrowserContext) -> None:
    """A proxy's words must not pass for the site's: browsers show none of them."""
    with pytest.raises(Error, match="ERR_TUNNEL_CONNECTION_FAILED"):
        behind.new_page().goto(f"https://{BLOCKED}/")


def test_without_tls_a_person_reads_why(behind: BrowserContext) -> None:
    page = behind.new_page()
    answer = page.goto(f"http://{BLOCKED}/")
    assert answer is not None
    assert answer.status == 403
    assert page.inner_text("h1") == f"{BLOCKED} was not opened"
    assert "This AI service is blocked here." in page.inner_text("body")
