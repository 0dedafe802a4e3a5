"""Whether a host that looks like AI is some: the organisation's own word, kept in its catalogue.toml."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bartizan.core.errors import UsageError
from bartizan.doors.console import use_words
from bartizan.doors.console.answers import Done
from bartizan.doors.console.routes import act
from bartizan.home import catalogues
from bartizan.home.register import register
from bartizan.inventory.system import Status
from bartizan.vault.accounts import Role

if TYPE_CHECKING:
    from bartizan.doors.console.asked import Asked


def judge(asked: Asked) -> Done:
    """Say what a candidate or a look-alike is. It is a decision, so it is recorded, and waits no more."""
    id_, home, by = asked.path["id"], asked.console.home, asked.who.person
    own = register(home)
    found = own.system(id_, told={})
    if use_words.service(found):
        raise UsageError(f"{id_}: is a service already; decide on it instead")
    if asked.choice("is", ("none", "service")) == "none":
        why = asked.text("why", at_most=200)
        catalogues.judge(home.path, id_, why=why)
        own.decide(id_, Status.TOLERATED, by, asked.now_us, why=f"No AI: {why}")
        return Done(f"{id_} is no AI.", "/use", {"id": id_, "is": "none"})
    service = asked.text("service", at_most=64)
    named = asked.text("name", needed=False, at_most=200)
    catalogues.judge(home.path, id_, service=service, name=named)
    own.decide(id_, Status.TOLERATED, by, asked.now_us, why=f"It belongs to the service {service}.")
    if not any(one.id == service for one in own.systems(told={})):
        own.add(service, by, asked.now_us)
    return Done(
        f"{id_} belongs to {service}. Logs that are read from now on say so.",
        use_words.address(service),
        {"id": id_, "is": service},
    )


ROUTES = (act("/use/{id}/verdict", judge, Role.AUTHOR),)
