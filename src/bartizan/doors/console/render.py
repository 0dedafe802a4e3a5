"""Templates, and what every one of them may say."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from bartizan.doors.console.assets import Assets
from bartizan.doors.console.visible import visible
from bartizan.rules.risks import catalogue

if TYPE_CHECKING:
    from bartizan.doors.console.answers import Page
    from bartizan.doors.console.asked import Asked

OUTCOMES = {
    "allow": "Allowed",
    "warn": "Warned",
    "redact": "Redacted",
    "justify": "Reason asked",
    "review": "Held",
    "block": "Blocked",
}
SEVERITIES = ("info", "low", "medium", "high", "critical")
DISCIPLINES = {
    "securing-ai": "Securing AI",
    "ai-use": "Secure AI use",
    "ai-safety": "AI safety",
    "ai-for-security": "AI for security",
}
MINUTE_US, HOUR_US, DAY_US = 60_000_000, 3_600_000_000, 86_400_000_000


class Renderer:
    """The templates of the console, read once."""

    def __init__(self, assets: Assets) -> None:
        # Everything is escaped, whatever a template's name ends in. A name that nobody set is an error.
        self._jinja = Environment(
            loader=FileSystemLoader(Path(__file__).parent / "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        self._jinja.globals |= {
            "asset": assets.url,
            "OUTCOMES": OUTCOMES,
            "SEVERITIES": SEVERITIES,
            "DISCIPLINES": DISCIPLINES,
        }
        self._jinja.filters |= {
            "visible": visible,
            "counted": counted,
            "number": number,
            "stamp": stamp,
            "clock": clock,
            "iso": iso,
            "lasting": lasting,
            "size": size,
            "plural": plural,
            "risk_title": risk_title,
        }

    def part(self, name: str, values: dict[str, Any]) -> Markup:
        """A template on its own: what a page is made of, or a piece of it that changes."""
        return Markup(self._jinja.get_template(name).render(values))  # noqa: S704  Escaped by the template.

    def page(self, page: Page, asked: Asked, frame: dict[str, Any]) -> bytes:
        """A page as HTML. `frame` is what surrounds it."""
        template = self._jinja.get_template(page.template)
        values = {**frame, "asked": asked, "now_us": asked.now_us, "css": page.css, "js": page.js, **page.values}
        return template.render(values).encode("utf-8", "replace")


def iso(when_us: int) -> str:
    """UTC to the millisecond, for titles and machines."""
    return datetime.fromtimestamp(when_us / 1e6, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def clock(when_us: int, now_us: int) -> str:
    """The time for a table's cell: of today the clock, else the day with it."""
    when, now = (datetime.fromtimestamp(us / 1e6).astimezone() for us in (when_us, now_us))
    if when.date() == now.date():
        return when.strftime("%H:%M:%S")
    return when.strftime("%d %b %H:%M") if when.year == now.year else when.strftime("%d %b %Y")


def stamp(when_us: int) -> str:
    """Day and time in full, this machine's zone."""
    return datetime.fromtimestamp(when_us / 1e6).astimezone().strftime("%d %b %Y, %H:%M:%S")


def lasting(span_us: int) -> str:
    """How long something lasts, as people say it."""
    span_us = max(0, span_us)
    for unit_us, word, most in ((DAY_US, "day", 2), (HOUR_US, "hour", 2), (MINUTE_US, "minute", 1)):
        if span_us >= most * unit_us:
            return plural(span_us // unit_us, word)
    return plural(span_us // 1_000_000, "second")


def number(value: int | float) -> str:
    """A count with its thousands set apart."""
    return f"{value:,}" if isinstance(value, int) else f"{value:,.2f}".rstrip("0").rstrip(".")


def counted(value: int, at_most: int) -> str:
    """A count that was not taken to its end."""
    return f"{at_most:,} or more" if value >= at_most else f"{value:,}"


def plural(count: int, noun: str, more: str = "") -> str:
    """A count with its noun: "1 case", "2 cases"."""
    return f"{count:,} {noun if count == 1 else more or noun + 's'}"


def size(count: int) -> str:
    """Bytes as people say them."""
    if count < 1000:
        return f"{count} bytes"
    for unit in ("kB", "MB", "GB", "TB"):
        count_f = count / 1000
        if count_f < 1000 or unit == "TB":
            return f"{count_f:.3g} {unit}"
        count //= 1000
    raise AssertionError


def risk_title(risk: str) -> str:
    """A risk by its title in the catalogue; its id where that is not there."""
    known = catalogue().get(risk)
    return known.title if known else risk
