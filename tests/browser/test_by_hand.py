"""Without a mouse, without JavaScript, and at twice the size."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from browsing import HEIGHT, Contexts, look
from playwright.sync_api import Page, expect
from scene import Day, Scene, ordinary, scene
from values import another_iban

from bartizan.vault.accounts import Role

KEEPER = "keeper@example.org"


@pytest.fixture(scope="module")
def up(chromium: object, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with scene(tmp_path_factory.mktemp("hand")) as one:
        yield one


@pytest.fixture(scope="module")
def day(up: Scene) -> Day:
    made = ordinary(up)
    up.seen(made.exchanges["two"])
    return made


@pytest.fixture
def page(up: Scene, day: Day, opened: Contexts) -> Page:
    context, _ = opened(up.url)
    return up.signed_in(context, KEEPER, *Role).new_page()


def focused(page: Page) -> str:
    return str(page.evaluate("document.activeElement.outerHTML.slice(0, 200)"))


def test_the_queue_is_walked_by_keys_alone(up: Scene, page: Page) -> None:
    waiting = [up.ask(f"Pay to {another_iban(n)} at once.", "nils@example.org").case for n in range(2)]
    page.goto(up.url + "/")
    page.keyboard.press("g")
    page.keyboard.press("r")
    page.wait_for_url("**/review")
    links = page.locator(".waits [data-row] a")
    assert links.count() >= 3
    page.keyboard.press("j")
    page.keyboard.press("j")
    assert "/review/c-" in focused(page)
    page.keyboard.press("k")
    page.keyboard.press("Enter")
    page.wait_for_url("**/review/c-*")
    page.goto(f"{up.url}/review/{waiting[0]}")
    page.keyboard.press("o")
    expect(page.locator("mark").first).to_be_visible()
    page.keyboard.press("b")
    expect(page.get_by_role("status").first).to_contain_text("Refused")
    page.goto(f"{up.url}/review/{waiting[1]}")
    page.keyboard.press("r")
    expect(page.get_by_role("status").first).to_contain_text("Approved")


def test_tab_reaches_everything_and_traps_nobody(up: Scene, page: Page) -> None:
    page.goto(up.url + "/review")
    page.keyboard.press("Tab")
    assert "Skip to content" in focused(page)
    page.keyboard.press("Enter")
    assert 'id="main"' in focused(page)
    page.goto(up.url + "/review")
    seen = []
    for _ in range(80):
        page.keyboard.press("Tab")
        seen.append(focused(page))
        if seen[-1].startswith("<body"):
            break
        outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert outline != "none", seen[-1]
    assert any("<textarea" in one for one in seen) and any('value="approve"' in one for one in seen)
    assert len(set(seen)) > 15


def test_a_key_in_a_field_is_a_letter(up: Scene, page: Page) -> None:
    page.goto(up.url + "/review")
    page.keyboard.press("/")
    page.keyboard.type("gerb")
    assert page.locator("#q").input_value() == "gerb" and page.url.endswith("/review")


def test_two_keys_lead_to_every_area(up: Scene, page: Page) -> None:
    page.goto(up.url + "/account")
    for key, path in zip(
        "lerpdso", ("/live", "/events", "/review", "/policy", "/ledger", "/settings", "/"), strict=True
    ):
        page.keyboard.press("g")
        with page.expect_navigation():
            page.keyboard.press(key)
        assert page.url.removeprefix(up.url) == path


OFFERED = """() => [...document.querySelectorAll("main h1, main h2, main h3, main button, main a, main label")]
  .filter((one) => one.checkVisibility({visibilityProperty: true}) && !one.closest("td")).map((one) => one.innerText)"""


@pytest.mark.parametrize("path", ["/", "/live", "/events", "/review", "/policy", "/ledger", "/settings"])
def test_twice_the_size_loses_nothing(path: str, up: Scene, page: Page) -> None:
    """200 % zoom of a window of 1440 pixels is a window of 720. Less of a table's row fits; its event has the rest."""
    page.goto(up.url + path)
    offered = set(page.evaluate(OFFERED))
    page.set_viewport_size({"width": 720, "height": HEIGHT // 2})
    look(page)
    assert len(offered) > 3 and offered - set(page.evaluate(OFFERED)) == set()


@pytest.fixture
def plain(up: Scene, day: Day, opened: Contexts) -> Page:
    """A browser that runs no JavaScript."""
    context, _ = opened(up.url, java_script_enabled=False)
    return up.signed_in(context, KEEPER, *Role).new_page()


def test_without_javascript_a_link_signs_in(up: Scene, opened: Contexts) -> None:
    context, _ = opened(up.url, java_script_enabled=False)
    page = context.new_page()
    token = up.home.accounts.link(up.account(KEEPER, *Role).person, by="")
    page.goto(f"{up.url}/sign-in/{token}")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Your account")


def test_without_javascript_pages_and_filters_work(up: Scene, day: Day, plain: Page) -> None:
    for path in ("/", "/live", "/events", "/review", "/policy", "/ledger", "/settings", "/mine", "/account"):
        answer = plain.goto(up.url + path)
        assert answer is not None and answer.status == 200
        assert plain.get_by_role("heading", level=1).inner_text()
    plain.goto(up.url + "/events")
    plain.get_by_label("Search events").first.fill("action:redact")
    with plain.expect_navigation():
        plain.get_by_label("Search events").first.press("Enter")
    assert "action" in plain.url and day.exchanges["redact"] in plain.content()
    assert day.exchanges["allow"] not in plain.content()


def test_without_javascript_people_decide_and_correct(up: Scene, day: Day, plain: Page) -> None:
    held = up.ask(f"Book it to {another_iban(7)}.", "nils@example.org")
    plain.goto(f"{up.url}/review/{held.case}")
    plain.get_by_role("button", name="Open the text").click()
    expect(plain.locator("mark").first).to_be_visible()
    plain.get_by_role("button", name="Approve").click()
    expect(plain.get_by_role("status").first).to_contain_text("Approved")
    plain.goto(f"{up.url}/events/{day.exchanges['redact']}")
    plain.locator("summary", has_text="Was a mistake").click()
    plain.get_by_role("button", name="It was a mistake").click()
    expect(plain.get_by_role("main")).to_contain_text("a mistake")
    plain.goto(f"{up.url}/policy/no-secrets-out")
    box = plain.locator("textarea[name=text]")
    box.fill(box.input_value().replace("then: redact", "then: block"))
    plain.get_by_role("button", name="Save…").click()
    expect(plain.get_by_label("Type no-secrets-out to save")).to_be_visible()
