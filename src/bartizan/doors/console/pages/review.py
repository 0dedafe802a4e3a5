"""The review queue: which one first, what it says, and what happens with a yes and with a no."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bartizan.core.errors import InputError, PolicyError
from bartizan.doors.console.answers import Done, Page
from bartizan.doors.console.asked import Asked
from bartizan.doors.console.evidence import Evidence, View, evidence
from bartizan.doors.console.render import MINUTE_US, lasting, plural
from bartizan.doors.console.routes import act, page
from bartizan.doors.console.use_needs import use_needs
from bartizan.ledger.opening import decisions, records_of
from bartizan.rules.risks import catalogue
from bartizan.vault.accounts import Role

if TYPE_CHECKING:
    from bartizan.cases import Case
    from bartizan.policy.clause import Clause

WEEK_US = 7 * 24 * 60 * MINUTE_US
VIEWS = tuple(View)
MAX_USES = 5  # Systems of AI that wait for a decision and are named one by one.


def queue(asked: Asked) -> Page:
    """The queue with its first case beside it."""
    waits = asked.console.desk.waits(asked.now_us)
    return _page(asked, waits, waits[0] if waits else None)


def one(asked: Asked) -> Page:
    """The queue with one of its cases beside it; also one that is decided, to say what became of it."""
    return _page(asked, asked.console.desk.waits(asked.now_us), _case(asked))


def open_(asked: Asked) -> Done:
    """Open the sealed text and the reason of a case. This is recorded."""
    case = _case(asked)
    texts = asked.console.desk.texts(case.id, asked.who.person, asked.now_us)
    if asked.session is not None:
        size = sum(map(len, texts.values()))
        asked.console.opened.keep(asked.session.id, case.id, texts, size, asked.now_us)
    return Done("Opened; the ledger says that you did.", f"/review/{case.id}", {"texts": texts})


def decide(asked: Asked) -> Done:
    """Let it pass, or not. Of two who decide at once, one is told that the other was faster."""
    case = _case(asked)
    approve = asked.choice("decision", ("approve", "refuse")) == "approve"
    note = asked.text("note", needed=False)
    case = asked.console.desk.decide(case.id, approve, asked.who.person, asked.now_us, note)
    if case.state == "open":
        left = case.needs - len(case.approvals)
        said = f"Your approval is kept; it takes {plural(left, 'more person', 'more people')}."
    elif case.state == "granted":
        said = "Approved: the same request passes from now on."
    else:
        said = "Refused. The person can read your note."
    rest = asked.console.desk.waits(asked.now_us)
    to = next((f"/review/{other.id}" for other in rest if other.id != case.id), "/review")
    return Done(said, to, case.as_json())


def assign(asked: Asked) -> Done:
    """Say who looks after a case; nobody, where the field is empty."""
    case = _case(asked)
    name = asked.text("to", needed=False, at_most=200)
    to = asked.console.accounts.named(name) if name else None
    if to is not None and (to.disabled_us or not to.may(Role.ANALYST)):
        raise InputError("is somebody who may decide on cases", "to")
    asked.console.feedback.assign(case.id, to.person if to else "", asked.who.person, asked.now_us)
    return Done(f"{to.name} looks after it." if to else "Nobody looks after it.", f"/review/{case.id}")


def _case(asked: Asked) -> Case:
    return asked.console.desk.case(asked.path["id"][:64], asked.now_us)


def _page(asked: Asked, waits: list[Case], case: Case | None) -> Page:
    desk, goal_us = asked.console.desk, asked.console.config.cases.goal_minutes * MINUTE_US
    times = desk.waiting_times(asked.now_us - WEEK_US, asked.now_us)
    try:
        clauses = {clause.id: clause for clause in asked.console.home.policy().clauses}
    except PolicyError:
        clauses = {}
    values: dict[str, Any] = {  # Any: a template takes what it shows
        "waits": waits,
        "case": case,
        "clauses": clauses,
        "risks": catalogue(),
        "goal_us": goal_us,
        "late": sum(asked.now_us - one.created_us > goal_us for one in waits),
        "median_us": times[len(times) // 2] if times else None,
        "decided": len(times),
        "may": asked.who.may(Role.ANALYST),
        "uses": use_needs(asked, most=MAX_USES),
    }
    if case is not None:
        values |= _beside(asked, case, [clauses[id_] for id_ in sorted(case.clauses) if id_ in clauses])
    listed = {"waits": [one.as_json() for one in waits], "case": case.as_json() if case else None}
    return Page("review.html", values, value=listed, css=("event.css", "review.css"))


def _beside(asked: Asked, case: Case, clauses: list[Clause]) -> dict[str, Any]:
    """One case: its evidence, and what either answer would do."""
    view = View(asked.option("view", VIEWS))
    texts = asked.opened(case.id) if asked.who.may(Role.ANALYST) else None
    days = min((clause.grant_days for clause in clauses), default=1)
    values = sum(map(len, case.values.values()))
    own = case.person == asked.who.person
    return {
        "evidence": _evidence(asked, case, view, texts),
        "reason": (texts or {}).get("reason", ""),
        "opened": texts is not None,
        "own": own,
        "approved": asked.who.person in case.approvals,
        "assigned": asked.console.feedback.assigned(case.id),
        "colleagues": [
            one for one in asked.console.accounts.accounts() if one.may(Role.ANALYST) and not one.disabled_us
        ],
        "yes": f"The same {'value' if values == 1 else plural(values, 'value')} may go to "
        f"{case.destination or 'the same place'} "
        f"for {plural(days, 'day')}. Anything else asks again.",
        "no": "It stays refused. The person reads your note and what to do instead.",
        "waited": lasting(asked.now_us - case.created_us),
    }


def _evidence(asked: Asked, case: Case, view: View, texts: dict[str, str] | None) -> Evidence | None:
    """What was stopped, as the exchange's record and the case's own sealed text have it."""
    told = decisions(records_of(asked.console.home.path, case.exchange)) if case.exchange else []
    record = next((one for one in told if one["side"] != "answer"), None)
    if record is None:
        return None
    vault, body = asked.console.home.vault, (texts or {}).get("subject")
    if case.state != "open":
        return evidence(record, None, view, vault, gone="The case's own text went when it was decided.")
    raw = body.encode("utf-8", "surrogatepass") if body is not None else None
    at, whole = asked.query.get("at", ""), "all" in asked.query
    # A case keeps its text until it is decided, whatever the policy keeps of the exchange.
    return evidence({**record, "bodies": {}}, raw, view, vault, at=at, whole=whole)


ROUTES = (
    page("/review", queue, Role.VIEWER),
    page("/review/{id}", one, Role.VIEWER),
    act("/review/{id}/open", open_, Role.ANALYST),
    act("/review/{id}/decide", decide, Role.ANALYST),
    act("/review/{id}/assign", assign, Role.ANALYST),
)
