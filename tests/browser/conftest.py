"""Tests in a real browser. Each module starts its own: Playwright's event loop must be gone before another one runs."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from browsing import THEMES, Contexts, Watch, executable, started
from playwright.sync_api import Browser, BrowserContext, sync_playwright

ABSENT = (
    "no Chromium on this machine: `apt-get install chromium` (or your system's package) brings one, "
    "or name one with CHROMIUM=/path/to/chromium"
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything in this folder needs a browser."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker("browser")


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """A browser. Where there is none, people go on without these tests; CI does not."""
    if executable() is None:
        if os.environ.get("CI", "").lower() in ("1", "true", "yes"):
            pytest.fail(ABSENT, pytrace=False)
        pytest.skip(ABSENT)  # The one skip there is: a browser is nothing that `make` could install.
    with sync_playwright() as playwright:
        browser = started(playwright)
        yield browser
        browser.close()


@contextmanager
def contexts(chromium: Browser) -> Iterator[Contexts]:
    """Makes contexts: a browser's profile each, with a watch over what its pages say. Quiet at the end, all of them."""
    made: list[tuple[BrowserContext, Watch]] = []

    def new(origin: str, theme: str = THEMES[0], **more: object) -> tuple[BrowserContext, Watch]:
        settings = {"viewport": {"width": 1440, "height": 1000}, "reduced_motion": "reduce", **more}
        context = chromium.new_context(color_scheme=theme, **settings)
        context.set_default_timeout(15_000)
        made.append((context, Watch(context, origin)))
        return made[-1]

    yield new
    for context, _ in made:
        context.close()
    for _, watch in made:
        watch.quiet()


@pytest.fixture
def opened(chromium: Browser) -> Iterator[Contexts]:
    """Contexts for one test."""
    with contexts(chromium) as made:
        yield made


@pytest.fixture(scope="module")
def open_for_all(chromium: Browser) -> Iterator[Contexts]:
    """Contexts for a module's tests, which only look: a new one costs more than most of what is done in it."""
    with contexts(chromium) as made:
        yield made
