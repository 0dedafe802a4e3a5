"""Whoever sends a prompt, names a model or gives a reason writes on our pages. None of it runs, loads or leads away."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from urllib.parse import quote

import pytest
from ai_in_use import CANDIDATE, asked_for, decided, told
from browsing import Contexts, look, press
from playwright.sync_api import Page
from scene import Scene, scene
from values import another_iban, aws_key

from bartizan.vault.accounts import Role

XSS = (
    "<script>window.pwned=1</script>",
    "<img src=x onerror=window.pwned=1>",
    '"><svg onload=window.pwned=1>',
    "'-window.pwned-'",
    "</textarea><script>window.pwned=1</script>",
    "javascript:window.pwned=1",
    "{{ 7*7 }}{% raw %}",
    "<a href=https://evil.example>click</a>",
    "<!--",
    "]]><style>*{display:none}</style>",
)
# All of them in one, and those that need the first place in what they are put into.
PLACED = ("".join(XSS), XSS[3], XSS[5], XSS[8])
BIDI = "\u202eevil\u2066\u2069\u200f abc \u05d0\u05d1\u05d2 \u061c"
HIDDEN = "zero\u200b\u200b\u200bwidth \U000e0049\U000e0067 \x00 \x1b[31m \ud800".encode("utf-8", "replace").decode()
ALL = "all@example.org"


@pytest.fixture(scope="module")
def up(chromium: object, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with scene(tmp_path_factory.mktemp("hostile")) as one:
        yield one


@pytest.fixture
def page(up: Scene, opened: Contexts) -> Page:
    context, _ = opened(up.url)
    return up.signed_in(context, ALL, *Role).new_page()


def harmless(page: Page, up: Scene) -> None:
    """Nothing ran; nothing points elsewhere; the page fits. What else was loaded or said, the watch has heard."""
    look(page)
    assert page.evaluate("typeof window.pwned") == "undefined"
    away = page.evaluate(
        "[...document.querySelectorAll('[href],[src],[action]')].map(e => e.href || e.src || e.action)"
    )
    assert [url for url in away if isinstance(url, str) and not url.startswith(up.url)] == []


def views(page: Page) -> list[str]:
    links = page.locator("nav.tabs").first.get_by_role("link")
    return [str(url) for url in links.evaluate_all("found => found.map((one) => one.href)")]


def test_a_prompt_full_of_markup_is_shown_as_text(up: Scene, page: Page) -> None:
    prompt = f"{' '.join(XSS)}\n{BIDI}\n{HIDDEN}\nkey {aws_key()} {'W' * 3000}"
    reply = up.ask(prompt, "x@example.org")
    up.seen(reply.exchange)
    page.goto(f"{up.url}/events/{reply.exchange}")
    press(page.get_by_role("button", name="Open the text").first)
    text = page.locator(".evid .text").first
    for one in XSS:
        assert one in text.inner_text()
    assert "zero-width space" in text.inner_text() and "\u202e" not in text.inner_text()
    for url in views(page):
        page.goto(url)
        harmless(page, up)


def test_names_of_models_and_threads_are_not_markup(up: Scene, page: Page) -> None:
    for one in XSS[:4]:
        up.ask(f"hello {aws_key()}", "x@example.org", metadata={one: one}, prompt_cache_key=one)
    last = up.ask(f"hello {aws_key()}", "x@example.org", tools=[{"type": "function", "function": {"name": XSS[0]}}])
    up.seen(last.exchange)
    for path in ("/", "/live", "/events", f"/events?q={quote('risk:secret.*')}", "/events?group=1"):
        page.goto(up.url + path)
        harmless(page, up)


def test_names_of_people_programs_and_keys_are_not_markup(up: Scene, page: Page) -> None:
    user = f"{XSS[1]} \u05d0\u05d1\u05d2@example.org"
    key = up.key(user, name='k"><script>window.pwned=1</script>', groups=("<b>g</b>",), app='<i onclick="x">')
    assert key
    up.account(f"{XSS[2]}@example.org", Role.VIEWER)
    held = up.ask(f"Pay {another_iban(1)} now", user)
    up.seen(held.exchange)
    pseudonym = up.home.vault.pseudonym(user)
    for path in ("/", "/events", "/review", f"/people/{pseudonym}", "/settings/keys", "/settings/accounts", "/ledger"):
        page.goto(up.url + path)
        harmless(page, up)
    page.goto(f"{up.url}/people/{pseudonym}")
    press(page.get_by_role("button", name="name").first)
    harmless(page, up)


def test_reasons_notes_and_searches_are_not_markup(up: Scene, opened: Contexts, page: Page) -> None:
    held = up.ask(f"Pay {another_iban(2)} on Monday", "y@example.org")
    up.seen(held.exchange)
    stranger, _ = opened(up.url)
    link = stranger.new_page()
    link.goto(held.link)
    link.get_by_role("textbox").fill(f"{XSS[0]} {BIDI}")
    press(link.get_by_role("button", name="Add it"))
    harmless(link, up)
    page.goto(f"{up.url}/review/{held.case}")
    press(page.get_by_role("button", name="Open the text"))
    assert XSS[0] in page.get_by_role("main").inner_text()
    harmless(page, up)
    page.get_by_label("A note to the person").fill(XSS[1])
    press(page.get_by_role("button", name="Refuse"))
    link.reload()
    assert XSS[1] in link.get_by_role("main").inner_text()
    harmless(link, up)
    page.goto(f"{up.url}/events/{held.exchange}")
    page.keyboard.press("m")
    page.get_by_label("What should whoever writes the policy know?").fill(XSS[0])
    page.get_by_label("A text that should pass").fill(XSS[1])
    press(page.get_by_role("button", name="It was a mistake"))
    harmless(page, up)
    page.goto(f"{up.url}/policy/accounts-need-approval")
    press(page.get_by_role("button", name="Open the text").first)
    assert XSS[1] in page.get_by_role("main").inner_text()
    harmless(page, up)


def test_what_sources_and_people_say_of_ai_is_not_markup(up: Scene, opened: Contexts, page: Page) -> None:
    """Every text of the register at its worst, past what its own fields would refuse."""
    now_us, state = time.time_ns() // 1000, up.home.state
    told(up.home, now_us)
    decided(up.home, now_us)
    exception = asked_for(up.home, now_us, who=f"{XSS[0]}@example.org")
    worst = f"{XSS[1]}{BIDI}{HIDDEN.replace(chr(0), '')}{XSS[4]}{'W' * 10_000}"
    texts = ("name", "vendor", "category", "owner", "purpose", "legal_basis", "oversight", "retention", "instructions")
    for column in texts:
        state.change(f"UPDATE system SET {column} = ? WHERE id != 'gemini'", (worst,))
    state.change("UPDATE system SET name = ? WHERE id = 'gemini'", (f"\u202e{XSS[2]}",))
    state.change("UPDATE system SET data_classes = ?, data_seen = ?", (worst, json.dumps([XSS[0], worst])))
    state.change("UPDATE usage_source SET origin = ? || id, format = ?", (worst, XSS[3]))
    state.change("UPDATE use_exception SET who_kind = 'group', who = ? WHERE id = ?", (worst, exception.id))
    paths = ("/", "/review", "/use", "/use?show=all&q=" + quote(XSS[0]), "/use/deepseek", "/use/gemini",
             f"/use/{CANDIDATE}", "/use/restriction", "/use/restriction?hosts=" + quote(" ".join(XSS)),
             "/use/names?person=" + quote(XSS[2]))  # fmt: skip
    for path in paths:
        answer = page.goto(up.url + path)
        assert answer is not None and answer.status == 200, path
        assert len(answer.body()) <= 150_000, path
        for width in (390, 1440):
            page.set_viewport_size({"width": width, "height": 1000})
            harmless(page, up)
    stranger, _ = opened(up.url)
    stopped = stranger.new_page()
    stopped.goto(f"{up.url}/coach/deepseek")
    assert XSS[1] in stopped.get_by_role("main").inner_text()
    harmless(stopped, up)


@pytest.mark.parametrize("one", PLACED)
def test_what_stands_in_an_address_is_not_markup(one: str, up: Scene, opened: Contexts) -> None:
    context, watch = opened(up.url)
    page = up.signed_in(context, ALL, *Role).new_page()
    with watch.meant(400, 404):
        for path in ("/events?q={}", "/events/{}", "/review/{}", "/policy/{}", "/people/{}", "/{}", "/sign-in?next={}",
                     "/use/{}", "/use?q={}", "/use/restriction?hosts={}", "/coach/{}"):  # fmt: skip
            page.goto(up.url + path.format(quote(one, safe="")))
            harmless(page, up)


def test_ten_megabytes_are_a_page_like_any_other(up: Scene, page: Page) -> None:
    line = "a line of a very long text that somebody pasted, with nothing in it\n"
    big = line * (10 * 1024 * 1024 // len(line)) + f"and a key {aws_key()} at its end"
    reply = up.ask(big, "z@example.org")
    assert reply.status == 200
    up.seen(reply.exchange)
    page.goto(f"{up.url}/events/{reply.exchange}")
    press(page.get_by_role("button", name="Open the text").first)
    assert page.locator("mark").count() >= 1
    for url in views(page):
        answer = page.goto(url)
        assert answer is not None and len(answer.body()) <= 100_000
        harmless(page, up)
