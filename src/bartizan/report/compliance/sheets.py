"""Tables for spreadsheets and programs: the same rows as CSV and as JSON.

A cell that a spreadsheet would take for a formula gets an apostrophe in front (OWASP, CSV Injection); what nobody sees
in a cell becomes a replacement character, so that no cell hides or reorders another one's text.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from bartizan.inventory.exceptions import UseException
from bartizan.inventory.sheet import FORMULA
from bartizan.inventory.system import Decided, iso, when
from bartizan.report.compliance.evidence import Answered, Evidence
from bartizan.report.compliance.framework import Framework

CONTROLS = (
    "framework",
    "control",
    "title",
    "duty",
    "applies_since",
    "applies_now",
    "checked",
    "checked_where",
    "control_result",
    "attach",
    "query",
    "result",
    "value",
    "of",
    "says",
    "rows",
    "proof",
)
DECIDED = ("number", "system", "status", "alternative", "review_day", "by", "at")
EXCEPTIONS = ("id", "system", "who_kind", "who", "state", "until", "asked_by", "asked", "decided_by", "decided")
LEDGER = ("log", "origin", "records", "signed", "checkpoint", "root", "kept_outside", "first", "problem")
ROWS_IN_A_CELL = 200


@dataclass(frozen=True, slots=True)
class Sheet:
    """A table. `name` is that of its files, without a suffix."""

    name: str
    columns: Sequence[str]
    rows: Sequence[Mapping[str, object]]

    def as_csv(self) -> str:
        """RFC 4180, with a header."""
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\r\n")
        writer.writerow(self.columns)
        writer.writerows([cell(row.get(name)) for name in self.columns] for row in self.rows)
        return out.getvalue()

    def as_json(self) -> str:
        """One object with all rows."""
        value = {"schema": f"bartizan.evidence-{self.name}/1", "rows": [dict(row) for row in self.rows]}
        return json.dumps(value, ensure_ascii=False, indent=2) + "\n"


def cell(value: object) -> str:
    """One cell, harmless in a spreadsheet."""
    if value is None:
        return ""
    text = ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)
    text = visible(text)
    return f"'{text}" if text.startswith((*FORMULA, "'")) else text


def visible(text: str) -> str:
    """With line ends as they are, and everything else that nobody sees as a replacement character."""
    return "".join(c if c.isprintable() or c == "\n" else "\N{REPLACEMENT CHARACTER}" for c in text)


def controls(evidence: Evidence) -> Sheet:
    """A row for each query of each control; one for a control that only people can answer."""
    rows = [row for framework, every in evidence.frameworks for one in every for row in _control(framework, one)]
    return Sheet("controls", CONTROLS, rows)


def _control(framework: Framework, one: Answered) -> Iterable[dict[str, object]]:
    control = one.control
    about: dict[str, object] = {
        "framework": framework.id,
        "control": control.id,
        "title": control.title,
        "duty": control.duty,
        "applies_since": control.applies.day.isoformat() if control.applies.day else control.applies.what,
        "applies_now": {None: "", True: "yes", False: "not yet"}[one.applies],
        "checked": control.checked.value,
        "checked_where": control.where,
        "control_result": one.result.value,
        "attach": control.attach,
    }
    if not one.answers:
        yield about | {"query": "", "result": one.result.value}
    for answer in one.answers:
        found = answer.found
        left_out = len(found.rows) - ROWS_IN_A_CELL
        yield about | {
            "query": answer.query.id,
            "result": found.result.value,
            "value": found.value,
            "of": found.of,
            "says": found.says,
            "rows": [*found.rows[:ROWS_IN_A_CELL], *([f"and {left_out:,} more"] if left_out > 0 else [])],
            "proof": "; ".join(proof.words for proof in answer.proof),
        }


def decided(decisions: Iterable[Decided]) -> Sheet:
    """Every decision about a system. Reasons are sealed and not in it."""
    rows = [
        {
            "number": one.number,
            "system": one.system,
            "status": one.status.word,
            "alternative": one.alternative,
            "review_day": iso(one.review_day),
            "by": one.by,
            "at": when(one.at_us),
        }
        for one in decisions
    ]
    return Sheet("decisions", DECIDED, rows)


def exceptions(every: Iterable[UseException]) -> Sheet:
    """Every exception. People are pseudonyms; reasons are sealed and not in it."""
    rows = [
        {
            "id": one.id,
            "system": one.system,
            "who_kind": one.who_kind.value,
            "who": one.who,
            "state": one.state.value,
            "until": when(one.until_us),
            "asked_by": one.asked_by,
            "asked": when(one.asked_us),
            "decided_by": one.decided_by,
            "decided": when(one.decided_us),
        }
        for one in every
    ]
    return Sheet("exceptions", EXCEPTIONS, rows)


def ledger(evidence: Evidence) -> Sheet:
    """The logs: how long, signed how far, under which root, and kept outside how far."""
    kept = evidence.facts.outside.kept
    rows = [
        {
            "log": one.name,
            "origin": one.origin,
            "records": one.size,
            "signed": one.signed,
            "checkpoint": one.number,
            "root": one.root,
            "kept_outside": kept.get(one.name, 0),
            "first": when(one.first_us),
            "problem": one.problem,
        }
        for one in evidence.facts.logs
    ]
    return Sheet("ledger", LEDGER, rows)


def incidents(evidence: Evidence) -> Sheet:
    """The decisions of the time that stopped, held or changed something, the newest of very many."""
    rows = [
        {"exchange": one.exchange, "at": when(one.time_us), "outcome": one.outcome, "risks": list(one.risks)}
        for one in evidence.facts.incidents
    ]
    return Sheet("incidents", ("exchange", "at", "outcome", "risks"), rows)
