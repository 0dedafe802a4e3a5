"""The picture in README: the Overview after a day of work. SCREENSHOTS=docs/images makes it anew."""

from __future__ import annotations

import os
from pathlib import Path

from browsing import Contexts, press, until
from playwright.sync_api import expect
from scene import POLICY, ordinary, scene
from yesterday import worked

from bartizan.doors.gateway.demo import PEOPLE
from bartizan.vault.accounts import Role

MOST_BYTES = 300_000


def test_the_overview_after_a_day(tmp_path: Path, opened: Contexts) -> None:
    folder = os.environ.get("SCREENSHOTS")
    worked(tmp_path / "home", POLICY, 2400 if folder else 300)
    with scene(tmp_path) as up:
        for name, group, app in PEOPLE:
            up.key(name, groups=(group,), app=app)
        day = ordinary(up)
        up.seen(day.exchanges["two"])
        context, _ = opened(up.url, viewport={"width": 1440, "height": 1010})
        page = up.signed_in(context, "alex@example.org", *Role).new_page()
        page.goto(up.url + "/ledger")
        press(page.get_by_role("button", name="Verify now"))
        until(lambda: "Ledger verified" in (page.goto(up.url + "/") or page).text(), "a ledger that was verified")
        expect(page.locator("p.say").first).to_contain_text("need you")
        file = Path(folder or tmp_path) / "console-overview.png"
        page.screenshot(path=str(file))
        assert 20_000 < file.stat().st_size < MOST_BYTES
