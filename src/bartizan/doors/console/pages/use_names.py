"""Who a pseudonym in the register is: one privacy officer asks, another agrees, and the first sees it for a while."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bartizan.doors.console.answers import Done, Page
from bartizan.doors.console.pages.policy import names as colleagues
from bartizan.doors.console.pages.use import CSS
from bartizan.doors.console.routes import act, page
from bartizan.home.register import names
from bartizan.inventory.names import SHOWN_US, State
from bartizan.vault.accounts import Role

if TYPE_CHECKING:
    from bartizan.doors.console.asked import Asked

MAX_SHOWN = 50


def requests(asked: Asked, name: str = "") -> Page:
    """All requests, newest first. `name`, where one was just opened, is shown this once."""
    own = names(asked.console.home)
    found = own.all(asked.now_us, MAX_SHOWN)
    values = {
        "requests": [(one, own.reason(one.id)) for one in found],
        "waiting": sum(one.state is State.ASKED for one in found),
        "me": asked.who.person,
        "names": colleagues(asked),
        "name": name,
        "opened": asked.path.get("id", ""),
        "shown_us": SHOWN_US,
        "person": asked.query.get("person", "")[:40],
    }
    value = {
        "schema": "bartizan.name-requests/1",
        "requests": [one.as_json() for one in found],
        **({"name": name} if name else {}),
    }
    return Page("use_names.html", values, value=value, css=CSS)


def ask(asked: Asked) -> Done:
    """Ask who somebody is, and say why."""
    person = asked.text("person", at_most=40)
    made = names(asked.console.home).ask(person, asked.text("reason"), asked.who.person, asked.now_us)
    return Done("It is asked for. Another privacy officer has to agree.", "/use/names", made.as_json())


def decide(asked: Asked) -> Done:
    """Agree, or not."""
    own, id_ = names(asked.console.home), asked.path["id"][:64]
    if asked.choice("decision", ("approve", "refuse")) == "approve":
        made = own.approve(id_, asked.who.person, asked.now_us)
        return Done("Agreed. Who asked can see the name for 15 minutes.", "/use/names", made.as_json())
    made = own.refuse(id_, asked.who.person, asked.now_us)
    return Done("Refused.", "/use/names", made.as_json())


def show(asked: Asked) -> Page:
    """The name, to who asked. That it was told is on the disk before it is."""
    return requests(asked, names(asked.console.home).shown(asked.path["id"][:64], asked.who.person, asked.now_us))


ROUTES = (
    page("/use/names", requests, Role.PRIVACY),
    act("/use/names", ask, Role.PRIVACY),
    act("/use/names/{id}/decide", decide, Role.PRIVACY),
    act("/use/names/{id}/show", show, Role.PRIVACY),
)
