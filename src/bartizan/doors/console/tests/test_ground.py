"""Who gets in, and what every answer carries."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from running_console import Browser, RunningConsole, console

from bartizan.doors.console.process import ways
from bartizan.doors.console.routes import Needs
from bartizan.vault.accounts import Role


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningConsole]:
    with console(tmp_path_factory.mktemp("console") / "home") as running:
        yield running


def test_a_link_signs_in_once(up: RunningConsole) -> None:
    who = up.account("link@example.org", Role.VIEWER)
    token = up.console.accounts.link(who.person, by="")
    browser = up.browser()
    assert browser.get(f"/sign-in/{token}").status == 200  # Looking uses nothing up.
    assert browser.get(f"/sign-in/{token}").status == 200
    answer = browser.post(f"/sign-in/{token}")
    assert (answer.status, answer.headers["location"]) == (303, "/account?welcome=1")
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie and "samesite=strict" in cookie and "path=/" in cookie
    assert browser.get("/account").status == 200
    replayed = up.browser().post(f"/sign-in/{token}")
    assert replayed.status == 403 and "set-cookie" not in replayed.headers
    assert up.browser().post("/sign-in/" + "A" * len(token)).status == 403


def test_a_password_signs_in_after_it_was_set(up: RunningConsole) -> None:
    browser = up.browser(Role.VIEWER, name="password@example.org")
    password = "a lighthouse keeps its lamp"
    assert browser.post("/account/password", {"password": password, "again": "something else entirely"}).status == 400
    assert browser.post("/account/password", {"password": password, "again": password}).status == 303
    fresh = up.browser()
    wrong = fresh.post("/sign-in", {"name": "password@example.org", "password": "a lighthouse keeps its lamb"})
    assert wrong.status == 403 and "set-cookie" not in wrong.headers
    right = fresh.post("/sign-in", {"name": "password@example.org", "password": password, "next": "//evil.example"})
    assert (right.status, right.headers["location"]) == (303, "/")
    assert fresh.get("/account").status == 200
    fresh.get("/account")
    assert fresh.post("/sign-out").status == 303
    assert up.browser().get("/account", cookie=fresh.cookie).status == 303


def test_a_page_without_a_session_leads_to_the_door(up: RunningConsole) -> None:
    answer = up.browser().get("/account?welcome=1")
    assert (answer.status, answer.headers["location"]) == (303, "/sign-in?next=%2Faccount%3Fwelcome%3D1")
    # A link in a chat brings no session along (SameSite=Strict): the page is loaded once more, from here.
    assert b"refresh" in up.browser().get("/account", sec_fetch_site="cross-site").body


def test_another_host_name_is_not_answered(up: RunningConsole) -> None:
    assert up.browser(Role.ADMIN).get("/account", host="evil.example").status == 421
    assert up.browser(Role.ADMIN).get("/account", host=f"evil.example:{up.port}").status == 421
    assert up.browser(Role.ADMIN).get("/account", host=f"localhost:{up.port}").status == 200


def test_a_form_from_elsewhere_is_refused(up: RunningConsole) -> None:
    browser = up.browser(Role.ADMIN)
    token = browser.csrf
    for forged in (
        {"csrf": ""},
        {"csrf": "x" * len(token)},
        {"csrf": up.browser(Role.VIEWER, name="other@example.org").csrf},
    ):
        assert browser.post("/account/end-others", forged).status == 403
    assert browser.post("/account/end-others", origin="https://evil.example").status == 403
    assert browser.post("/account/end-others", sec_fetch_site="cross-site").status == 403
    assert browser.post("/account/end-others").status == 303


def test_every_answer_says_what_a_browser_may_do_with_it(up: RunningConsole) -> None:
    browser = up.browser(Role.VIEWER)
    for path in ("/account", "/sign-in", "/nowhere", "/c/" + "0" * 32):
        answer = browser.get(path)
        policy = answer.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; script-src 'self';") and "unsafe" not in policy
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"


def test_static_files_are_kept_by_their_content(up: RunningConsole) -> None:
    page = up.browser().get("/sign-in").text
    url = page.partition('rel="stylesheet" href="')[2].partition('"')[0]
    answer = up.browser().get(url, accept_encoding="gzip")
    assert answer.status == 200 and "immutable" in answer.headers["cache-control"]
    assert answer.headers["content-encoding"] == "gzip"
    assert up.browser().get("/static/../app.py").status == 404
    assert up.browser().get("/static/%2e%2e/app.py").status == 404


def path_of(path: str) -> str:
    """A path with something in the place of each name."""
    out = path
    while "{" in out:
        before, _, rest = out.partition("{")
        out = before + "0" * 32 + rest.partition("}")[2]
    return out


@pytest.mark.parametrize("way", [way for way in ways() if isinstance(way.needs, Role)], ids=lambda w: w.method + w.path)
def test_nobody_gets_in_by_knowing_a_path(up: RunningConsole, way: object) -> None:
    """Every path that needs a role refuses everybody else: by session and by token."""
    path = path_of(way.path)
    send = Browser.get if way.method == "GET" else Browser.post
    assert send(up.browser(), path).status == 303
    without = set(Role) - {way.needs} if way.needs is not Role.VIEWER else set()
    others = up.browser(*without, name=f"without-{way.needs}@example.org")
    assert send(others, path).status == 403
    person = up.account(f"without-{way.needs}@example.org").person
    if way.stream is None:
        id_, token = up.console.accounts.add_token(person, "test", 1)
        assert others.api(way.method, path, token, {} if way.method == "POST" else None).status == 403
        assert others.api(way.method, path, "bz-a-" + "0" * 43).status == 401
        assert others.api(way.method, path, "").status == 401
        up.console.accounts.end_token(id_, by="")


def test_a_disabled_account_is_out_at_once(up: RunningConsole) -> None:
    browser = up.browser(Role.VIEWER, name="leaver@example.org")
    token = up.console.accounts.add_token(up.account("leaver@example.org").person, "test", 1)[1]
    assert browser.get("/account").status == 200
    up.account("admin@example.org", Role.ADMIN)
    up.console.accounts.disable(up.account("leaver@example.org").person, by="")
    assert browser.get("/account").status == 303
    assert browser.api("GET", "/mine", token).status == 401


def test_too_large_a_form_is_not_read(up: RunningConsole) -> None:
    browser = up.browser(Role.VIEWER)
    assert browser.post("/account/password", {"password": "x" * 300_000}).status == 413
    assert browser.post("/account/password", {f"f{n}": "x" for n in range(1000)}).status == 400


def test_ways_differ() -> None:
    """No two pages share a path, and every role asked for is one."""
    paths = [(way.method, way.path) for way in ways()]
    assert len(paths) == len(set(paths))
    assert all(isinstance(way.needs, (Role, Needs)) for way in ways())


def test_home_is_reachable(up: RunningConsole, tmp_path: Path) -> None:
    assert (up.home.path / "log-console.1.sqlite").exists()
