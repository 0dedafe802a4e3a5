"""One event: what it was, why it was decided so, whether that was right, and how it can be proved."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from bartizan.cases.feedback import Verdict
from bartizan.core.errors import BartizanError, InputError, PolicyError, StoreBroken, UsageError
from bartizan.doors.console.answers import Done, Page
from bartizan.doors.console.evidence import Evidence, View, evidence
from bartizan.doors.console.leaves import Taken, taken_apart
from bartizan.doors.console.pages.events import told as row_told
from bartizan.doors.console.pages.pauses import LASTS, USUAL, choices
from bartizan.doors.console.routes import act, page
from bartizan.doors.console.trace import Trace, bounded, outcome, sound, stricter, trace
from bartizan.events import Filter
from bartizan.home.versions import Versions
from bartizan.ledger.opening import Gone, decisions, open_texts, records_of
from bartizan.ledger.proof import prove
from bartizan.ledger.read import Record
from bartizan.rules.risks import catalogue
from bartizan.vault.accounts import Role

if TYPE_CHECKING:
    from bartizan.doors.console.asked import Asked
    from bartizan.events import Row
    from bartizan.policy.model import Policy

CSS, JS = ("event.css",), ("event.js",)
MAX_ID = 64
SIMILAR = 5
DAYS = 7
MAX_HAPPENED = 40
MAX_PROVED = 10
MAX_RECORDS = 200  # Of one exchange: whoever opens a text a thousand times must not fill its page.
VIEWS = tuple(View)

HAPPENED = {
    "case-opened": "A case was opened",
    "case-granted": "Released by a person",
    "case-refused": "Refused by a person",
    "case-approved": "A first person approved",
    "case-expired": "The case expired",
    "case-review-asked": "A review was asked for",
    "case-read": "The case's text was opened",
    "text-opened": "The text was opened",
    "feedback": "Somebody said whether it was right",
    "feedback-withdrawn": "A verdict was withdrawn",
    "assigned": "Given to somebody",
    "example-taken": "An example went into the policy",
    "example-dismissed": "An example was dismissed",
    "example-opened": "An example was opened",
}
# What a record leaves out where there is nothing to say.
_EMPTY: Record = {
    "person": "", "groups": (), "app": "", "key": "", "target": {}, "labels": (), "direction": "out", "kind": "",
    "clauses": (), "findings": (), "failures": (), "policy": "", "door": "",
}  # fmt: skip
SIDES = {"request": "Request", "answer": "Answer", "subject": "Judged"}


@dataclass(frozen=True, slots=True)
class Opened:
    """The opened texts of one exchange, and their parts, so that a view costs no second taking apart."""

    texts: Mapping[str, bytes | Gone]
    taken: dict[str, Taken] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Found:
    """All records of an exchange, its decisions with as many findings as a page can show, and how many there were."""

    records: list[Record]
    told: list[Record]
    counts: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Happened:
    """One line of the timeline. `by` is a colleague's name or a pseudonym."""

    what: str
    at_us: int
    after_us: int
    by: str = ""


@dataclass(frozen=True, slots=True)
class Proof:
    """Where the records stand in the ledger; `why` says why nothing can be proved yet."""

    records: tuple[tuple[str, int], ...] = ()
    size: int = 0
    root: str = ""
    why: str = ""


def event(asked: Asked) -> Page:
    """The page."""
    found = _found(asked)
    if found is None:
        return _unknown()
    told = found.told
    view = View(asked.option("view", VIEWS))
    sides = _evidence(asked, found, view)
    strict = stricter(told)
    side = next(one for record, one in zip(told, sides, strict=True) if record is strict)
    policy, then = _policy_then(asked, str(strict.get("policy", "")))
    traces = [trace(policy, record, one.notes) for record, one in zip(told, sides, strict=True)]
    led = next(one for record, one in zip(told, traces, strict=True) if record is strict)
    index, row = asked.console.index, asked.console.index.event(asked.path["id"])
    alike: tuple[Row, ...] = ()
    count = 0
    if row is not None:
        similar = Filter.parse(f"shape:{row.shape} after:{DAYS}d", asked.now_us)
        alike = tuple(one for one in index.page(similar, limit=SIMILAR + 1).rows if one.exchange != row.exchange)
        count = max(0, index.count(similar, 1000) - (row.time_us >= asked.now_us - DAYS * 86_400_000_000))
    said = asked.console.feedback.about(strict["exchange"])
    values: dict[str, Any] = {  # Any: a template takes what it shows
        "id": strict["exchange"],
        "records": told,
        "first": _EMPTY | told[0],
        "strict": _EMPTY | strict,
        "outcome": outcome(strict),
        "what": what(strict),
        "with_": with_what(strict),
        "sides": sides,
        "side": side,
        "view": view,
        "sealed": any(one.sealed for one in sides),
        "traces": list(zip(told, traces, strict=True)),
        "led": led.led,
        "policy": policy,
        "policy_then": then,
        "row": row,
        "alike": alike[:SIMILAR],
        "alike_count": count,
        "days": DAYS,
        "happened": _happened(asked, found),
        "proof": _proof(asked),
        "said": said,
        "notes": (asked.opened(f"notes {strict['exchange']}") or {}) if asked.who.may(Role.ANALYST) else {},
        "mine": next((one for one in said if one.by == asked.who.person), None),
        "names": _colleagues(asked),
        "assigned": asked.console.feedback.assigned(strict["exchange"]),
        "reviewers": [one for one in asked.console.accounts.accounts() if one.may(Role.ANALYST)],
        "analyst": asked.who.may(Role.ANALYST),
        "author": asked.who.may(Role.AUTHOR) and bool(strict.get("clauses")),
        "paused": strict.get("paused"),
        "pausable": choices(asked, str(told[0].get("key", "")), str(told[0].get("person", ""))),
        "lasts": LASTS,
        "usual": USUAL,
        "stopped": strict["action"] != "allow" or bool(strict.get("edits")),
        "clauses": _clauses(strict, policy),
        "retention_days": asked.console.config.retention_days,
        "risks": catalogue(),
    }
    return Page("event.html", values, value=_told(values, found, led), css=CSS, js=JS)


def open_(asked: Asked) -> Done:
    """Open the sealed texts. Who did is on the disk before anybody reads them."""
    if _found(asked) is None:
        raise UsageError("no decision has this id")
    console, id_ = asked.console, asked.path["id"]
    texts = open_texts(console.home.path, console.home.vault, id_, by=asked.who.person, record=console.record)
    if asked.session is not None:
        size = sum(len(text) for text in texts.values() if isinstance(text, bytes))
        console.opened.keep(asked.session.id, id_, Opened(texts), 4 * size, asked.now_us)
    readable = {
        side: {"gone": text.why} if isinstance(text, Gone) else text.decode("utf-8", "replace")
        for side, text in texts.items()
    }
    return Done("Opened; the ledger says that you did.", f"/events/{id_}", {"texts": readable})


def confirm(asked: Asked) -> Done:
    """It was right."""
    return _give(asked, Verdict.RIGHT, "Confirmed. Thank you.")


def mistake(asked: Asked) -> Done:
    """It stopped or changed what it should not have."""
    return _give(asked, Verdict.MISTAKE, "Noted as a mistake; whoever writes the policy sees it.")


def missed(asked: Asked) -> Done:
    """It let pass what it should not have."""
    return _give(asked, Verdict.MISSED, "Noted as missed; whoever writes the policy sees it.")


def withdraw(asked: Asked) -> Done:
    """One's own verdict, taken back."""
    gone = asked.console.feedback.withdraw(asked.path["id"], asked.who.person)
    return Done("Taken back." if gone else "There was nothing to take back.", f"/events/{asked.path['id']}")


def notes(asked: Asked) -> Done:
    """Open what people wrote with their verdicts. This is recorded, note by note."""
    feedback, id_ = asked.console.feedback, asked.path["id"]
    texts = {one.id: feedback.note_text(one.id, asked.who.person) for one in feedback.about(id_) if one.has_note}
    if asked.session is not None:
        asked.console.opened.keep(asked.session.id, f"notes {id_}", texts, sum(map(len, texts.values())), asked.now_us)
    return Done("Opened; the ledger says that you did.", f"/events/{id_}", {"notes": texts})


def assign(asked: Asked) -> Done:
    """Somebody looks after it; nobody, where the field is empty."""
    console, id_ = asked.console, asked.path["id"]
    if _found(asked) is None:
        raise UsageError("no decision has this id")
    to = asked.text("to", needed=False, at_most=200)
    known = {one.person: one for one in console.accounts.accounts() if one.may(Role.ANALYST)}
    if to == "me":
        to = asked.who.person
    if to and to not in known:
        raise InputError("is somebody with the role analyst", "to")
    console.feedback.assign(id_, to, asked.who.person, asked.now_us)
    said = f"{known[to].name} looks after it." if to else "Nobody looks after it any more."
    return Done(said, f"/events/{id_}", {"assignee": to})


# ---- What it was ----------------------------------------------------------------------------------------------------


def what(record: Record) -> tuple[str, str]:
    """What was judged, and the model it went to or came from: ("a prompt to", "gpt-4o")."""
    side, kind = record["side"], record.get("kind")
    model = str(record.get("target", {}).get("model", ""))
    model = "" if model.startswith("*") else model  # A name that was content stands there as a digest.
    if side == "request":
        return ("a prompt to" if model else "a prompt", model)
    if side == "answer":
        return ("an answer of" if model else "an answer", model)
    named = {"text": "a text", "chat": "a conversation", "file": "a file", "mail": "a mail", "url": "a link"}
    way = " on its way back" if record.get("direction") == "in" else ""
    return (named.get(str(kind), f"a {kind}") + way, "")


def with_what(record: Record) -> str:
    """What was in it, the worst first: "with AWS access key id (2) and an IBAN"."""
    found = record.get("findings", ())
    if record.get("paused"):
        return "which was not read: its source was paused"
    if not found:
        return "which could not be examined" if record.get("failures") else "with nothing found in it"
    ranks = {"critical": 0, "high": 1, "medium": 2, "low": 3, "info": 4}
    counts = Counter(told["risk"] for told in found)
    worst = {told["risk"]: ranks.get(told["severity"], 5) for told in reversed(found)}
    risks = sorted(counts, key=lambda risk: (worst[risk], -counts[risk], risk))
    titles = catalogue()
    named = [
        (titles[risk].title if risk in titles else risk) + (f" (×{counts[risk]})" if counts[risk] > 1 else "")
        for risk in risks
    ]
    if len(named) > 2:
        named = [*named[:2], f"{len(named) - 2} more"]
    return "with " + (", ".join(named[:-1]) + " and " + named[-1] if len(named) > 1 else named[0])


# ---- Inside ---------------------------------------------------------------------------------------------------------


def _found(asked: Asked) -> Found | None:
    """What the ledger has about the exchange; None where there is no decision. Raises StoreBroken."""
    id_ = asked.path["id"]
    if len(id_) > MAX_ID:
        return None
    records = records_of(asked.console.home.path, id_)
    try:
        told = decisions(records)
    except UsageError:
        return None
    counts = {record["side"]: len(record.get("findings", ())) for record in told}
    told = [bounded(record) for record in told]
    if not all(map(sound, told)):
        raise StoreBroken("a record of this event is not what was written; `bartizan ledger verify` says more")
    return Found(records, told, counts)


def _unknown() -> Page:
    then = "It may be of another home, or still on its way: a record is here within a second."
    what = "No decision has this id."
    return Page("error.html", {"title": "Not found", "what": what, "then": then, "status": 404}, 404, {"error": what})


def _evidence(asked: Asked, found: Found, view: View) -> list[Evidence]:
    opened = asked.opened(asked.path["id"]) if asked.who.may(Role.ANALYST) else None
    where, _, at = asked.query.get("at", "").partition(":")
    out: list[Evidence] = []
    first = 1
    for record in found.told:
        side = record["side"]
        text = opened.texts.get(side) if isinstance(opened, Opened) else None
        gone = f"The text cannot be opened: {text.why}." if isinstance(text, Gone) else ""
        body = text if isinstance(text, bytes) else None
        taken = None
        if isinstance(opened, Opened) and body is not None and view is not View.RAW:
            if side not in opened.taken:
                opened.taken[side] = taken_apart(record, body)
            taken = opened.taken[side]
        made = evidence(
            record,
            body,
            view,
            asked.console.home.vault,
            gone=gone,
            first=first,
            at=at if where == side else "",
            whole=asked.query.get("all") == side,
            taken=taken,
            share=len(found.told),
        )
        first += sum(note.number > 0 for note in made.notes)
        out.append(replace(made, found=found.counts[side]))
    return out


def _policy_then(asked: Asked, ref: str) -> tuple[Policy | None, bool]:
    """The policy a record was decided by, or today's; whether it is the one of then."""
    console = asked.console
    try:
        now = console.home.policy()
    except PolicyError:
        return None, False
    if now.ref == ref:
        return now, True
    digest = ref.rpartition("sha256:")[2]
    versions = Versions(console.home.state)
    version = versions.of_digest(digest) if digest else None
    if version is not None:
        try:
            return console.workbench.policy(versions.text(version.id)), True
        except PolicyError:  # A risk or a detector it names is gone with an older release.
            return now, False
    return now, False


def _happened(asked: Asked, found: Found) -> list[Happened]:
    names = _colleagues(asked)
    begin_us = found.told[0]["time_us"]
    out = []
    for record in found.records[:MAX_RECORDS]:
        if "event" in record:
            what = HAPPENED.get(record["event"], str(record["event"]).replace("-", " ").capitalize())
        else:
            what = f"{SIDES.get(record.get('side', ''), 'Record')} decided"
        by = str(record.get("by", "")) if "event" in record else ""
        out.append(Happened(what, record["time_us"], record["time_us"] - begin_us, names.get(by, by)))
    if len(out) > MAX_HAPPENED:
        out = [*out[: MAX_HAPPENED // 2], *out[-MAX_HAPPENED // 2 :]]
    return out


def _colleagues(asked: Asked) -> dict[str, str]:
    """Names of those who act here, by pseudonym: they sign with it. Who has no role is only somebody with cases."""
    return {one.person: one.name for one in asked.console.accounts.accounts() if one.roles}


def _proof(asked: Asked) -> Proof:
    try:
        made = prove(asked.console.home.path, asked.path["id"], at_most=MAX_PROVED)
    except BartizanError as error:
        return Proof(why=str(error).partition("\n")[0])
    proofs = made["proofs"]
    assert isinstance(proofs, list)
    note = str(proofs[-1]["checkpoint"]).split("\n")
    records = tuple((str(one["checkpoint"]).partition("\n")[0].rpartition("/")[2], one["index"]) for one in proofs)
    return Proof(records, int(note[1]), note[2])


def _clauses(record: Record, policy: Policy | None) -> list[tuple[str, str]]:
    """Clauses a verdict can be about, with what they say: those that matched, else all there are."""
    says = {clause.id: clause.says for clause in policy.clauses} if policy else {}
    matched = record.get("clauses") or sorted(says)
    return [(id_, says.get(id_, "")) for id_ in matched[:100]]


def _give(asked: Asked, verdict: Verdict, said: str) -> Done:
    found = _found(asked)
    if found is None:
        raise UsageError("no decision has this id")
    record = stricter(found.told)
    clauses = record.get("clauses", ())
    clause = asked.text("clause", needed=False, at_most=200) or (str(clauses[0]) if len(clauses) == 1 else "")
    made = asked.console.feedback.give(
        record["exchange"],
        verdict,
        clause,
        asked.who.person,
        note=asked.text("note", needed=False),
        example=asked.text("example", needed=False) if verdict is not Verdict.RIGHT else "",
        person=record.get("person", ""),
    )
    return Done(said, f"/events/{record['exchange']}", made.as_json())


def _told(values: Mapping[str, Any], found: Found, led: Trace) -> dict[str, Any]:
    row = values["row"]
    return {
        "schema": "bartizan.event-page/1",
        "exchange": values["id"],
        "outcome": values["outcome"],
        "event": row_told(row) if row is not None else None,
        "records": found.told,
        "found": dict(found.counts),
        "clauses": [{"id": step.id, "then": step.outcome, "findings": step.numbers} for step in led.steps],
        "feedback": [one.as_json() for one in values["said"]],
        "assignee": values["assigned"].assignee if values["assigned"] else "",
    }


ROUTES = (
    page("/events/{id}", event, Role.VIEWER),
    act("/events/{id}/open", open_, Role.ANALYST),
    act("/events/{id}/confirm", confirm, Role.ANALYST),
    act("/events/{id}/mistake", mistake, Role.ANALYST),
    act("/events/{id}/missed", missed, Role.ANALYST),
    act("/events/{id}/withdraw", withdraw, Role.ANALYST),
    act("/events/{id}/notes", notes, Role.ANALYST),
    act("/events/{id}/assign", assign, Role.ANALYST),
)
