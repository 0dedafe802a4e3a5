"""AI use as people go through it: somebody is stopped and asks, somebody else decides; also where no script runs."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from ai_in_use import decided, told
from browsing import Contexts, look, press, violations
from playwright.sync_api import Page, expect
from scene import Scene, scene

from bartizan.home.register import register
from bartizan.inventory.system import Status
from bartizan.vault.accounts import Role

AUTHOR, MARA = "author@example.org", "mara@example.org"


@pytest.fixture(scope="module")
def up(chromium: object, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with scene(tmp_path_factory.mktemp("use")) as one:
        now_us = time.time_ns() // 1000
        told(one.home, now_us)
        decided(one.home, now_us)
        one.account(MARA)
        yield one


@pytest.fixture(params=[True, False], ids=["script", "no script"])
def author(up: Scene, opened: Contexts, request: pytest.FixtureRequest) -> Page:
    context, _ = opened(up.url, java_script_enabled=request.param)
    return up.signed_in(context, AUTHOR, Role.VIEWER, Role.AUTHOR).new_page()


def test_what_nobody_decided_on_is_decided_within_three_clicks(up: Scene, author: Page) -> None:
    own = register(up.home)
    own.decide("gemini", Status.UNDECIDED, "ciso@example.org", time.time_ns() // 1000)
    author.goto(f"{up.url}/use?show=undecided")
    author.get_by_role("link", name="Gemini", exact=True).first.click()
    author.get_by_role("radio", name="Blocked").check()
    expect(author.get_by_text("kinds of lists").first).to_be_visible()
    author.locator("form[action$='/decide'] [name=why]").fill("No contract.")
    author.get_by_label("What to use instead").fill("chatgpt")
    press(author.locator("form[action$='/decide'] button"))
    expect(author.get_by_role("status")).to_contain_text("is blocked from now on")
    assert own.system("gemini").status is Status.BLOCKED


def test_who_is_stopped_asks_and_somebody_else_allows_it(up: Scene, opened: Contexts, author: Page) -> None:
    stranger, _ = opened(up.url)
    page = stranger.new_page()
    page.goto(f"{up.url}/coach/perplexity")
    look(page)
    assert not violations(page)
    expect(page.get_by_role("link", name="sign in and ask for an exception")).to_be_visible()
    up.signed_in(stranger, MARA)
    page.reload()
    page.get_by_label("What do you need it for?").fill("A literature review.")
    press(page.get_by_role("button", name="Ask for an exception"))
    expect(page.get_by_text("You asked for an exception").first).to_be_visible()
    author.goto(f"{up.url}/use/perplexity")
    expect(author.get_by_text("A literature review.").first).to_be_visible()
    press(author.get_by_role("button", name="Allow").first)
    page.reload()
    expect(page.get_by_text("You have an exception.")).to_be_visible()
    author.goto(f"{up.url}/use/perplexity")
    press(author.get_by_role("button", name="End it now").first)


def test_the_table_is_walked_with_keys(up: Scene, opened: Contexts) -> None:
    context, _ = opened(up.url)
    page = up.signed_in(context, AUTHOR, Role.VIEWER, Role.AUTHOR).new_page()
    page.goto(up.url)
    page.keyboard.press("g")
    page.keyboard.press("u")
    expect(page.get_by_role("heading", name="AI use", level=1)).to_be_visible()
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    page.wait_for_url("**/use/*")
    expect(page.get_by_role("heading", level=2).first).to_be_visible()
