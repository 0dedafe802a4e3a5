"""What surrounds every page: the menu, how many wait, whose session it is, and how the ledger is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from bartizan.core.errors import StoreError
from bartizan.doors.console.suggesting import terms
from bartizan.vault.accounts import Role

if TYPE_CHECKING:
    from bartizan.doors.console.asked import Asked

MAX_BEGUN = 200  # Characters in the box that suggestions go on from: each of them repeats it.


class Item(NamedTuple):
    """One line of the menu."""

    path: str
    name: str
    icon: str
    waiting: int = 0


class Foot(NamedTuple):
    """The ledger in two lines."""

    good: bool
    first: str
    second: str


def frame(asked: Asked) -> dict[str, Any]:  # Any: a template takes what it shows
    """The values that `base.html` needs."""
    account = asked.account
    reads = account is not None and account.may(Role.VIEWER)
    here = "/" + asked.url.partition("?")[0].strip("/").partition("/")[0]
    said = asked.console.said(asked.session.id) if asked.session is not None and not asked.by_api else ""
    search = asked.query.get("q", "") if here == "/events" else ""
    begun = f"{search.strip()} " if search.strip() and len(search) <= MAX_BEGUN else ""
    return {
        "menu": _menu(asked) if reads else (),
        "menu_groups": _disciplines() if reads else (),
        "system": _system(asked) if reads else (),
        "here": here,
        "foot": foot(asked) if reads else None,
        "csrf": asked.session.csrf if asked.session is not None else "",
        "said": said,
        "search": search,
        "suggested": [f"{begun}{term}" for term in terms(asked.console.frequent)] if reads else (),
    }


def _menu(asked: Asked) -> tuple[Item, ...]:
    return (
        Item("/", "Overview", "home"),
        Item("/live", "Live", "pulse"),
        Item("/events", "Events", "list"),
        Item("/review", "Review queue", "tray", waiting(asked)),
    )


def _disciplines() -> tuple[tuple[str, tuple[Item, ...]], ...]:
    """The pages of one discipline each."""
    return (
        ("Secure AI use", (Item("/use", "AI use", "speech"),)),
        ("Securing AI", (Item("/models", "Models", "cube"),)),
    )


def _system(asked: Asked) -> tuple[Item, ...]:
    items = [Item("/policy", "Policy", "paper"), Item("/ledger", "Ledger", "chain")]
    if asked.who.may(Role.ADMIN):
        items.append(Item("/settings", "Settings", "gear"))
    return tuple(items)


def waiting(asked: Asked) -> int:
    """How many cases wait for a reviewer."""
    try:
        return asked.console.desk.waiting(asked.now_us)
    except StoreError:
        return 0  # The page itself says what cannot be read; the menu only counts.


def foot(asked: Asked) -> Foot:
    """How the ledger is, as far as this console knows."""
    status = asked.console.index.status()
    verified = asked.console.verified
    records = f"{status.records:,} records"
    if status.problem:
        return Foot(False, "Ledger needs a look", status.problem)
    if verified is None:
        return Foot(True, "Ledger", f"{records}, not verified since start")
    if verified.faults:
        return Foot(False, "Ledger does not hold", f"{records}, {len(verified.faults)} faults")
    return Foot(True, "Ledger verified", f"{records}, unbroken")
