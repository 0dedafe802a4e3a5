"""The picture in README is the Overview after a busy hour. TEST_SCREENSHOTS=docs/images makes it anew."""

from __future__ import annotations

import os
from pathlib import Path

from browsing import Contexts, kept
from scene import ordinary, scene

from bartizan.doors.gateway import demo
from bartizan.vault.accounts import Role

MOST_BYTES = 300_000


def test_the_overview_after_a_busy_hour(tmp_path: Path, opened: Contexts) -> None:
    with scene(tmp_path) as up:
        for n in range(60):
            for m, (name, group, app) in enumerate(demo.PEOPLE):
                key = up.key(name, groups=(group,), app=app)
                texts = [demo.ERRANDS[(n * 5 + m * 7) % len(demo.ERRANDS)]]
                texts += [demo.SLIPS[(n + m) % len(demo.SLIPS)]()] if (n + m) % 6 == 0 else []
                for text in texts:
                    up.gateway.ask("POST", "/v1/judge", {"text": text}, key=key)
        day = ordinary(up)
        up.seen(day.exchanges["two"])
        context, _ = opened(up.url, viewport={"width": 1440, "height": 1010})
        page = up.signed_in(context, "mara@example.org", *Role).new_page()
        page.goto(up.url + "/")
        page.wait_for_load_state("networkidle")
        file = Path(os.environ.get("TEST_SCREENSHOTS") or tmp_path) / "console-overview.png"
        page.screenshot(path=str(file))
        assert 20_000 < file.stat().st_size < MOST_BYTES
        kept(page, "overview-busy")
