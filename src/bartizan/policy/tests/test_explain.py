"""An explanation names what held and what would have to differ, nearest first, and none of the text."""

from __future__ import annotations

from dataclasses import replace

from bartizan.core.finding import Failure, Finding, Place, Seen, Severity
from bartizan.core.subject import Context, Grant, History
from bartizan.policy.explain import about, asks, explain
from bartizan.policy.model import Policy
from bartizan.policy.read import read

NOON_MONDAY = 1_767_571_200_000_000 + 12 * 3_600_000_000
ADA = Context(person="ada@example.org", groups=("hr",), provider="openai", model="gpt-4o", when_us=NOON_MONDAY)
SEEN = Seen(
    Finding("secret.jwt", Severity.MEDIUM, 0.6, (Place("/a", 3, 9),), "a token", (), "text.secrets@1"),
    values=("ab" * 32,),
)
FAILURE = Seen(Failure("model missing", ("secret.jwt",), (), "text.secrets@1"))


def policy(*clauses: str, exceptions: str = "[]") -> Policy:
    lines = "".join(f"  - {{id: c{n}, says: x, {clause}}}\n" for n, clause in enumerate(clauses))
    return read(f"policy: p\nversion: 1\nclauses:\n{lines}exceptions: {exceptions}\n")


def test_near_misses_come_in_the_order_of_what_they_lack() -> None:
    p = policy(
        "when: {risk: personal.*}, then: warn",
        'when: {risk: secret.*, severity: high+, confidence: ">=0.9", where: {model: "claude*"}}, then: warn',
        "when: {risk: secret.*}, then: redact",
        "when: {risk: secret.*, severity: high+}, then: block",
    )
    told = explain(p, [SEEN], ADA)
    assert [a.clause.id for a in told.matched] == ["c2"] and told.matched[0].did == "redact"
    assert [a.clause.id for a in told.near] == ["c3", "c1", "c0"]
    assert [str(s) for s in told.near[0].said] == [
        "the risk is secret.jwt",
        "its severity is medium; it would have to be: high or higher",
    ]
    assert [str(s) for s in told.near[1].missing] == [
        "its severity is medium; it would have to be: high or higher",
        "its confidence is 0.6; it would have to be: >= 0.9",
        "the model is gpt-4o; it would have to be: like claude*",
    ]


def test_the_nearest_of_several_findings_is_told() -> None:
    p = policy("when: {risk: secret.*, severity: high+}, then: warn")
    other = replace(SEEN, item=replace(SEEN.item, risk="personal.email"))
    (answer,) = explain(p, [other, SEEN], ADA).near
    assert about(answer.item) == "a finding of secret.jwt by text.secrets@1"


def test_every_field_has_words_for_what_was_there() -> None:
    p = policy(
        "when: {risk: secret.jwt, detector: text.hidden, kind: file, direction: in, trust: own, role: tool, labels: l, "
        "taint: web, who: {person: bob, group: it, app: a, key: k}, where: {provider: b, host: c, sanctioned: true}, "
        "time: {from: '1:00', to: '2:00', days: [tue]}, measures: {share: '>0'}}, then: warn"
    )
    (answer,) = explain(p, [SEEN], ADA).near
    assert [str(s) for s in answer.missing] == [
        "the detector is text.secrets; it would have to be: text.hidden",
        "the kind is text; it would have to be: file",
        "the direction is out; it would have to be: in",
        "whose words it is in is user; it would have to be: own",
        "the role is not known; it would have to be: tool",
        "a label is not known; it would have to be: l",
        "a taint is not known; it would have to be: web",
        "the person is ada@example.org; it would have to be: bob",
        "a group of the person is hr; it would have to be: it",
        "the app is not known; it would have to be: a",
        "the key is not known; it would have to be: k",
        "the provider is openai; it would have to be: b",
        "the host is not known; it would have to be: like c",
        "that the service is sanctioned is not known; it would have to be: true",
        "the time is mon 12:00; it would have to be: from 01:00 to 02:00 on tue (UTC)",
        "share was not measured; it would have to be: > 0",
    ]


def test_nothing_seen_lacks_everything_but_the_circumstances() -> None:
    told = explain(policy("when: {risk: secret.*, direction: out}, then: warn"), [], ADA)
    (answer,) = told.near
    assert answer.item is None and about(answer.item) == "nothing"
    assert [(s.field, s.held) for s in answer.said] == [("risk", False), ("direction", True)]


def test_what_came_of_a_clause_is_said() -> None:
    def did(clause: str, seen: Seen = SEEN, known: History | None = None) -> str:
        return explain(policy(clause), [seen], ADA, known or History()).matched[0].did

    assert did("when: {risk: secret.*}, then: allow") == "allow"
    assert did("when: {risk: secret.*}, then: block, mode: observe") == "would block"
    assert did("when: {risk: secret.*}, then: warn", FAILURE) == "block (something could not be looked at)"
    assert did("when: {risk: secret.*}, then: review, approvals: 2") == "review by 2 people"
    unplaced = replace(SEEN, item=replace(SEEN.item, places=()))
    assert did("when: {risk: secret.*}, then: redact", unplaced) == "block (it has no place that could be edited)"
    asking = policy("when: {risk: secret.*}, then: justify")
    grant = Grant(ADA.person, "c0", asking.clauses[0].digest, "openai", "ab" * 32, NOON_MONDAY + 1)
    known = History(frozenset({grant}))
    assert did("when: {risk: secret.*}, then: justify", SEEN, known) == "allow (a grant covers it)"


def test_an_exception_is_told() -> None:
    exempt = "[{clause: c0, who: {group: hr}, until: 2026-01-05, why: a, approved_by: b}]"
    (answer,) = explain(policy("when: {risk: secret.*}, then: block", exceptions=exempt), [SEEN], ADA).answers
    assert answer.matched and answer.excepted and answer.did == ""


def test_what_a_clause_asks_reads_as_a_sentence() -> None:
    clause = policy(
        "when: {risk: [secret.*, personal.iban], severity: [low, high], direction: out}, then: warn"
    ).clauses[0]
    assert asks(clause) == "the risk is secret.* or personal.iban, its severity is low or high, the direction is out"
