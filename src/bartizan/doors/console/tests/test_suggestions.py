"""The search box suggests fields and frequent values, as a plain list that needs no script."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from html import unescape
from pathlib import Path
from urllib.parse import quote

import pytest
from running_console import Browser, RunningConsole, console

from bartizan.doors.console.suggesting import terms
from bartizan.events import Filter
from bartizan.vault.accounts import Role

MODEL, EVIL = "gpt-4o", '"><script>alert(1)</script> "x'


@pytest.fixture
def up(tmp_path: Path) -> Iterator[RunningConsole]:
    with console(tmp_path / "home") as running:
        yield running


def until(holds: Callable[[], object]) -> None:
    deadline_s = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < deadline_s


def suggested(browser: Browser, path: str = "/") -> list[str]:
    page = browser.get(path).text
    assert 'list="suggested"' in page and "<script>alert" not in page
    (found,) = re.findall(r'<datalist id="suggested">(.*?)</datalist>', page, re.DOTALL)
    return [unescape(one) for one in re.findall(r'<option value="([^"]*)"></option>', found)]


def test_fields_and_what_is_frequent_are_suggested(up: RunningConsole) -> None:
    browser = up.browser(Role.VIEWER)
    assert {"action:block", "after:1h", "model:", "who:"} <= set(suggested(browser))
    told = {
        "action": "block", "app": EVIL, "clauses": ["no-cards"], "direction": "out", "door": "gateway", "kind": "chat",
        "exchange": "X1", "side": "request", "target": {"model": MODEL}, "when_us": 1,
    }  # fmt: skip
    up.console.record(told)
    until(lambda: f"model:{MODEL}" in suggested(browser))
    found = suggested(browser)
    assert "clause:no-cards" in found and "model:" not in found
    (app,) = (one for one in found if one.startswith("app:"))
    assert Filter.parse(app, 1).values("app") == (EVIL,)
    after = suggested(browser, "/events?q=action:block")
    assert f"action:block model:{MODEL}" in after and all(one.startswith("action:block ") for one in after)
    assert suggested(browser, "/events?q=" + quote("x" * 900)) == found, "what is long is not repeated sixty times"


def test_every_suggestion_is_a_filter() -> None:
    for term in terms({"who": (("p-" + "0" * 20, 3),), "app": (("a b", 1), ("\u202eodd", 1), ("x" * 200, 1))}):
        if not term.endswith(":"):
            assert Filter.parse(term, 1_800_000_000_000_000).terms
    assert not any("odd" in term or "xxx" in term for term in terms({"app": (("\u202eodd", 1), ("x" * 200, 1))}))
