"""A case: what is asked, of whom, and what became of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from bartizan.core.decision import Action

COLUMNS = (
    'id, state, action, person, clauses, clause_digests, destination, "values", risks, tell, exchange, writer, '
    "created_us, expires_us, decided_us, decided_by"
)


class State(StrEnum):
    """Where a case stands. Only an open one can change."""

    OPEN = "open"
    GRANTED = "granted"
    REFUSED = "refused"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What somebody wants to pass: the facts a case is opened with.

    `values` are keyed digests (hex) of the matched texts, by the id of the clause that matched them; `clauses` are the
    digests of their wording, by id. `writer` names the log that holds the exchange's record.
    """

    action: Action
    person: str
    destination: str
    clauses: Mapping[str, str]
    values: Mapping[str, frozenset[str]]
    risks: tuple[str, ...] = ()
    tell: tuple[str, ...] = ()
    exchange: str = ""
    writer: str = ""


@dataclass(frozen=True, slots=True)
class Case:
    """One case as it may be shown: pseudonyms, names of clauses and risks, no text.

    `approvals` are those who said yes so far, and `needs` is how many must; of a decided case, how many did. Where a
    reason was enough, nobody approved. `decided_by` is "" where whoever followed the case's link gave that reason.
    """

    id: str
    state: State
    action: Action
    person: str
    clauses: Mapping[str, str]
    destination: str
    values: Mapping[str, frozenset[str]]
    risks: tuple[str, ...]
    tell: tuple[str, ...]
    exchange: str
    writer: str
    created_us: int
    expires_us: int
    decided_us: int | None
    decided_by: str | None
    needs: int = 1
    approvals: tuple[str, ...] = ()

    @classmethod
    def from_row(
        cls,
        row: tuple[Any, ...],  # Any: the columns are as different as the fields
        approvals: tuple[str, ...],
        now_us: int,
        reviewers: Callable[[str], int],
    ) -> Case:
        """A row of COLUMNS. An open case behind its time is an expired one, whether or not somebody cleaned up.

        `reviewers` says how many people a clause's review takes, by its id.
        """
        (id_, state, action, person, clauses, digests, destination, values, risks, tell, exchange, writer, *times) = row
        created_us, expires_us, decided_us, decided_by = times
        asked = json.loads(clauses)
        if state == State.OPEN:
            needs = max(map(reviewers, asked), default=1) if action == "review" else 1
        else:
            needs = max(len(approvals), 1)
        by_clause = json.loads(values)
        return cls(
            id=id_,
            state=State.EXPIRED if state == State.OPEN and expires_us <= now_us else State(state),
            action=Action[action.upper()],
            person=person,
            clauses=dict(zip(asked, json.loads(digests), strict=True)),
            destination=destination,
            # A forgotten person's case has lost its values.
            values={c: frozenset(v) for c, v in by_clause.items()} if isinstance(by_clause, dict) else {},
            risks=tuple(json.loads(risks)),
            tell=tuple(json.loads(tell)),
            exchange=exchange,
            writer=writer,
            created_us=created_us,
            expires_us=expires_us,
            decided_us=decided_us if state != State.OPEN else None,
            decided_by=decided_by if state != State.OPEN else None,
            needs=needs,
            approvals=approvals,
        )

    def as_json(self) -> dict[str, object]:
        """The case for its owner, for lists, and for the page behind its link."""
        return {
            "schema": "bartizan.case/1",
            "id": self.id,
            "state": self.state.value,
            "action": self.action.name.lower(),
            "person": self.person,
            "destination": self.destination,
            "clauses": sorted(self.clauses),
            "risks": list(self.risks),
            "tell": list(self.tell),
            "exchange": self.exchange,
            "created_us": self.created_us,
            "expires_us": self.expires_us,
            "decided_us": self.decided_us,
            "decided_by": self.decided_by,
            "needs": self.needs,
            "approvals": list(self.approvals),
        }


@dataclass(frozen=True, slots=True)
class Opened:
    """A case, the token its link ends in, and whether it is a new one: a retry finds the case it opened before."""

    case: Case
    token: str
    new: bool
