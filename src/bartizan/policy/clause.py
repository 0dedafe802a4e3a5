"""What a person writes down: clauses, their examples, and the exceptions to them."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from enum import StrEnum
from hashlib import sha256

from bartizan.core.decision import Action, How
from bartizan.core.finding import Failure, Seen
from bartizan.core.subject import Context, History
from bartizan.policy.conditions import Condition, Risk
from bartizan.profiles.asking import Asking
from bartizan.readers.assessment import Assessed
from bartizan.readers.logs.usage import Usage

GRANT_DAYS = 30
MAX_APPROVALS = 2


class Then(StrEnum):
    """What a clause does. The two edits let the rest of the text pass."""

    ALLOW = "allow"
    WARN = "warn"
    REDACT = "redact"
    PSEUDONYMISE = "pseudonymise"
    JUSTIFY = "justify"
    REVIEW = "review"
    BLOCK = "block"

    @property
    def action(self) -> Action:
        """Its action; an edit has none of its own."""
        return Action.ALLOW if self in EDITS else Action[self.name]


EDITS = {Then.REDACT: How.REDACT, Then.PSEUDONYMISE: How.PSEUDONYMISE}
STRICTNESS = {then: n for n, then in enumerate(Then)}
STRICTNESS[Then.REDACT], STRICTNESS[Then.PSEUDONYMISE] = 3, 2  # A redacted text tells less than a pseudonym.


class Mode(StrEnum):
    """An observing clause changes nothing; the decision says what it would have done."""

    ENFORCE = "enforce"
    OBSERVE = "observe"


class Stream(StrEnum):
    """What a clause does to a reply that is being streamed: STOP at the first refused place, or HOLD it all."""

    STOP = "stop"
    HOLD = "hold"


class ReasonBy(StrEnum):
    """Who may give the reason that a JUSTIFY asks for."""

    ANYONE = "anyone"
    PERSON = "person"


class Bodies(StrEnum):
    """Which texts are kept, sealed."""

    NONE = "none"
    FINDINGS = "findings"
    ALL = "all"


class Durability(StrEnum):
    """When a request's record is flushed: before the first word of the answer, or before the request is sent on."""

    STRICT = "strict"
    BEFORE_SEND = "before-send"


class OnFull(StrEnum):
    """What happens when no record can be kept because the disk is full."""

    REFUSE = "refuse"
    PASS = "pass"  # noqa: S105  Not a password.


@dataclass(frozen=True, slots=True)
class Example:
    """A text, chat, usage, assessment or asking, and the facts about it that differ from what its clause asks for.

    `line` is where it stands.
    """

    text: str = ""
    messages: object = None
    usage: Usage | None = None
    assessment: Assessed | None = None
    asking: Asking | None = None
    facts: tuple[tuple[str, object], ...] = ()
    line: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Exempt:
    """Somebody for whom a clause does not hold, until a day: the policy's only way to loosen anything."""

    clause: str
    who: tuple[Condition, ...]
    where: tuple[Condition, ...]
    until: str  # the last day on which it holds, UTC
    until_us: int  # the end of that day
    why: str
    approved_by: str
    line: int = field(default=0, compare=False)
    column: int = field(default=0, compare=False)

    @property
    def key(self) -> str:
        """What tells it from the others of its policy: a digest of its clause, whom and where (12 digits, hex)."""
        said = [self.clause, *((c.field, c.plain()) for c in sorted((*self.who, *self.where), key=lambda c: c.field))]
        return sha256(json.dumps(said).encode()).hexdigest()[:12]

    def holds(self, context: Context) -> bool:
        """Whether it holds for whom and when. While nobody knows the time, it does not."""
        return 0 < context.when_us < self.until_us and all(
            condition.holds(ANY, context, NO_HISTORY) for condition in (*self.who, *self.where)
        )


ANY = Seen(Failure("", ()))
NO_HISTORY = History()


@dataclass(frozen=True, slots=True)
class Clause:
    """One rule: what it asks (`conditions`, all of which must hold) and what it does then."""

    id: str
    says: str
    conditions: tuple[Condition, ...]
    then: Then
    why: str = ""
    tell: str = ""
    mode: Mode = Mode.ENFORCE
    stream: Stream = Stream.STOP
    on_failure: Action = Action.BLOCK
    reason_by: ReasonBy = ReasonBy.ANYONE
    approvals: int = 1  # how many people, none of them the one who asks, a REVIEW wants: 1 or 2
    deep: bool = False  # `examine: deep`: slow detectors run for this clause, though it observes or asks for any risk
    grant_days: int = GRANT_DAYS
    breaks: tuple[Example, ...] = ()
    keeps: tuple[Example, ...] = ()
    line: int = field(default=0, compare=False)
    column: int = field(default=0, compare=False)

    @property
    def when(self) -> dict[str, object]:
        """The conditions as plain values, the same for clauses that ask the same."""
        out: dict[str, object] = {}
        for condition in sorted(self.conditions, key=lambda c: c.field):
            group, _, name = condition.field.partition(".")
            if name:
                inner = out.setdefault(group, {})
                assert isinstance(inner, dict)
                inner[name] = condition.plain()
            else:
                out[group] = condition.plain()
        return out

    @property
    def digest(self) -> str:
        """What a grant is tied to: what the clause asks, does and tells; no comments, examples or layout (hex)."""
        return _digest(self)

    def condition(self, name: str) -> Condition | None:
        """The condition on one field."""
        return next((c for c in self.conditions if c.field == name), None)

    def asks(self, risk: str) -> bool:
        """Whether findings of this risk can match."""
        wanted = self.condition("risk")
        return not isinstance(wanted, Risk) or wanted.asks(risk)

    @property
    def names_risks(self) -> bool:
        """Whether it says which risks it asks about; `*` and nothing do not."""
        wanted = self.condition("risk")
        return isinstance(wanted, Risk) and "*" not in wanted.wanted

    @property
    def reviewers(self) -> int:
        """How many people its review takes; nothing else takes more than one."""
        return self.approvals if self.then is Then.REVIEW else 1

    @property
    def enforced(self) -> bool:
        """Whether it changes what happens."""
        return self.mode is Mode.ENFORCE


def _digest(clause: Clause) -> str:
    said: dict[str, object] = {
        "id": clause.id,
        "says": clause.says,
        "tell": clause.tell,
        "when": clause.when,
        "then": clause.then,
        "on_failure": clause.on_failure.name,
        "reason_by": clause.reason_by,
    }
    if clause.approvals > 1:  # Only then, so that grants from before there was such a field hold.
        said["approvals"] = clause.approvals
    return sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()
