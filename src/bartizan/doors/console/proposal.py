"""A change of the policy as a form says it: the new text, before anything is written.

Nothing is kept between looking at a change and making it: the form holds what was asked and the digest of the file it
was asked of. Whoever saves another file's change is told.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bartizan.config.policy import text_of
from bartizan.core.errors import InputError, PolicyChanged, PolicyError
from bartizan.home.versions import Versions, digest_of
from bartizan.policy import edit
from bartizan.policy.clause import Mode
from bartizan.policy.document import List, Map, Text, parse

if TYPE_CHECKING:
    from bartizan.doors.console.asked import Asked
    from bartizan.policy.model import Policy

MAX_CLAUSE = 64_000  # Code points of one clause that is edited here.
MAX_WHOLE = 64_000  # … and of a whole policy; a larger one is edited in its file.
MAX_EXAMPLE = 4000
WHO = ("person", "group", "app", "key")
CHANGED = "Somebody changed the policy while you edited it. Their change stays; yours was not saved."


@dataclass(frozen=True, slots=True)
class Proposal:
    """What somebody wants to change. `fields` are what a form has to send again; `confirm` is typed to save it."""

    change: str
    says: str
    clause: str  # "" where it is about the whole policy
    old: str
    new: str
    confirm: str
    fields: tuple[tuple[str, str], ...]
    example: str = ""  # the proposed example that this takes
    becomes: str = ""  # the id that an edited clause has from now on

    @property
    def before(self) -> str:
        """The digest of the text that is changed."""
        return digest_of(self.old)


def file_text(asked: Asked) -> str:
    """What the policy's file says now, in force or not. Raises PolicyError where it cannot be read."""
    return text_of(asked.console.config.policy_path)


def proposed(asked: Asked, sort: str = "") -> Proposal:
    """The change that a request is about. Raises InputError, PolicyError, PolicyChanged."""
    change = sort or asked.choice("change", tuple(_CHANGES), "clause")
    old = file_text(asked)
    base = asked.text("base", needed=False)
    if base and base != digest_of(old):
        raise PolicyChanged(CHANGED)
    return _CHANGES[change](asked, old)


def clause_of(asked: Asked) -> str:
    """The clause a request names, in its path or among its fields."""
    return asked.path.get("clause") or asked.text("clause", at_most=200)


def _clause(asked: Asked, old: str) -> Proposal:
    id_ = clause_of(asked)
    text = _lines(asked, "text", MAX_CLAUSE)
    new = edit.with_clause_text(old, id_, text)
    named = parse(text, edit.CLAUSE)
    now = named.get("id") if isinstance(named, Map) else None
    becomes = now.value if isinstance(now, Text) else id_
    return Proposal("clause", f"Edit the clause {id_}", id_, old, new, id_, (("text", text),), becomes=becomes)


def _mode(asked: Asked, old: str) -> Proposal:
    id_, mode = clause_of(asked), Mode(asked.choice("mode", tuple(Mode)))
    says = f"Enforce the clause {id_}" if mode is Mode.ENFORCE else f"Only observe with the clause {id_}"
    return Proposal("mode", says, id_, old, edit.with_mode(old, id_, mode), id_, (("mode", mode.value),))


def _example(asked: Asked, old: str) -> Proposal:
    id_, side = clause_of(asked), asked.choice("side", ("keeps", "breaks"))
    given = (asked.fields.get("example") or ("",))[0].replace("\r\n", "\n")
    if not given.strip() or len(given) > MAX_EXAMPLE:
        raise InputError("is needed" if not given.strip() else f"is longer than {MAX_EXAMPLE} characters", "example")
    taken = asked.text("feedback", needed=False, at_most=100)
    new = edit.with_example(old, id_, side, given)
    fields = (("side", side), ("example", given), ("feedback", taken))
    what = "keeps" if side == "keeps" else "breaks"
    return Proposal("example", f"One more text that {what} the clause {id_}", id_, old, new, id_, fields, taken)


def _exception(asked: Asked, old: str) -> Proposal:
    id_, field = clause_of(asked), asked.choice("who", WHO)
    named = {name: asked.text(name, at_most=400) for name in ("value", "until", "why_exempt")}
    new = edit.with_exception(
        old,
        id_,
        who={field: named["value"]},
        until=named["until"],
        why=named["why_exempt"],
        approved_by=approver(asked),
    )
    fields = (("who", field), *named.items())
    return Proposal("exception", f"An exception from the clause {id_}", id_, old, new, id_, fields)


def approver(asked: Asked) -> str:
    """Who approves an exception that is made here: whoever is signed in. Raises InputError for anybody else."""
    named = asked.text("approved_by", needed=False)
    if named not in ("", asked.who.name):
        raise InputError("is whoever is signed in; somebody else's approval stands in the policy's file", "approved_by")
    return asked.who.name


def _without_exception(asked: Asked, old: str) -> Proposal:
    id_, key = clause_of(asked), asked.text("key", at_most=200)
    new = edit.without_exception(old, key)
    return Proposal("no-exception", f"End an exception from {id_}", id_, old, new, id_, (("key", key),))


def _put_back(asked: Asked, old: str) -> Proposal:
    id_ = asked.whole("version", 1, 2**31)
    text = Versions(asked.console.home.state).text(id_)
    name = asked.console.workbench.policy(text).name
    return Proposal("put-back", f"Put version {id_} back", "", old, text, name, (("version", str(id_)),))


def _whole(asked: Asked, old: str) -> Proposal:
    text = _lines(asked, "text", MAX_WHOLE)
    new = ("\ufeff" if old.startswith("\ufeff") else "") + text.removeprefix("\ufeff")
    if "\r\n" in old:
        new = new.replace("\n", "\r\n")
    return Proposal("whole", "Edit the whole policy", "", old, new, name_of(asked, old), (("text", text),))


_CHANGES: dict[str, Callable[[Asked, str], Proposal]] = {
    "clause": _clause,
    "mode": _mode,
    "example": _example,
    "exception": _exception,
    "no-exception": _without_exception,
    "put-back": _put_back,
    "whole": _whole,
}


def name_of(asked: Asked, old: str) -> str:
    """What the policy is called: what is typed to change all of it."""
    try:
        policy: Policy = asked.console.workbench.policy(old)
    except PolicyError:
        return "policy"  # The file does not hold, so nobody knows its name.
    return policy.name


def line_of(text: str, clause: str) -> int:
    """The line on which a clause begins; 1 where it is not there."""
    root = parse(text.removeprefix("\ufeff"), "")
    clauses = root.get("clauses") if isinstance(root, Map) else None
    for one in clauses.items if isinstance(clauses, List) else ():
        if isinstance(one, Map) and isinstance(id_ := one.get("id"), Text) and id_.value == clause:
            return one.line
    return 1


def _lines(asked: Asked, name: str, at_most: int) -> str:
    """A field of several lines as a file has them, its space included. Raises InputError."""
    text = (asked.fields.get(name) or ("",))[0].replace("\r\n", "\n").replace("\r", "\n")
    if not text.strip():
        raise InputError("is needed", name)
    if len(text) > at_most:
        raise InputError(f"is longer than {at_most:,} characters; change it in the file", name)
    return text if text.endswith("\n") else text + "\n"
