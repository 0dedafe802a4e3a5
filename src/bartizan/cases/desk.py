"""Opening, answering and closing cases.

Four steps keep the ledger ahead of the grant, and the grant ahead of the word. *Claim* the open case in one
transaction, so that of two who decide at once one wins and the other is told. *Record* the decision and wait until that
is durable: outside of any transaction, for the ledger's writer may need the state, too. *Grant*, and wait until every
process knows. *Settle*: only now does the case say so, and whoever hears it and tries again at once passes. A claim
whose process died on the way is void after a minute.

Where a clause wants two people, the first one's approval is recorded, kept, and decides nothing. Of two who come first
at once both are kept, and the later one finds the earlier and goes on to grant.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Mapping
from dataclasses import replace

from bartizan.cases.case import Case, Opened, State, Wanted
from bartizan.cases.queue import Queue, hashed
from bartizan.core.decision import Action
from bartizan.core.errors import CaseClosed, CaseDenied, InputError, UsageError
from bartizan.store.state import State as Store
from bartizan.vault import Vault
from bartizan.vault.people import known_as, whose

DAY_US = 86_400_000_000
CLAIM_US = 60_000_000
# S608 below: what is put into SQL are our own conditions, never a value.
FREE = "id = ? AND state = 'open' AND expires_us > ? AND (decided_us IS NULL OR decided_us <= ?)"  # Nobody decides now.
MINE = "id = ? AND state = 'open' AND decided_us = ? AND decided_by = ?"  # A case that this decision has claimed.
MAX_OPEN = 100  # Open cases of one person. One more closes the oldest, so that nobody can fill the disk with them.
MAX_SUBJECT_BYTES = 1 << 20  # What a reviewer can read; of a larger one the beginning is kept.
MAX_REASON = 4000  # Code points; a reason is a few sentences, not a document.

Event = Mapping[str, object]


class Desk(Queue):
    """The cases of one home.

    Args:
        record: Appends an event to the ledger and returns once it is durable; raises StoreError.
        person_only: Whether a clause demands that a person gives the reason, by its id (`reason_by: person`).
        grant_days: For how many days a clause's grant holds, by its id.
        approvals: How many people a clause's review takes, by its id (`approvals`).
        spread: Returns when all processes have heard of a grant.
    """

    def __init__(
        self,
        store: Store,
        vault: Vault,
        record: Callable[[Event], None],
        *,
        person_only: Callable[[str], bool],
        grant_days: Callable[[str], int],
        approvals: Callable[[str], int] = lambda _: 1,
        expire_days: int = 7,
        spread: Callable[[], None] = lambda: None,
    ) -> None:
        super().__init__(store, vault, approvals, expire_days * DAY_US)
        self._record, self._spread = record, spread
        self._person_only, self._grant_days = person_only, grant_days

    # ---- For whoever wants to pass ----------------------------------------------------------------------------------

    def open(self, wanted: Wanted, subject: bytes, now_us: int) -> Opened:
        """The open case for just this (person, clauses, destination, values), else a new one with the sealed subject.

        Raises UsageError where a grant could cover nothing, or the action is not one that waits for a person.
        """
        if wanted.action not in (Action.JUSTIFY, Action.REVIEW) or not wanted.person:
            raise UsageError("only a person's request that asks for a reason or a review opens a case")
        if not wanted.values or not all(wanted.values.get(clause) for clause in wanted.clauses):
            raise UsageError("nothing was matched that a grant could cover")
        person = self._vault.pseudonym(wanted.person)
        clauses = dict(sorted(wanted.clauses.items()))
        same = (
            person,
            json.dumps(list(clauses)),
            json.dumps(list(clauses.values())),
            wanted.destination,
            json.dumps({clause: sorted(wanted.values[clause]) for clause in clauses}),
        )
        query = (
            "SELECT id FROM case_ WHERE person = ? AND clauses = ? AND clause_digests = ? "
            "AND destination = ? AND \"values\" = ? AND state = 'open' AND expires_us > ?"
        )
        id_ = "c-" + secrets.token_hex(8)
        # Sealing may itself need a transaction (a month's first key), so it comes before ours.
        sealed = self._sealed(person, id_, "subject", _beginning(subject), now_us)
        with self._store.transaction() as tx:
            found = tx.query(query, (*same, now_us))
            if not found:
                tx.change(
                    'INSERT INTO case_ (id, state, action, person, clauses, clause_digests, destination, "values", '
                    "risks, tell, token_hash, exchange, writer, created_us, expires_us, sealed_subject) "
                    "VALUES (?, 'open', ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                    (
                        id_,
                        wanted.action.name.lower(),
                        *same,
                        json.dumps(list(wanted.risks)),
                        json.dumps(list(wanted.tell)),
                        hashed(self.token(id_)),
                        wanted.exchange,
                        wanted.writer,
                        now_us,
                        now_us + self._expire_us,
                        sealed,
                    ),
                )
        if not found:
            self._bound(person, now_us)
        case = self.case(found[0][0] if found else id_, now_us)
        return Opened(case, self.token(case.id), not found)

    def give_reason(self, id_: str, person: str, reason: str, now_us: int, *, by_key: bool) -> Case:
        """The person's own reason. It opens a JUSTIFY; for a REVIEW it is kept for whoever approves.

        Args:
            by_key: The reason came with a gateway key, which a program may hold.

        Raises:
            CaseUnknown: No such case of this person. CaseClosed: It is decided or expired.
            CaseDenied: A clause wants the reason from a person, and this came with a key.
            InputError: The reason is empty or too long.
        """
        reason = _reason(reason)
        case = self.owned(id_, person, now_us)
        if by_key and (clauses := self._wanting_a_person(case)):
            raise CaseDenied(
                f"{case.id}: {clauses}: a person gives the reason, not a program with a key\n"
                f"  bartizan cases reason {case.id} --by YOU"
            )
        return self._give(case, case.person, reason, now_us, "key" if by_key else "person")

    def give_reason_linked(self, token: str, reason: str, now_us: int) -> Case:
        """The reason of whoever follows the case's link; nobody knows that it is the person who asked.

        Raises what `give_reason` raises, CaseDenied where a clause wants the reason from a person.
        """
        reason = _reason(reason)
        case = self.linked(token, now_us)
        if clauses := self._wanting_a_person(case):
            raise CaseDenied(f"{case.id}: {clauses}: sign in, so that a person gives the reason")
        return self._give(case, "", reason, now_us, "link")

    def ask_review(self, id_: str, person: str, now_us: int, reason: str = "") -> Case:
        """The person would rather have somebody look than give a reason: from now on the case waits for a review.

        Asking again changes nothing. A reason that comes along is kept for whoever approves. Raises CaseUnknown,
        CaseClosed, InputError.
        """
        return self._ask(self.owned(id_, person, now_us), person, reason, now_us)

    def ask_review_linked(self, token: str, now_us: int, reason: str = "") -> Case:
        """The same by whoever follows the case's link: somebody else decides, so it takes no proof who asks."""
        return self._ask(self.linked(token, now_us), "", reason, now_us)

    # ---- For whoever decides ----------------------------------------------------------------------------------------

    def decide(self, id_: str, approve: bool, by: str, now_us: int, note: str = "") -> Case:
        """Approve or refuse, as somebody else than the one who asks; `by` is a name or a pseudonym.

        The first of two approvals leaves the case open. The note is written to the person who asks.

        Raises CaseUnknown, CaseClosed (also for the later one of two), CaseDenied for the requester and for whoever
        approved already, InputError.
        """
        if not by.strip() or len(note) > MAX_REASON:
            raise InputError(f"a decision has a name, and its note at most {MAX_REASON} characters", "by")
        case = self.case(id_, now_us)
        _still_open(case)
        who = whose(self._vault, by)
        if who == case.person or known_as(self._vault, who) == known_as(self._vault, case.person):
            raise CaseDenied(f"{case.id}: nobody decides on their own request; ask somebody else")
        if not approve:
            return self._close(case, State.REFUSED, who, now_us, note=note)
        before = self._approved(case)
        if known_as(self._vault, who) in before:
            # They may go on if it is enough by now: the policy asks for fewer, or a process died before it granted.
            if len(before) < case.needs:
                raise CaseDenied(f"{case.id}: you approved it already; it takes somebody else as well")
        elif len(before) + 1 < case.needs:
            case, note = self._approve(case, who, note, now_us), ""
            if len(self._approved(case)) < case.needs:
                return self.case(id_, now_us)
        return self._close(case, State.GRANTED, who, now_us, note=note)

    def texts(self, id_: str, by: str, now_us: int) -> dict[str, str]:
        """What is sealed: `subject` until the case is decided, `reason`, `note`. Opening is recorded first.

        A side whose key is gone (retention, or somebody was forgotten) says so in its place.
        """
        case = self.case(id_, now_us)
        rows = self._store.query("SELECT sealed_subject, sealed_reason, sealed_note FROM case_ WHERE id = ?", (id_,))
        sides = {side: blob for side, blob in zip(("subject", "reason", "note"), rows[0], strict=True) if blob}
        if not sides:
            return {}
        opened = {side: self._opened(case, side, blob) for side, blob in sides.items()}
        self._record(_event("case-opened", case, whose(self._vault, by)))
        return opened

    def expire(self, now_us: int) -> int:
        """Close what is behind its time and drop its texts and links; how many."""
        late = self._where("state = 'open' AND expires_us <= ?", (now_us,), now_us)
        closed = sum(self._expire(case, now_us) for case in late)
        self._store.change("DELETE FROM grant_ WHERE until_us <= ?", (now_us,))
        return closed

    # ---- Inside -----------------------------------------------------------------------------------------------------

    def _bound(self, person: str, now_us: int) -> None:
        order = "ORDER BY created_us DESC, id LIMIT -1 OFFSET ?"
        for case in self._where(f"person = ? AND state = 'open' {order}", (person, MAX_OPEN), now_us):
            self._expire(case, now_us)

    def _expire(self, case: Case, now_us: int) -> int:
        self._record(_event("case-expired", case, ""))
        return self._store.change(
            "UPDATE case_ SET state = 'expired', decided_us = ?, sealed_subject = NULL, token_hash = NULL "
            "WHERE id = ? AND state = 'open'",
            (now_us, case.id),
        )

    def _wanting_a_person(self, case: Case) -> str:
        return ", ".join(clause for clause in sorted(case.clauses) if self._person_only(clause))

    def _give(self, case: Case, by: str, reason: str, now_us: int, via: str) -> Case:
        _still_open(case)
        if case.action is Action.JUSTIFY:
            return self._close(case, State.GRANTED, by, now_us, reason=reason, via=via)
        return self._keep(case, reason, now_us)

    def _keep(self, case: Case, reason: str, now_us: int) -> Case:
        """A reason for whoever approves."""
        sealed = self._sealed(case.person, case.id, "reason", reason.encode(), case.created_us)
        kept = self._store.change(
            "UPDATE case_ SET sealed_reason = ? WHERE id = ? AND state = 'open'", (sealed, case.id)
        )
        case = self.case(case.id, now_us)
        if not kept:
            _still_open(case)
        return case

    def _ask(self, case: Case, by: str, reason: str, now_us: int) -> Case:
        reason = _reason(reason) if reason.strip() else ""
        _still_open(case)
        if case.action is Action.JUSTIFY:
            self._record(_event("case-review-asked", case, case.person if by else ""))
            changed = self._store.change(
                f"UPDATE case_ SET action = 'review' WHERE {FREE} AND action = 'justify'",  # noqa: S608
                _free(case, now_us),
            )
            case = self.case(case.id, now_us)
            if not changed and case.action is Action.JUSTIFY:
                raise _taken(case)
        return self._keep(case, reason, now_us) if reason else case

    def _approved(self, case: Case) -> frozenset[str]:
        """Who approved so far: people, not spellings of their names."""
        return frozenset(known_as(self._vault, one) for one in case.approvals)

    def _approve(self, case: Case, by: str, note: str, now_us: int) -> Case:
        """One approval that was not the last when we looked; the case with all that are kept up to this one."""
        if not self._store.query(f"SELECT 1 FROM case_ WHERE {FREE}", _free(case, now_us)):  # noqa: S608
            raise _taken(case)
        self._record(_event("case-approved", case, by))
        kept, rows = 0, []
        while not kept:  # Again only when somebody else's note came in between.
            old, sealed = self._noted(case, note)
            with self._store.transaction() as tx:
                if not tx.query(f"SELECT 1 FROM case_ WHERE {FREE}", _free(case, now_us)):  # noqa: S608
                    raise _taken(case)
                kept = tx.change(
                    "UPDATE case_ SET sealed_note = ? WHERE id = ? AND sealed_note IS ?", (sealed, case.id, old)
                )
                if kept:
                    tx.change("INSERT OR IGNORE INTO approval VALUES (?, ?, ?)", (case.id, by, now_us))
                    rows = tx.query('SELECT "by" FROM approval WHERE case_id = ?', (case.id,))
        return replace(case, approvals=tuple(who for (who,) in rows))

    def _noted(self, case: Case, note: str) -> tuple[bytes | None, bytes | None]:
        """The sealed note as it is, and with one more below."""
        ((old,),) = self._store.query("SELECT sealed_note FROM case_ WHERE id = ?", (case.id,))
        if not note:
            return old, old
        text = f"{self._opened(case, 'note', old)}\n\n{note}" if old else note
        return old, self._sealed(case.person, case.id, "note", text.encode(), case.created_us)

    def _close(
        self, case: Case, state: State, by: str, now_us: int, *, reason: str = "", note: str = "", via: str = ""
    ) -> Case:
        # Both before the claim: what cannot be sealed or granted is not decided either.
        granted = self._granted(case, now_us) if state is State.GRANTED else []
        sealed = self._sealed(case.person, case.id, "reason", reason.encode(), case.created_us) if reason else None
        claimed = self._store.change(
            f"UPDATE case_ SET decided_us = ?, decided_by = ? WHERE {FREE} AND action = ?",  # noqa: S608
            (now_us, by, *_free(case, now_us), case.action.name.lower()),
        )
        if not claimed:
            raise _taken(case)
        event = _event("case-granted" if state is State.GRANTED else "case-refused", case, by)
        try:
            self._record({**event, "via": via} if via else event)
        except BaseException:
            self._store.change("UPDATE case_ SET decided_us = NULL, decided_by = NULL WHERE id = ?", (case.id,))
            raise
        if granted:
            with self._store.transaction() as tx:
                if tx.query(f"SELECT 1 FROM case_ WHERE {MINE}", (case.id, now_us, by)):  # noqa: S608
                    tx.change_many("INSERT INTO grant_ VALUES (?, ?, ?, ?, ?, ?, ?)", granted)
            self._spread()
        _, noted = self._noted(case, note)
        with self._store.transaction() as tx:
            settled = tx.change(
                "UPDATE case_ SET state = ?, sealed_subject = NULL, sealed_note = ?, "  # noqa: S608
                f"sealed_reason = coalesce(?, sealed_reason) WHERE {MINE}",
                (state.value, noted, sealed, case.id, now_us, by),
            )
            if settled and state is State.REFUSED:
                tx.change("DELETE FROM grant_ WHERE case_id = ?", (case.id,))  # Of a claim that died before it settled.
            elif settled and not via:
                tx.change("INSERT OR IGNORE INTO approval VALUES (?, ?, ?)", (case.id, by, now_us))
        if not settled:
            raise CaseClosed(f"{case.id}: somebody else decided on it")
        return self.case(case.id, now_us)

    def _granted(self, case: Case, now_us: int) -> list[tuple[str, str, str, str, str, int, str]]:
        return [
            (case.person, clause, digest, case.destination, value, now_us + self._grant_days(clause) * DAY_US, case.id)
            for clause, digest in case.clauses.items()
            for value in sorted(case.values.get(clause, ()))
        ]

    def _sealed(self, pseudonym: str, id_: str, side: str, text: bytes, when_us: int) -> bytes:
        return self._vault.seal_as(pseudonym, when_us, text, f"case {id_} {side}".encode()).blob


def _event(what: str, case: Case, by: str) -> Event:
    return {
        "event": what,
        "case": case.id,
        "exchange": case.exchange,
        "action": case.action.name.lower(),
        "person": case.person,
        "by": by,
        "clauses": sorted(case.clauses),
        "clause_digests": [digest for _, digest in sorted(case.clauses.items())],
        "destination": case.destination,
    }


def _beginning(subject: bytes) -> bytes:
    if len(subject) <= MAX_SUBJECT_BYTES:
        return subject
    return subject[:MAX_SUBJECT_BYTES] + f"\n(the first {MAX_SUBJECT_BYTES} of {len(subject)} bytes)".encode()


def _reason(reason: str) -> str:
    reason = reason.strip()
    if not reason or len(reason) > MAX_REASON:
        raise InputError(f"a reason is 1 to {MAX_REASON} characters", "reason")
    return reason


def _free(case: Case, now_us: int) -> tuple[str, int, int]:
    """The values of FREE."""
    return case.id, now_us, now_us - CLAIM_US


def _taken(case: Case) -> CaseClosed:
    return CaseClosed(f"{case.id}: somebody else decides on it just now, or did")


def _still_open(case: Case) -> None:
    if case.state is not State.OPEN:
        raise CaseClosed(f"{case.id}: is {case.state.value} already")
