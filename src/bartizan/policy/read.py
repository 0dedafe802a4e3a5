"""From the text of a policy to the policy, or to everything that is wrong with it.

Mistakes are collected, not raised one by one: a person fixes them all in one go. What is wrong here keeps the policy
from being used; what is merely unwise (a clause that can never match) is `check`'s business.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from hashlib import sha256

from bartizan.core.decision import Action
from bartizan.core.errors import PolicyError
from bartizan.core.subject import Direction, Kind, Trust
from bartizan.policy.asking import asking_of
from bartizan.policy.assessment import assessment_of
from bartizan.policy.clause import (
    GRANT_DAYS,
    MAX_APPROVALS,
    Bodies,
    Clause,
    Durability,
    Example,
    Exempt,
    Mode,
    OnFull,
    ReasonBy,
    Stream,
    Then,
)
from bartizan.policy.document import List, Map, Node, Text, parse
from bartizan.policy.fields import meant, plain, shown
from bartizan.policy.model import Policy
from bartizan.policy.usage import usage_of
from bartizan.policy.when import NAMES, WHERE_FIELDS, WHO_FIELDS, Asking

POLICY_FIELDS = ("policy", "version", "owner", "bodies", "durability", "on_full", "clauses", "exceptions")
CLAUSE_FIELDS = (
    "id",
    "says",
    "why",
    "when",
    "then",
    "tell",
    "mode",
    "stream",
    "on_failure",
    "reason_by",
    "approvals",
    "grant_for",
    "examine",
    "examples",
)
EXCEPTION_FIELDS = ("clause", "who", "where", "until", "why", "approved_by")
FACTS = ("direction", "kind", "trust", "role", "labels", "taint", "who", "where", "at")
SORTS = ("text", "messages", "usage", "assessment", "asking")  # Of examples; each is one of them.
EXAMPLE_FIELDS = (*SORTS, *FACTS)

MAX_CLAUSES = 1000
MAX_EXAMPLE = 64 * 1024
MAX_GRANT_DAYS = 3660
_ID = re.compile(r"[a-z0-9]+(?:[._-][a-z0-9]+)*")
ON_FAILURE = {a.name.lower(): a for a in (Action.ALLOW, Action.WARN, Action.REVIEW, Action.BLOCK)}


def read(
    text: str,
    name: str = "policy.yaml",
    *,
    risks: Mapping[str, object] | None = None,
    detectors: Collection[str] = (),
) -> Policy:
    """The policy that `text` holds.

    Args:
        text: YAML, as a person wrote it.
        name: What problems call the file.
        risks: The risk catalogue, by id, or its TOML. None: names of risks are not checked.
        detectors: Ids of the detectors there are. Empty: names of detectors are not checked.

    Raises:
        PolicyError: with every mistake, its line, column, and what may have been meant.
    """
    reader = _Reader(name, known_risks(risks), frozenset(detectors))
    root = parse(text.removeprefix("\ufeff"), name)
    policy = reader.policy(root, sha256(text.encode("utf-8", "surrogatepass")).hexdigest())
    if policy is None or reader.problems:
        raise PolicyError(tuple(reader.problems))
    return policy


def known_risks(risks: Mapping[str, object] | None) -> frozenset[str]:
    """All ids of a catalogue: a mapping by id, or the TOML that has one under `risk`."""
    table = (risks or {}).get("risk", risks)
    return frozenset(table) if isinstance(table, Mapping) else frozenset()


class _Reader(Asking):
    # ---- The policy as a whole ---------------------------------------------------------------------------------------

    def policy(self, root: Node, digest: str) -> Policy | None:
        got = self.members(root, "", POLICY_FIELDS, needed=("policy", "version", "clauses"))
        if got is None:
            return None
        clauses = self._clauses(got.get("clauses"))
        exceptions = self._exceptions(got.get("exceptions"), {clause.id for clause in clauses})
        name = self.text(got.get("policy"), "policy")
        if name and not _ID.fullmatch(name):
            self.no(got["policy"], "policy", f"{shown(name)} is not a name", NAMES)
        return Policy(
            name=name,
            version=self.text(got.get("version"), "version"),
            owner=self.text(got.get("owner"), "owner"),
            bodies=self.choice(got.get("bodies"), "bodies", Bodies, Bodies.FINDINGS),
            durability=self.choice(got.get("durability"), "durability", Durability, None),
            on_full=self.choice(got.get("on_full"), "on_full", OnFull, None),
            clauses=clauses,
            exceptions=exceptions,
            digest=digest,
        )

    def _clauses(self, node: Node | None) -> list[Clause]:
        if node is None:
            return []
        if not isinstance(node, List) or not node.items:
            self.no(node, "clauses", "is a list of at least one clause")
            return []
        if len(node.items) > MAX_CLAUSES:
            self.no(node, "clauses", f"has more than {MAX_CLAUSES} clauses")
            return []
        clauses: list[Clause] = []
        lines: dict[str, int] = {}
        for n, item in enumerate(node.items, 1):
            clause = self._clause(item, n)
            if clause is None:
                continue
            if clause.id in lines:
                self.no(item, f"clause {clause.id}", f"the clause in line {lines[clause.id]} has the same id")
            lines.setdefault(clause.id, clause.line)
            clauses.append(clause)
        return clauses

    # ---- One clause --------------------------------------------------------------------------------------------------

    def _clause(self, node: Node, n: int) -> Clause | None:
        id_ = node.get("id") if isinstance(node, Map) else None
        named = isinstance(id_, Text) and _ID.fullmatch(id_.value)
        where = f"clause {id_.value}" if isinstance(id_, Text) and named else f"clause {n}"
        got = self.members(node, where, CLAUSE_FIELDS, needed=("id", "says", "when", "then"))
        if got is None:
            return None
        if id_ is not None and not named:
            self.no(id_, where, "the id is not a name", NAMES)
        then = self.choice(got.get("then"), f"{where}, then", Then, None)
        conditions = self.when(got.get("when"), f"{where}, when")
        breaks, keeps = self._examples(got.get("examples"), f"{where}, examples")
        self._means_something(got, where, then)
        return Clause(
            id=id_.value if isinstance(id_, Text) else "",
            says=self.text(got.get("says"), f"{where}, says"),
            why=self.text(got.get("why"), f"{where}, why"),
            tell=self.text(got.get("tell"), f"{where}, tell"),
            conditions=conditions,
            then=then or Then.BLOCK,
            mode=self.choice(got.get("mode"), f"{where}, mode", Mode, Mode.ENFORCE),
            stream=self.choice(got.get("stream"), f"{where}, stream", Stream, Stream.STOP),
            on_failure=self._on_failure(got.get("on_failure"), f"{where}, on_failure"),
            reason_by=self.choice(got.get("reason_by"), f"{where}, reason_by", ReasonBy, ReasonBy.ANYONE),
            approvals=self._approvals(got.get("approvals"), f"{where}, approvals"),
            grant_days=self._days(got.get("grant_for"), f"{where}, grant_for"),
            deep=self._deep(got.get("examine"), f"{where}, examine"),
            breaks=breaks,
            keeps=keeps,
            line=node.line,
            column=node.column,
        )

    def _means_something(self, got: Mapping[str, Node], where: str, then: Then | None) -> None:
        """Fields that belong to another `then`: whoever wrote them expects something that will not happen."""
        if then is None:
            return
        if "reason_by" in got and then is not Then.JUSTIFY and then is not Then.REVIEW:
            self.no(got["reason_by"], where, f"nobody is asked for a reason by `then: {then}`", "Remove reason_by.")
        if "grant_for" in got and then is not Then.JUSTIFY and then is not Then.REVIEW:
            self.no(got["grant_for"], where, f"nothing is granted by `then: {then}`", "Remove grant_for.")

    def _on_failure(self, node: Node | None, where: str) -> Action:
        word = self.text(node, where)
        if node is None or not word:
            return Action.BLOCK
        if word not in ON_FAILURE:
            hint = meant(word, ON_FAILURE)
            if word == "justify":
                hint = "A failure matched nothing that a grant could cover, so no reason would let it pass."
            self.no(node, where, f"{shown(word)} is not one of {', '.join(ON_FAILURE)}", hint)
        return ON_FAILURE.get(word, Action.BLOCK)

    def _days(self, node: Node | None, where: str) -> int:
        if node is None:
            return GRANT_DAYS
        match = re.fullmatch(r"([0-9]{1,5}) days?", self.text(node, where))
        if match is None or not 1 <= int(match[1]) <= MAX_GRANT_DAYS:
            self.no(node, where, f"is a number of days up to {MAX_GRANT_DAYS}", "For example: grant_for: 30 days")
            return GRANT_DAYS
        return int(match[1])

    def _approvals(self, node: Node | None, where: str) -> int:
        word = self.text(node, where)
        wanted = [str(n) for n in range(1, MAX_APPROVALS + 1)]
        if node is not None and word and word not in wanted:
            hint = f"How many people have to approve: {' or '.join(wanted)}."
            self.no(node, where, f"{shown(word)} is not one of {', '.join(wanted)}", hint)
        return int(word) if word in wanted else 1

    def _deep(self, node: Node | None, where: str) -> bool:
        word = self.text(node, where)
        if node is not None and word and word != "deep":
            self.no(node, where, f"{shown(word)} is not deep", "Leave it out, or write: examine: deep")
        return word == "deep"

    # ---- Examples ----------------------------------------------------------------------------------------------------

    def _examples(self, node: Node | None, where: str) -> tuple[tuple[Example, ...], tuple[Example, ...]]:
        got = self.members(node, where, ("breaks", "keeps")) if node is not None else None
        both: list[tuple[Example, ...]] = []
        for side in ("breaks", "keeps"):
            value = (got or {}).get(side)
            if value is None:
                both.append(())
            elif not isinstance(value, List):
                self.no(value, f"{where}, {side}", "is a list of texts", f'For example: {side}: ["a text"]')
                both.append(())
            else:
                ones = (self._example(item, f"{where}, {side}, {n}") for n, item in enumerate(value.items, 1))
                both.append(tuple(one for one in ones if one is not None))
        return both[0], both[1]

    def _example(self, node: Node, where: str) -> Example | None:
        if isinstance(node, Text):
            return Example(self.text(node, where, limit=MAX_EXAMPLE, empty=True), line=node.line)
        got = self.members(node, where, EXAMPLE_FIELDS)
        if got is None:
            return None
        if sum(sort in got for sort in SORTS) != 1:
            self.no(node, where, "has one of a text, messages, a usage, an assessment and an asking")
            return None
        facts: list[tuple[str, object]] = []
        for field in got:
            if field in FACTS:
                fact = self._fact(field, got[field], f"{where}, {field}")
                if fact is not None:
                    facts.append((field, fact))
        text = (
            "".join(v for v, _ in self.texts(got["text"], f"{where}, text", limit=MAX_EXAMPLE)) if "text" in got else ""
        )
        messages = plain(got["messages"]) if "messages" in got else None
        if "messages" in got and not isinstance(messages, list):
            self.no(got["messages"], f"{where}, messages", "is a list of messages with role and content")
            return None
        usage = usage_of(self, got["usage"], f"{where}, usage") if "usage" in got else None
        assessment = assessment_of(self, got["assessment"], f"{where}, assessment") if "assessment" in got else None
        asking = asking_of(self, got["asking"], f"{where}, asking") if "asking" in got else None
        return Example(text, messages, usage, assessment, asking, tuple(facts), node.line)

    def _fact(self, field: str, node: Node, where: str) -> object:
        match field:
            case "direction" | "kind" | "trust":
                kinds: type[StrEnum] = {"direction": Direction, "kind": Kind, "trust": Trust}[field]
                return self.choice(node, where, kinds, None)
            case "labels" | "taint":
                return frozenset(value for value, _ in self.texts(node, where))
            case "who" | "where":
                allowed = WHO_FIELDS if field == "who" else WHERE_FIELDS
                inner = self.members(node, where, allowed) or {}
                return {name: [v for v, _ in self.texts(value, f"{where}, {name}")] for name, value in inner.items()}
            case "at":
                return self._moment(node, where)
        return self.text(node, where)

    def _moment(self, node: Node, where: str) -> int | None:
        try:
            then = datetime.fromisoformat(self.text(node, where).replace(" ", "T", 1))
        except ValueError:
            self.no(node, where, "is not a date with time", "For example: 2027-01-31T22:30+01:00")
            return None
        then = then if then.tzinfo else then.replace(tzinfo=UTC)
        return (then - _EPOCH) // timedelta(microseconds=1)

    # ---- Exceptions --------------------------------------------------------------------------------------------------

    def _exceptions(self, node: Node | None, ids: set[str]) -> list[Exempt]:
        if node is None:
            return []
        if not isinstance(node, List):
            self.no(node, "exceptions", "is a list")
            return []
        out: list[Exempt] = []
        seen: dict[object, int] = {}
        for n, item in enumerate(node.items, 1):
            where = f"exception {n}"
            got = self.members(item, where, EXCEPTION_FIELDS, needed=("clause", "who", "until", "why", "approved_by"))
            if got is None:
                continue
            clause = self.text(got.get("clause"), f"{where}, clause")
            if clause and clause not in ids:
                self.no(got["clause"], where, f"there is no clause called {shown(clause)}", meant(clause, ids))
            until, until_us = self._until(got.get("until"), f"{where}, until")
            exempt = Exempt(
                clause=clause,
                who=tuple(self.who(got["who"], f"{where}, who")) if "who" in got else (),
                where=tuple(self.where(got["where"], f"{where}, where")) if "where" in got else (),
                until=until,
                until_us=until_us,
                why=self.text(got.get("why"), f"{where}, why"),
                approved_by=self.text(got.get("approved_by"), f"{where}, approved_by"),
                line=item.line,
                column=item.column,
            )
            same = (clause, exempt.who, exempt.where)
            if same in seen:
                self.no(
                    item, where, f"says the same as the one in line {seen[same]}", "Keep the one that holds longer."
                )
            seen.setdefault(same, item.line)
            out.append(exempt)
        return out

    def _until(self, node: Node | None, where: str) -> tuple[str, int]:
        word = self.text(node, where)
        if node is None or not word:
            return "", 0
        try:
            day = date.fromisoformat(word)
        except ValueError:
            self.no(node, where, "is not a date", "The last day it holds (UTC), for example: 2027-01-31")
            return "", 0
        if day.year >= 9999:
            self.no(node, where, "is no end", "An exception ends; choose a day on which somebody looks at it again.")
            return "", 0
        end = datetime.combine(day, time(), UTC) + timedelta(days=1)
        return day.isoformat(), (end - _EPOCH) // timedelta(microseconds=1)


_EPOCH = datetime.fromtimestamp(0, UTC)
