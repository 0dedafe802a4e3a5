"""What a refused person sees: the page behind a refusal's link, and one's own cases once signed in.

The link carries a token of its own and needs no account. It never shows the text; looking at it has no effect. Where a
clause wants its reason from a person, the link only says so: an agent may hold it as well.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from bartizan.core.decision import Action
from bartizan.core.errors import CaseUnknown, PolicyError, UsageError
from bartizan.doors.console.answers import Done, Page
from bartizan.doors.console.asked import Asked
from bartizan.doors.console.routes import Needs, act, page
from bartizan.rules.risks import catalogue

if TYPE_CHECKING:
    from bartizan.cases import Case
    from bartizan.policy.clause import Clause

LINKS_A_MINUTE = 60  # From one address. A token has 128 bits: this is against load, not against guessing.
ADDRESSES = 4096


class Words(NamedTuple):
    """A case in the words of whoever was refused."""

    title: str
    then: str


class Links:
    """How often links were opened, by address and minute."""

    def __init__(self, most: int = LINKS_A_MINUTE) -> None:
        self._most = most
        self._seen: OrderedDict[str, tuple[int, int]] = OrderedDict()
        self._lock = threading.Lock()

    def count(self, address: str, minute: int) -> None:
        """One more. Raises UsageError where it is one too many."""
        with self._lock:
            since, times = self._seen.pop(address, (minute, 0))
            times = times + 1 if since == minute else 1
            self._seen[address] = (minute, times)
            if len(self._seen) > ADDRESSES:
                self._seen.popitem(last=False)
        if times > self._most:
            raise UsageError("too many links were opened from here; try again in a minute")


LINKS = Links()


def linked(asked: Asked) -> Page:
    """The case behind a link."""
    LINKS.count(asked.address, asked.now_us // 60_000_000)
    token = _token(asked)
    case = asked.console.desk.linked(token, asked.now_us)
    return Page("case.html", {**_shown(asked, case), "action": f"/c/{token}", "signed_in": False}, css=("mine.css",))


def give_linked(asked: Asked) -> Done:
    """A reason from whoever follows the link."""
    LINKS.count(asked.address, asked.now_us // 60_000_000)
    token = _token(asked)
    case = asked.console.desk.give_reason_linked(token, asked.text("reason"), asked.now_us)
    return Done(_thanks(case), f"/c/{token}", case.as_json())


def review_linked(asked: Asked) -> Done:
    """Somebody shall look at it."""
    LINKS.count(asked.address, asked.now_us // 60_000_000)
    token = _token(asked)
    reason = asked.text("reason", needed=False)
    case = asked.console.desk.ask_review_linked(token, asked.now_us, reason)
    return Done("A reviewer will look at it.", f"/c/{token}", case.as_json())


def mine(asked: Asked) -> Page:
    """One's own cases, newest first."""
    found = asked.console.desk.of(asked.who.person, asked.now_us)
    values = {"cases": [{"case": case, "words": _words(asked, case)} for case in found], "policy": _policy(asked)}
    return Page("mine.html", values, value={"cases": [case.as_json() for case in found]}, css=("mine.css",))


def own(asked: Asked) -> Page:
    """One of one's own cases."""
    case = _own(asked)
    values = {**_shown(asked, case), "action": f"/mine/{case.id}", "signed_in": True}
    return Page("case.html", values, value=case.as_json(), css=("mine.css",))


def give(asked: Asked) -> Done:
    """A person's own reason: what clauses with `reason_by: person` ask for. A token is a program's."""
    case = asked.console.desk.give_reason(
        _own(asked).id, asked.who.name, asked.text("reason"), asked.now_us, by_key=asked.by_api
    )
    return Done(_thanks(case), f"/mine/{case.id}", case.as_json())


def review(asked: Asked) -> Done:
    """Somebody shall look at one's own case."""
    reason = asked.text("reason", needed=False)
    case = asked.console.desk.ask_review(_own(asked).id, asked.who.name, asked.now_us, reason)
    return Done("A reviewer will look at it.", f"/mine/{case.id}", case.as_json())


def _token(asked: Asked) -> str:
    token = asked.path["token"]
    if len(token) != 32 or not token.isalnum() or not token.isascii():
        raise CaseUnknown("there is no such case, or its time is over")
    return token


def _own(asked: Asked) -> Case:
    case = asked.console.desk.case(asked.path["id"][:64], asked.now_us)
    if case.person != asked.who.person:
        raise CaseUnknown("there is no such case of yours")
    return case


def _policy(asked: Asked) -> Mapping[str, Clause]:
    try:
        return {clause.id: clause for clause in asked.console.home.policy().clauses}
    except PolicyError:
        return {}  # The page then names the clauses by their ids alone.


def _shown(asked: Asked, case: Case) -> dict[str, Any]:  # Any: a template takes what it shows
    clauses = _policy(asked)
    known = [clauses[id_] for id_ in sorted(case.clauses) if id_ in clauses]
    risks = catalogue()
    return {
        "case": case,
        "words": _words(asked, case),
        "clauses": known,
        "gone": [id_ for id_ in sorted(case.clauses) if id_ not in clauses],
        "risks": [risks[risk] for risk in case.risks if risk in risks],
        "asks_reason": case.state == "open" and case.action is Action.JUSTIFY,
        "by_person": any(clause.reason_by == "person" for clause in known) or len(known) < len(case.clauses),
        "note": asked.console.desk.told(case),
    }


def _words(asked: Asked, case: Case) -> Words:
    if case.state == "granted":
        return Words("It may pass", "Send it again: the same content to the same place passes now.")
    if case.state == "refused":
        return Words("It stays refused", "Somebody looked at it and decided so.")
    if case.state == "expired":
        return Words("Its time is over", "Nobody decided in time. Send it again to ask anew.")
    if case.action is Action.JUSTIFY:
        return Words("A reason is asked for", "Say why you need it, and it passes.")
    if case.needs > 1:
        return Words("It waits for two people", f"{len(case.approvals)} of {case.needs} have approved it so far.")
    return Words("It waits for a person", "Somebody else looks at it and decides.")


def _thanks(case: Case) -> str:
    if case.state == "granted":
        return "Thank you. Send it again: it passes now."
    return "Thank you. Whoever decides will read it."


ROUTES = (
    page("/c/{token}", linked, Needs.NOBODY),
    act("/c/{token}/reason", give_linked, Needs.NOBODY),
    act("/c/{token}/review", review_linked, Needs.NOBODY),
    page("/mine", mine, Needs.PERSON),
    page("/mine/{id}", own, Needs.PERSON),
    act("/mine/{id}/reason", give, Needs.PERSON),
    act("/mine/{id}/review", review, Needs.PERSON),
)
