"""What people say about decisions: this one was right, or a mistake, or missed something; and who looks after it.

A note and an example quote what somebody wrote, so both are sealed to the person concerned: forgetting them erases
these too. Everything is recorded before it counts, without content.
"""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from bartizan.core.errors import InputError, StoreBroken, UsageError
from bartizan.store.connection import Row, Values
from bartizan.store.state import State
from bartizan.vault import Vault
from bartizan.vault.people import whose

MAX_NOTE = 4000  # Code points, of a note and of an example each.
MAX_LISTED = 1000
AT_ONCE = 500  # Values in one query; SQLite takes 32,766.
COLUMNS = (
    'id, exchange, verdict, clause, person, "by", at_us, example, sealed_note IS NOT NULL, sealed_example IS NOT NULL'
)
# What people pass in reaches the ledger: ids are ids, and hold no sentence.
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,127}")


class Verdict(StrEnum):
    """What somebody says about a decision."""

    RIGHT = "right"
    MISTAKE = "mistake"  # It stopped or changed what it should not have.
    MISSED = "missed"  # It let pass what it should not have.


class Proposal(StrEnum):
    """What became of a text that was proposed as an example for the policy."""

    NONE = "none"
    PROPOSED = "proposed"
    TAKEN = "taken"
    DISMISSED = "dismissed"


@dataclass(frozen=True, slots=True)
class Said:
    """One verdict on one exchange, as it may be shown. `person` is the one concerned, `by` the one who said it."""

    id: str
    exchange: str
    verdict: Verdict
    clause: str
    person: str
    by: str
    at_us: int
    example: Proposal
    has_note: bool
    has_example: bool

    @property
    def side(self) -> str:
        """What its example shall do to the clause: a mistake's `keeps` it, what was missed `breaks` it."""
        return "breaks" if self.verdict is Verdict.MISSED else "keeps"

    def as_json(self) -> dict[str, object]:
        """For lists."""
        return {
            "schema": "bartizan.feedback/1",
            "id": self.id,
            "exchange": self.exchange,
            "verdict": self.verdict.value,
            "clause": self.clause,
            "person": self.person,
            "by": self.by,
            "at_us": self.at_us,
            "example": self.example.value,
            "side": self.side,
        }


@dataclass(frozen=True, slots=True)
class Counts:
    """How many exchanges somebody called so."""

    right: int = 0
    mistake: int = 0
    missed: int = 0


@dataclass(frozen=True, slots=True)
class Assigned:
    """Who looks after an exchange or a case (`subject`), since when, and who said so. Pseudonyms."""

    subject: str
    assignee: str
    by: str
    at_us: int


class Feedback:
    """The verdicts and assignments of one home. People are given by name or by pseudonym.

    Args:
        record: Appends an event to the ledger and returns once it is durable; raises StoreError.
        clock_us: The time.
    """

    def __init__(
        self,
        state: State,
        vault: Vault,
        record: Callable[[Mapping[str, object]], None],
        clock_us: Callable[[], int] = lambda: time.time_ns() // 1000,
    ) -> None:
        self._state, self._vault, self._record, self._clock_us = state, vault, record, clock_us

    # ---- Verdicts ---------------------------------------------------------------------------------------------------

    def give(
        self,
        exchange: str,
        verdict: Verdict | str,
        clause: str,
        by: str,
        note: str = "",
        example: str = "",
        person: str = "",
    ) -> Said:
        """Somebody's verdict, in place of the one they gave before.

        Args:
            clause: The clause that was wrong or right; "" where none is meant. An example needs one.
            note: A sentence or two; sealed.
            example: A text that the clause should keep (mistake) or break (missed); sealed, and proposed to whoever
                writes the policy.
            person: Whose request or answer it was; note and example are sealed to them.

        Raises:
            InputError: Something is too long, is no id, or an example proves nothing here.
            UsageError: The person concerned was forgotten, and there is a note or an example.
        """
        try:
            verdict = Verdict(verdict)
        except ValueError:
            raise InputError(f"a verdict is one of {', '.join(Verdict)}", "verdict") from None
        _id(exchange, "exchange")
        if clause:
            _id(clause, "clause")
        for field, text in (("note", note), ("example", example)):
            if len(text) > MAX_NOTE:
                raise InputError(f"is longer than {MAX_NOTE} characters", field)
        if example and (verdict is Verdict.RIGHT or not clause):
            raise InputError("an example goes with a mistake or a miss, and with a clause", "example")
        said = Said(
            id="f-" + secrets.token_hex(8),
            exchange=exchange,
            verdict=verdict,
            clause=clause,
            person=whose(self._vault, person),
            by=self._somebody(by),
            at_us=self._clock_us(),
            example=Proposal.PROPOSED if example else Proposal.NONE,
            has_note=bool(note.strip()),
            has_example=bool(example),
        )
        if (said.has_note or example) and said.person and self._vault.name(said.person) is None:
            raise UsageError("the person concerned was forgotten: no text about them is kept")
        sealed_note = self._sealed(said, "note", note.strip()) if said.has_note else None
        sealed_example = self._sealed(said, "example", example) if example else None
        self._record(_event("feedback", said, said.by) | {"example": said.example.value})
        with self._state.transaction() as tx:
            tx.change('DELETE FROM feedback WHERE exchange = ? AND "by" = ?', (exchange, said.by))
            tx.change(
                "INSERT INTO feedback VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    said.id,
                    exchange,
                    verdict.value,
                    clause,
                    said.person,
                    said.by,
                    said.at_us,
                    said.example.value,
                    sealed_note,
                    sealed_example,
                ),
            )
        return said

    def withdraw(self, exchange: str, by: str) -> bool:
        """Take one's own verdict back; whether there was one. An example that the policy has taken stays there."""
        who = self._somebody(by)
        mine = next((said for said in self.about(exchange) if said.by == who), None)
        if mine is None:
            return False
        self._record(_event("feedback-withdrawn", mine, who))
        return bool(self._state.change("DELETE FROM feedback WHERE id = ?", (mine.id,)))

    def said(self, id_: str) -> Said:
        """One verdict. Raises UsageError where it was withdrawn or replaced."""
        for one in self._where("id = ?", (id_,)):
            return one
        raise UsageError("there is no such verdict any more: it was replaced or withdrawn")

    def about(self, exchange: str) -> tuple[Said, ...]:
        """All that was said about an exchange, oldest first."""
        return tuple(self._where("exchange = ? ORDER BY at_us, id LIMIT ?", (exchange, MAX_LISTED)))

    def among(self, exchanges: Iterable[str]) -> dict[str, tuple[Said, ...]]:
        """The same for a page of exchanges; those about which nobody said anything are left out."""
        found: dict[str, tuple[Said, ...]] = {}
        for some in _portions(exchanges):
            marks = ", ".join("?" * len(some))
            for said in self._where(f"exchange IN ({marks}) ORDER BY at_us, id", some):
                found[said.exchange] = (*found.get(said.exchange, ()), said)
        return found

    def since(self, since_us: int, limit: int = MAX_LISTED) -> tuple[Said, ...]:
        """What was said since then, newest first."""
        return tuple(self._where("at_us >= ? ORDER BY at_us DESC, id LIMIT ?", (since_us, limit)))

    def counts(self, since_us: int) -> dict[str, Counts]:
        """By clause, how many exchanges were called right, a mistake or missed since then, by anybody."""
        rows = self._state.query(
            "SELECT clause, verdict, count(DISTINCT exchange) FROM feedback WHERE at_us >= ? GROUP BY clause, verdict",
            (since_us,),
        )
        by_clause: dict[str, dict[str, int]] = {}
        for clause, verdict, number in rows:
            by_clause.setdefault(clause, {})[verdict] = number
        return {clause: Counts(**numbers) for clause, numbers in by_clause.items()}

    # ---- Texts ------------------------------------------------------------------------------------------------------

    def proposed(self, limit: int = 200) -> tuple[Said, ...]:
        """Examples that wait for whoever writes the policy, oldest first."""
        where = f"example = '{Proposal.PROPOSED}' ORDER BY at_us, id LIMIT ?"
        return tuple(self._where(where, (limit,)))

    def taken(self, limit: int = MAX_LISTED) -> tuple[Said, ...]:
        """Those that the policy took, newest first."""
        where = f"example = '{Proposal.TAKEN}' ORDER BY at_us DESC, id LIMIT ?"
        return tuple(self._where(where, (limit,)))

    def example_text(self, id_: str, by: str) -> str:
        """The text of an example. That it was opened, and by whom, is recorded first. Raises UsageError."""
        return self._opened(id_, "example", by)

    def note_text(self, id_: str, by: str) -> str:
        """The note that came with a verdict, recorded in the same way; "" where there is none. Raises UsageError."""
        return self._opened(id_, "note", by)

    def take(self, id_: str, by: str) -> Said:
        """Mark an example as taken into the policy, once it is there. Raises UsageError if it does not wait."""
        return self._settle(id_, Proposal.TAKEN, by)

    def dismiss(self, id_: str, by: str) -> Said:
        """Mark an example as not wanted. Raises UsageError if it does not wait."""
        return self._settle(id_, Proposal.DISMISSED, by)

    # ---- Who looks after it -----------------------------------------------------------------------------------------

    def assign(self, subject: str, to: str, by: str, now_us: int) -> Assigned | None:
        """Give an exchange, a case or a shape of events to somebody, in place of whoever has it; to "": to nobody."""
        _id(subject, "subject")
        assigned = Assigned(subject, whose(self._vault, to), self._somebody(by), now_us)
        about = {"exchange": subject}
        if subject.startswith("c-"):
            about = {"case": subject, "exchange": ""}
        elif subject.startswith("shape:"):
            about = {"shape": subject.removeprefix("shape:"), "exchange": ""}
        self._record({"event": "assigned", **about, "assignee": assigned.assignee, "by": assigned.by})
        with self._state.transaction() as tx:
            tx.change("DELETE FROM assignment WHERE subject = ?", (subject,))
            if assigned.assignee:
                values = (subject, assigned.assignee, assigned.by, now_us)
                tx.change("INSERT INTO assignment VALUES (?, ?, ?, ?)", values)
        return assigned if assigned.assignee else None

    def assigned(self, subject: str) -> Assigned | None:
        """Who looks after it."""
        return self.assigned_among((subject,)).get(subject)

    def assigned_among(self, subjects: Iterable[str]) -> dict[str, Assigned]:
        """The same for a page of exchanges or cases; those that nobody has are left out."""
        found: dict[str, Assigned] = {}
        for some in _portions(subjects):
            marks = ", ".join("?" * len(some))
            rows = self._state.query(f"SELECT * FROM assignment WHERE subject IN ({marks})", some)  # noqa: S608
            found |= {row[0]: Assigned(*row) for row in rows}
        return found

    def of(self, person: str, limit: int = 200) -> tuple[Assigned, ...]:
        """What somebody looks after, newest first."""
        rows = self._state.query(
            "SELECT * FROM assignment WHERE assignee = ? ORDER BY at_us DESC, subject LIMIT ?",
            (whose(self._vault, person), limit),
        )
        return tuple(Assigned(*row) for row in rows)

    # ---- Inside -----------------------------------------------------------------------------------------------------

    def _somebody(self, by: str) -> str:
        if not by.strip():
            raise InputError("somebody says it", "by")
        return whose(self._vault, by)

    def _where(self, condition: str, values: Values) -> Iterator[Said]:
        # What is put into SQL are our own names of columns and conditions, never a value.
        return map(_said, self._state.query(f"SELECT {COLUMNS} FROM feedback WHERE {condition}", values))  # noqa: S608

    def _settle(self, id_: str, to: Proposal, by: str) -> Said:
        who = self._somebody(by)
        said = self.said(id_)
        if said.example is not Proposal.PROPOSED:
            raise UsageError(f"this example is {said.example} already" if said.has_example else "there is no example")
        self._record(_event(f"example-{to}", said, who))
        settled = self._state.change(
            "UPDATE feedback SET example = ? WHERE id = ? AND example = ?", (to.value, id_, Proposal.PROPOSED.value)
        )
        if not settled:
            raise UsageError("somebody else decided on this example just now")
        return self.said(id_)

    def _sealed(self, said: Said, side: str, text: str) -> bytes:
        raw = text.encode("utf-8", "replace")  # A lone surrogate, which no file in UTF-8 could hold either.
        return self._vault.seal_as(said.person, said.at_us, raw, _aad(said, side)).blob

    def _opened(self, id_: str, side: str, by: str) -> str:
        """One side, or the sentence that says why it cannot be read any more."""
        who, said = self._somebody(by), self.said(id_)
        ((note, example),) = self._state.query("SELECT sealed_note, sealed_example FROM feedback WHERE id = ?", (id_,))
        blob = note if side == "note" else example
        if blob is None:
            return ""
        try:
            text, _ = self._vault.open_as(said.person, said.at_us, blob, _aad(said, side))
        except StoreBroken as error:
            return f"({error})"
        self._record(_event(f"{side}-opened", said, who))
        return text.decode("utf-8", "replace")


def _said(row: Row) -> Said:
    id_, exchange, verdict, clause, person, by, at_us, example, has_note, has_example = row
    return Said(
        id_, exchange, Verdict(verdict), clause, person, by, at_us, Proposal(example), bool(has_note), bool(has_example)
    )


def _event(what: str, said: Said, by: str) -> dict[str, object]:
    return {
        "event": what,
        "exchange": said.exchange,
        "feedback": said.id,
        "verdict": said.verdict.value,
        "clause": said.clause,
        "person": said.person,
        "by": by,
    }


def _aad(said: Said, side: str) -> bytes:
    return f"feedback {said.id} {side}".encode()


def _id(value: str, field: str) -> None:
    if not _ID.fullmatch(value):
        raise InputError("is no id", field)


def _portions(values: Iterable[str]) -> Iterator[list[str]]:
    every = list(dict.fromkeys(values))
    for at in range(0, len(every), AT_ONCE):
        yield every[at : at + AT_ONCE]
