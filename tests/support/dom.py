"""A piece of a page as a browser reads it: its text, what stands in chips, and which tags and attributes there are."""

from __future__ import annotations

import re
from html.parser import HTMLParser

from markupsafe import Markup

from bartizan.doors.console.visible import HIDDEN

NOTHING = re.compile(rf"[{HIDDEN}]")


class Dom(HTMLParser):
    """The text of a page beside its chips, the chips' own, and every tag and attribute there is."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.text, self.chips, self.tags, self.depth = "", "", set(), 0
        self.attributes = set()

    def handle_starttag(self, tag, attrs) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        if self.depth or "hid" in dict(attrs).get("class", "").split():
            self.depth += 1

    def handle_endtag(self, tag) -> None:
        self.depth -= bool(self.depth)

    def handle_data(self, data) -> None:
        if self.depth:
            self.chips += data
        else:
            self.text += data


def dom(made: Markup) -> Dom:
    made.encode()  # A page is UTF-8: no half of a pair may be left.
    parser = Dom()
    parser.feed(str(made))
    parser.close()
    return parser


def plain(text: str) -> str:
    """Without what a chip stands for."""
    return NOTHING.sub("", text.replace("\r\n", "\n"))
