"""A real browser in tests: where it is, what it must never say or do, and what holds for every page it shows."""

from __future__ import annotations

import os
import re
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Dialog,
    Locator,
    Page,
    Playwright,
    Request,
    WebError,
    expect,
)

NAMES = ("chromium", "chromium-browser", "google-chrome")
# Drawn in a process of its own a page costs a tenth more, and looks the same.
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--in-process-gpu",
    "--disable-background-networking",
    "--disable-dev-shm-usage",
)
THEMES = ("light", "dark")
WIDTHS = (390, 820, 1440, 1920)
HEIGHT = 1000
WAIT_S = 15.0
# How Chromium tells of a page or a file whose status is an error. The page itself is what is looked at then.
_STATUS = re.compile(r"Failed to load resource: the server responded with a status of (\d{3})")


def executable() -> str | None:
    """The browser to test with; None where there is none. $CHROMIUM, where set, is the one, there or not.

    No variable of tests begins with BARTIZAN_: those are settings, and one that is unknown is a mistake.
    """
    return os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)


def started(playwright: Playwright) -> Browser:
    """That browser, without a window."""
    return playwright.chromium.launch(executable_path=executable(), args=list(FLAGS))


@dataclass
class Watch:
    """What pages of one context said and asked for that no page of ours should: the console (a report of the
    Content-Security-Policy is one of its messages), errors, dialogs, and requests to anybody else."""

    context: BrowserContext
    origin: str
    heard: list[str] = field(default_factory=list)
    statuses: set[int] = field(default_factory=set)  # of errors that are meant to be

    def __post_init__(self) -> None:
        self.context.on("console", self._console)
        self.context.on("weberror", self._error)
        self.context.on("dialog", self._dialog)
        self.context.on("request", self._request)

    def quiet(self) -> None:
        """Nothing was heard since the last time."""
        heard, self.heard = self.heard, []
        assert not heard, "\n".join(heard)

    @contextmanager
    def meant(self, *statuses: int) -> Iterator[None]:
        """Pages that answer with these statuses are part of the test."""
        self.statuses |= set(statuses)
        yield
        self.statuses -= set(statuses)

    def _console(self, message: ConsoleMessage) -> None:
        found = _STATUS.match(message.text)
        if found is None or int(found[1]) not in self.statuses:
            self.heard.append(f"console {message.type}: {message.text} at {message.location.get('url', '')}")

    def _error(self, error: WebError) -> None:
        self.heard.append(f"error: {error.error}")

    def _dialog(self, dialog: Dialog) -> None:
        self.heard.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def _request(self, request: Request) -> None:
        parts = urlsplit(request.url)
        if f"{parts.scheme}://{parts.netloc}" != self.origin:
            self.heard.append(f"request to {request.url[:200]}")


Contexts = Callable[..., tuple[BrowserContext, Watch]]

# ---- What holds for every page --------------------------------------------------------------------------------------

_LOOK = """() => {
  const wide = document.documentElement.scrollWidth, all = (query) => [...document.querySelectorAll(query)];
  const seen = (one) => one.checkVisibility({visibilityProperty: true});
  const ids = all("[id]").map((one) => one.id);
  const sticks = wide <= innerWidth ? [] : all("main *").filter((one) =>
    one.getBoundingClientRect().right > innerWidth + 1 && !one.closest(".scroll, svg")
  ).slice(0, 5).map((one) => one.outerHTML.slice(0, 120));
  return {
    wide, sticks,
    mains: all("main").length,
    headings: all("h1").filter(seen).length,
    named: all("nav").every((one) => one.ariaLabel || one.getAttribute("aria-labelledby")),
    title: document.title, lang: document.documentElement.lang,
    doubled: ids.filter((id, at) => ids.indexOf(id) !== at),
    inline: all("[style]:not([style='']), body script:not([src]), body style, [onclick], [onerror], [onload], [hx-on]")
      .concat(all("a[href^='java']")).map((one) => one.outerHTML.slice(0, 120)),
    pwned: window.__pwned ?? null,
  };
}"""


def look(page: Page) -> None:
    """One page, one width: fits, has one main part and one heading, a title, and nothing inline; ids are unique."""
    found: dict[str, Any] = page.evaluate(_LOOK)
    width = page.viewport_size["width"] if page.viewport_size else 0
    assert found["wide"] <= width, f"{page.url} is {found['wide']} wide at {width}: {found['sticks']}"
    assert (found["mains"], found["headings"], found["named"]) == (1, 1, True), (page.url, found)
    assert found["title"].strip(" ·") and found["lang"] == "en", (page.url, found)
    assert (found["doubled"], found["inline"], found["pwned"]) == ([], [], None), (page.url, found)


# A theme changes colours alone (there is a test of that), and what is seen at any width is seen where the layout is
# folded or where it is not: dark at these two. Each step changes one thing: laying out anew costs more than looking.
LOOKS = (("light", 820), ("light", 390), ("dark", 390), ("dark", 1440), ("light", 1440), ("light", 1920))
LIGHT = tuple(("light", width) for width in WIDTHS)


def seen(page: Page, looks: Sequence[tuple[str, int]] = LOOKS) -> Iterator[tuple[str, int]]:
    """The page in one theme and width after another, beginning at that end at which it stands."""
    at_end = page.viewport_size is not None and page.viewport_size["width"] == looks[-1][1]
    before = ""
    for theme, width in reversed(looks) if at_end else looks:
        page.set_viewport_size({"width": width, "height": HEIGHT})
        if theme != before:
            page.emulate_media(color_scheme=theme)
            expect(page.locator("html")).to_have_attribute("data-theme", theme)
        before = theme
        look(page)
        yield theme, width


# Colours as they are painted one over the other, from every text that is seen to the ground it stands on.
_PALE = r"""() => {
  const pen = document.createElement("canvas").getContext("2d", {willReadFrequently: true});
  const known = new Map(), grounds = new Map(), seen = new Set(), found = [];
  const rgba = (css) => {
    if (!known.has(css)) {
      pen.clearRect(0, 0, 1, 1); pen.fillStyle = css; pen.fillRect(0, 0, 1, 1);
      const [r, g, b, a] = pen.getImageData(0, 0, 1, 1).data;
      known.set(css, [r, g, b, a / 255]);
    }
    return known.get(css);
  };
  const over = (top, under) => [0, 1, 2].map((n) => top[n] * top[3] + under[n] * (1 - top[3]));
  const ground = (one) => {
    if (!one) return rgba("canvas");
    if (!grounds.has(one))
      grounds.set(one, over(rgba(getComputedStyle(one).backgroundColor), ground(one.parentElement)));
    return grounds.get(one);
  };
  const light = (colour) => [.2126, .7152, .0722].reduce((sum, share, n) => {
    const part = colour[n] / 255;
    return sum + share * (part <= .04045 ? part / 12.92 : ((part + .055) / 1.055) ** 2.4);
  }, .05);
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const one = texts.currentNode.parentElement;
    if (seen.has(one) || !texts.currentNode.data.trim()) continue;
    seen.add(one);
    if (!one.checkVisibility({visibilityProperty: true}) || one.closest(":disabled, svg, option")) continue;
    const style = getComputedStyle(one), size = parseFloat(style.fontSize), under = ground(one);
    const [more, less] = [light(over(rgba(style.color), under)), light(under)].sort((a, b) => b - a);
    const least = size >= 24 || (size >= 18.66 && style.fontWeight >= 700) ? 3 : 4.5;
    if (more / less < least - .01) found.push(`${(more / less).toFixed(2)}: ${one.outerHTML.slice(0, 160)}`);
  }
  return found.slice(0, 5);
}"""


def pale(page: Page) -> list[str]:
    """Texts with too little contrast to what is behind them (WCAG 2.2, 1.4.3), as "ratio: element".

    axe-core looks for the same and sees more, like what lies over a text, at twenty times the cost.
    """
    return [str(line) for line in page.evaluate(_PALE)]


# `preload` fetches style sheets anew, for rules that we do not ask for. Of the result we need no more than the lines.
_AXE = """(contrast) => axe.run(document,
    {resultTypes: ["violations"], preload: false, rules: {"color-contrast": {enabled: contrast}}})
  .then((found) => found.violations.flatMap((one) => one.nodes.slice(0, 4).map((node) =>
  `${one.id}: ${node.html.slice(0, 160)} (${node.failureSummary.slice(0, 200)})`)))"""


# It takes half a second: where the layout is folded, where it is not. Of contrast, `pale` tells in light.
AXED = (("light", 390), ("dark", 1440))


def violations(page: Page, contrast: bool = True) -> list[str]:
    """What axe-core finds, as "rule: element"; with or without its look at contrast, which is half of its work."""
    if page.evaluate("typeof axe") == "undefined":  # Half a megabyte: once for each page that is loaded.
        page.evaluate(AXE_SCRIPT)
    return [str(line) for line in page.evaluate(_AXE, contrast)]


def press(button: Locator) -> None:
    """Click what leads to a page, and wait until it is there: what is looked at next is not the one before."""
    with button.page.expect_navigation():
        button.click()


def kept(page: Page, name: str) -> None:
    """A picture of the whole page in $SCREENSHOTS, where somebody wants to look at them."""
    if folder := os.environ.get("SCREENSHOTS"):
        page.screenshot(path=str(Path(folder) / f"{name}.png"), full_page=True)


def until(found: Callable[[], object], what: str, within_s: float = WAIT_S) -> None:
    """Wait for something that is not in the browser."""
    end = time.monotonic() + within_s
    while not found():
        assert time.monotonic() < end, f"not within {within_s:g} s: {what}"
        time.sleep(0.02)
