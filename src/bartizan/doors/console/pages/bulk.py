"""Several events at once: confirmed, called a mistake, or taken on, after a page that says what that changes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bartizan.core.errors import InputError, PolicyError
from bartizan.doors.console.answers import Done, Page
from bartizan.doors.console.bulk import MAX_AT_ONCE, Act, Plan, carried_out, planned
from bartizan.doors.console.columns import View
from bartizan.doors.console.render import plural
from bartizan.doors.console.routes import act
from bartizan.rules.risks import catalogue
from bartizan.vault.accounts import Role

if TYPE_CHECKING:
    from bartizan.doors.console.asked import Asked
    from bartizan.events import Row

CSS = ("event.css", "events.css")
MAX_SHOWN = 50  # Events listed on the page; what counts is told of all.
ACTS = tuple(Act)
SAID = {
    Act.CONFIRM: "{} confirmed.",
    Act.MISTAKE: "{} noted as a mistake; whoever writes the policy sees it.",
    Act.ASSIGN: "You look after {}.",
}


def preview(asked: Asked) -> Page:
    """What it would change, event by event and by clause. Nothing is changed yet."""
    view = View.read(asked.fields, asked.now_us)
    plan, older = _plan(asked, view)
    try:
        says = {clause.id: clause.says for clause in asked.console.home.policy().clauses}
    except PolicyError:  # The page is about what was decided; that the policy does not hold is said elsewhere.
        says = {}
    names = {one.person: one.name for one in asked.console.accounts.accounts()}
    values = {
        "plan": plan,
        "act": plan.act,
        "view": view,
        "says": says,
        "names": names,
        "shown": plan.changes[:MAX_SHOWN],
        "older": older,
        "max_at_once": MAX_AT_ONCE,
        "risks": catalogue(),
        "by": asked.who.person,
    }
    return Page("events_bulk.html", values, value=_told(plan, older), css=CSS)


def bulk(asked: Asked) -> Done:
    """Do it."""
    view = View.read(asked.fields, asked.now_us)
    plan, older = _plan(asked, view)
    note = asked.text("note", needed=False) if plan.act is Act.MISTAKE else ""
    made = carried_out(plan, asked.console.feedback, asked.who.person, asked.now_us, note)
    said = SAID[plan.act].format(plural(len(made.done), "event")) if made.done else "Nothing was changed."
    if left := sum(made.left.values()):
        said += f" {plural(left, 'event')} stayed as {'it was' if left == 1 else 'they were'}."
    value = {
        "schema": "bartizan.bulk-done/1",
        "act": plan.act.value,
        "done": list(made.done),
        "left": [{"why": why.value, "events": count} for why, count in made.left.items()],
        "older": older,
    }
    return Done(said, view.link(), value)


# ---- Inside ---------------------------------------------------------------------------------------------------------


def _plan(asked: Asked, view: View) -> tuple[Plan, bool]:
    """The plan, and whether the view has older events that are not in it."""
    chosen = Act(asked.choice("do", ACTS))
    rows, older = _chosen(asked, view)
    if not rows:
        raise InputError("choose the events first", "exchange")
    known = {id_: row for id_, row in rows.items() if row is not None}
    clause = asked.text("clause", needed=False, at_most=200)
    console = asked.console
    return planned(chosen, rows, known, console.home.path, console.feedback, asked.who.person, clause), older


def _chosen(asked: Asked, view: View) -> tuple[dict[str, Row | None], bool]:
    """The rows of what was ticked, or the newest of the whole view, as far as there may be at once."""
    index = asked.console.index
    if asked.flag("all"):
        if view.filter.words:
            raise InputError("a view with words has no end: choose the events themselves", "all")
        found = index.page(view.filter, limit=MAX_AT_ONCE)
        return {row.exchange: row for row in found.rows}, bool(found.next)
    ids = tuple(dict.fromkeys(asked.many("exchange")))
    if len(ids) > MAX_AT_ONCE:
        raise InputError(f"at most {MAX_AT_ONCE} events at once, and these are {len(ids)}", "exchange")
    return {id_: index.event(id_) for id_ in ids}, False


def _told(plan: Plan, older: bool) -> dict[str, object]:
    return {
        "schema": "bartizan.bulk/1",
        "act": plan.act.value,
        "exchanges": [one.row.exchange for one in plan.changes],
        "clauses": [
            {"clause": line.clause, "events": line.events, "right": line.right, "mistake": line.mistake}
            | {"assigned": line.assigned}
            for line in plan.lines
        ],
        "decided": plan.decided,
        "replaced": plan.replaced,
        "left": [{"why": why.value, "events": count} for why, count in plan.left.items()],
        "older": older,
    }


ROUTES = (
    act("/events/bulk/preview", preview, Role.ANALYST),
    act("/events/bulk", bulk, Role.ANALYST),
)
