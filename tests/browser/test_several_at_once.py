"""The table of events by hand: columns, views under a name, rows chosen by keys and mouse, several judged at once."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from browsing import AXED, THEMES, Contexts, kept, pale, press, seen, violations
from playwright.sync_api import Page, expect
from scene import Scene, scene
from values import aws_key

from bartizan.cases.feedback import Feedback
from bartizan.vault.accounts import Role

ANALYST = "analyst@example.org"
NAME = "<img src=x onerror=window.pwned=1> \u202eweek \u200b\u200b"


@pytest.fixture(scope="module")
def up(chromium: object, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with scene(tmp_path_factory.mktemp("several")) as one:
        for n in range(9):
            reply = one.ask(f"{n}: is {aws_key()} a good key?", "tom@example.org")
        one.ask("What is the capital of France?")
        one.seen(reply.exchange)
        yield one


@pytest.fixture
def page(up: Scene, opened: Contexts) -> Page:
    context, _ = opened(up.url)
    return up.signed_in(context, ANALYST, Role.ANALYST).new_page()


@pytest.fixture
def plain(up: Scene, opened: Contexts) -> Page:
    """A browser that runs no JavaScript. One test asks for what cannot be."""
    context, watch = opened(up.url, java_script_enabled=False)
    watch.statuses.add(400)
    return up.signed_in(context, ANALYST, Role.ANALYST).new_page()


def ticked(page: Page) -> list[int]:
    """Which rows are chosen, from the top."""
    boxes = page.locator("td.k-pick input")
    return [int(n) for n in boxes.evaluate_all("all => all.flatMap((one, n) => one.checked ? [n] : [])")]


def examine(page: Page, name: str) -> None:
    """As it stands: narrow and wide, light and dark."""
    for theme, width in seen(page, (("light", 1440), ("dark", 1440), ("dark", 390), ("light", 390))):
        kept(page, f"several-{name}-{theme}-{width}")
        assert pale(page) == [], (name, theme, width)
        if (theme, width) in AXED:
            assert violations(page, theme == THEMES[1]) == [], (name, theme, width)


def test_keys_alone_choose_rows_preview_and_confirm(up: Scene, page: Page) -> None:
    page.goto(f"{up.url}/events?q=action:redact")
    bar = page.locator("#picked")
    expect(page.get_by_role("button", name="Confirm…")).to_be_disabled()
    page.keyboard.press("x")  # No row is under the cursor yet.
    assert ticked(page) == []
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("x")
    expect(bar).to_have_text("1 event chosen.")
    for _ in range(3):
        page.keyboard.press("j")
    page.keyboard.press("Shift+X")
    assert ticked(page) == [1, 2, 3, 4]
    page.keyboard.press("k")
    page.keyboard.press("x")
    assert ticked(page) == [1, 2, 4]
    expect(bar).to_have_text("3 events chosen.")
    with page.expect_navigation():
        page.keyboard.press("c")
    expect(page.get_by_role("heading", level=1)).to_have_text("3 decisions would be called right.")
    examine(page, "preview")
    for _ in range(60):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.innerText") == "Confirm 3 events":
            break
    with page.expect_navigation():
        page.keyboard.press("Enter")
    expect(page.locator("#said")).to_contain_text("3 events confirmed.")
    assert page.url == f"{up.url}/events?q=action%3Aredact"
    with page.expect_navigation():
        page.locator("td.k-risk a").nth(1).press("Enter")
    expect(page.get_by_role("main")).to_contain_text("says it was right")


def test_shift_and_the_mouse_choose_a_range(up: Scene, page: Page) -> None:
    page.goto(f"{up.url}/events?q=action:redact")
    boxes = page.locator("td.k-pick input")
    boxes.nth(1).click()
    boxes.nth(4).click(modifiers=["Shift"])
    assert ticked(page) == [1, 2, 3, 4]
    boxes.nth(3).click()
    boxes.nth(1).click(modifiers=["Shift"])  # As the one that was clicked is now: not chosen.
    assert ticked(page) == [4]
    page.locator("td.k-pick").nth(6).click(position={"x": 4, "y": 4})  # Beside its box.
    assert ticked(page) == [4, 6]
    page.keyboard.press("j")  # A box that has the focus takes no key from the page.
    page.keyboard.press("x")
    assert 0 in ticked(page)
    page.get_by_label("Choose all on this page").check()
    assert len(ticked(page)) == boxes.count()
    page.get_by_label("Choose all on this page").uncheck()
    assert ticked(page) == []
    page.get_by_label("of this view").check()
    expect(page.locator("#picked")).to_have_text("The whole view is chosen.")
    examine(page, "chosen")


def test_a_mistake_is_noted_of_several_and_somebody_takes_them_on(up: Scene, page: Page) -> None:
    page.goto(f"{up.url}/events")
    page.get_by_label("of this view").check()
    press(page.get_by_role("button", name="Was a mistake…"))
    expect(page.get_by_role("main")).to_contain_text("nothing was stopped or changed there")
    page.get_by_label("What should whoever writes the policy know?").fill("They are examples of a manual.")
    press(page.get_by_role("button", name="Call 9 events a mistake"))
    expect(page.locator("#said")).to_contain_text("9 events noted as a mistake")
    page.locator("td.k-pick input").first.check()
    press(page.get_by_role("button", name="Assign to me…"))
    press(page.get_by_role("button", name="Take on 1 event"))
    expect(page.locator("#said")).to_contain_text("You look after 1 event.")
    said = Feedback(up.home.state, up.home.vault, up.home.record)
    assert len(said.of(ANALYST)) == 1


def test_without_javascript_rows_are_chosen_all_the_same(up: Scene, plain: Page) -> None:
    plain.goto(f"{up.url}/events?q=action:redact")
    plain.locator("td.k-pick input").nth(0).check()
    plain.locator("td.k-pick input").nth(2).check()
    plain.get_by_role("button", name="Assign to me…").click()
    expect(plain.get_by_role("heading", level=1)).to_contain_text("You would look after")
    plain.get_by_role("button", name="Take on").click()
    expect(plain.locator("#said")).to_contain_text("You look after")
    plain.get_by_role("button", name="Confirm…").click()  # Nothing is chosen.
    expect(plain.get_by_role("main")).to_contain_text("choose the events first")


def test_columns_are_chosen_without_javascript_and_stay(up: Scene, plain: Page) -> None:
    plain.goto(f"{up.url}/events?q=action:redact")
    plain.locator("summary", has_text="Columns").click()
    for title in ("Model", "Severity", "Who"):
        plain.get_by_role("checkbox", name=title, exact=True).uncheck()
    plain.get_by_role("checkbox", name="Door", exact=True).check()
    plain.get_by_role("button", name="Show these").click()
    assert plain.url == f"{up.url}/events?q=action%3Aredact&columns=time,action,risk,clause,door"
    heads = plain.locator("th:not(.k-pick)").all_inner_texts()
    assert heads == ["Time", "Decision", "What was seen", "Clause", "Door"]
    plain.get_by_label("Search events").fill("action:allow")
    plain.get_by_label("Search events").press("Enter")
    expect(plain.locator("th:not(.k-pick)")).to_have_count(5)
    plain.locator("summary", has_text="Columns").click()
    plain.get_by_role("link", name="The usual ones").click()
    assert plain.url == f"{up.url}/events?q=action%3Aallow"


def test_every_column_fits_a_phone_and_a_wide_page(up: Scene, page: Page) -> None:
    page.goto(f"{up.url}/events?columns=time,action,who,clause,model,app,door,provider,kind,key,group,policy,id,said")
    examine(page, "columns")
    page.locator("summary", has_text="Columns").click()
    examine(page, "chooser")


def test_a_view_gets_a_name_is_opened_deleted_and_put_back(up: Scene, page: Page) -> None:
    page.goto(f"{up.url}/events?q=action:redact&columns=time,risk,door&group=1")
    page.locator("summary", has_text="Saved views").click()
    page.get_by_label("Save this view as").fill(NAME)
    press(page.get_by_role("button", name="Save", exact=True))
    expect(page.locator("#said")).to_contain_text("Saved")
    page.goto(f"{up.url}/events")
    page.locator("summary", has_text="Saved views").click()
    examine(page, "menu")
    link = page.locator(".take .menu a").filter(has_text="onerror")
    expect(link).to_contain_text("right-to-left override")
    press(link)
    assert page.url == f"{up.url}/events?q=action%3Aredact&columns=time,risk,door&group=1"
    page.goto(f"{up.url}/events/views")
    examine(page, "views")
    press(page.get_by_role("button", name="Delete"))
    expect(page.locator("#yours")).to_have_text("0 views of yours")
    examine(page, "deleted")
    press(page.get_by_role("button", name="Put back"))
    expect(page.locator("#yours")).to_have_text("1 view of yours")
    assert page.evaluate("typeof window.pwned") == "undefined"
