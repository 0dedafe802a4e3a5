"""Exceptions: somebody asks to use what is restricted, somebody else allows it, and it ends by itself."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING

from bartizan.core.errors import CaseUnknown, InputError
from bartizan.doors.console import use_words
from bartizan.doors.console.answers import Done
from bartizan.doors.console.routes import act
from bartizan.home.register import exceptions
from bartizan.inventory.exceptions import UseException, Who
from bartizan.vault.accounts import Role

if TYPE_CHECKING:
    from bartizan.doors.console.asked import Asked

MAX_WHO = 200


def ask(asked: Asked) -> Done:
    """Ask for one, for oneself or for somebody else."""
    id_ = asked.path["id"]
    kind = Who(asked.choice("kind", [one.value for one in Who]))
    who = asked.text("who", needed=kind is not Who.EVERYONE, at_most=MAX_WHO)
    made = exceptions(asked.console.home).ask(
        id_, kind, who, until(asked), asked.text("why"), asked.who.person, asked.now_us
    )
    return Done("It is asked for. Somebody else decides on it.", _back(id_), made.as_json())


def decide(asked: Asked) -> Done:
    """Allow it, or not: somebody else than who asked and whom it is for."""
    found = _one(asked)
    own, note = exceptions(asked.console.home), asked.text("note", needed=False)
    if asked.choice("decision", ("approve", "refuse")) == "approve":
        made = own.approve(found.id, asked.who.person, asked.now_us, note)
        return Done("Allowed. It ends by itself.", _back(found.system), made.as_json())
    made = own.refuse(found.id, asked.who.person, asked.now_us, note)
    return Done("Refused.", _back(found.system), made.as_json())


def end(asked: Asked) -> Done:
    """End one before its time."""
    found = _one(asked)
    made = exceptions(asked.console.home).end(found.id, asked.who.person, asked.now_us)
    return Done("It has ended. Lists that are exported from now on stop it again.", _back(found.system), made.as_json())


def until(asked: Asked) -> int:
    """The end of the last day that a form names, here. Raises InputError."""
    given = asked.text("until", at_most=10)
    try:
        last = date.fromisoformat(given)
        return round(datetime.combine(last + timedelta(days=1), time()).astimezone().timestamp() * 1e6)
    except (ValueError, OverflowError, OSError) as error:
        raise InputError("is a day, as 2027-01-31", "until") from error


def _one(asked: Asked) -> UseException:
    found = exceptions(asked.console.home).one(asked.path["exception"][:64], asked.now_us)
    if found.system != asked.path["id"]:
        raise CaseUnknown("there is no such exception of this system")
    return found


def _back(id_: str) -> str:
    return f"{use_words.address(id_)}#exceptions"


ROUTES = (
    act("/use/{id}/exceptions", ask, Role.VIEWER),
    act("/use/{id}/exceptions/{exception}/decide", decide, Role.AUTHOR),
    act("/use/{id}/exceptions/{exception}/end", end, Role.AUTHOR),
)
