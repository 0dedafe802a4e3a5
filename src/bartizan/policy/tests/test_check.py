"""Clauses that can never match or change anything are told; clauses that can are left alone."""

from __future__ import annotations

import pytest

from bartizan import rules
from bartizan.core.detector import Cost, Detector
from bartizan.core.finding import Severity
from bartizan.core.subject import Kind
from bartizan.detectors import found
from bartizan.policy.check import check


def detector(id_: str, severity: Severity, *risks: str) -> Detector:
    return Detector(id_, Kind.TEXT, frozenset(), risks, severity, Cost.INLINE, "", lambda subject, hits: ())


DETECTORS = (
    detector("text.secrets", Severity.CRITICAL, "secret.jwt", "secret.aws-access-key"),
    detector("text.personal-data", Severity.MEDIUM, "personal.email", "personal.iban"),
)
RISKS = dict.fromkeys([*DETECTORS[0].risks, *DETECTORS[1].risks, "phishing.link", "unread.picture"])
NOW_US = 1_767_571_200_000_000  # 2026-01-05
REST = "says: x, tell: y, examples: {breaks: [a], keeps: [b]}"


def said(*clauses: str, exceptions: str = "[]") -> list[str]:
    lines = "".join(f"  - {{id: c{n}, {REST}, {clause}}}\n" for n, clause in enumerate(clauses))
    text = f"policy: p\nversion: 1\nclauses:\n{lines}exceptions: {exceptions}\n"
    return [str(p) for p in check(text, "p.yaml", risks=RISKS, detectors=DETECTORS, now_us=NOW_US)]


def test_the_default_has_nothing_to_remark() -> None:
    text = rules.text("bartizan.rules", "policies/default.yaml")
    risks = rules.load("bartizan.rules", "risks.toml")
    assert check(text, "default.yaml", risks=risks, detectors=found(), now_us=NOW_US) == ()


NEVER = {
    "a risk nobody looks for": ("risk: phishing.*", "risk: unread.picture", "nothing here looks for phishing.*"),
    "another detector's risk": (
        "risk: personal.email, detector: text.secrets",
        "risk: secret.*, detector: text.secrets",
        "text.secrets does not look for personal.email\n  It finds secret.aws-access-key or secret.jwt.",
    ),
    "worse than it gets": (
        "risk: personal.*, severity: high+",
        "risk: [personal.*, secret.jwt], severity: high+",
        "asks for high, and the worst that text.personal-data finds is medium\n  Write severity: medium+",
    ),
    "a chat as such": ("risk: secret.*, kind: chat", "risk: secret.*, kind: [chat, text]", "is seen in its texts"),
    "a role that is not trusted so": (
        "role: assistant, trust: user",
        "role: [assistant, user], trust: user",
        "a role of assistant is trusted as model",
    ),
}


@pytest.mark.parametrize(("never", "sometimes", "what"), NEVER.values(), ids=NEVER)
def test_a_clause_that_can_never_match_is_told(never: str, sometimes: str, what: str) -> None:
    (told,) = said(f"when: {{{never}}}, then: block")
    assert told.startswith("p.yaml:4:5: clause c0: can never match: ")
    assert what in told
    assert said(f"when: {{{sometimes}}}, then: block") == []


IDLE = {
    "allow beside block": (
        ("when: {risk: secret.*}, then: block", "when: {risk: secret.jwt}, then: allow"),
        "c1: allows what clause c0 (line 4) always answers with block: the stricter one counts",
    ),
    "warn beside block": (
        ("when: {risk: secret.jwt, direction: out}, then: warn", "when: {risk: secret.*}, then: block"),
        "c0: changes nothing: clause c1 (line 5) matches whenever it does, and is stricter",
    ),
    "redact beside block": (
        ("when: {risk: '*'}, then: block", "when: {risk: secret.*, severity: high+}, then: redact"),
        "c1: changes nothing",
    ),
    "the same twice": (
        ("when: {risk: secret.*}, then: redact", "when: {risk: secret.*}, then: redact"),
        "c1: changes nothing: clause c0 (line 4) matches whenever it does, and is the same",
    ),
    "reason beside review": (
        (
            "when: {risk: secret.*, who: {group: [a, b]}}, then: review",
            "when: {risk: secret.*, who: {group: a}}, then: justify",
        ),
        "c1: changes nothing",
    ),
}


@pytest.mark.parametrize(("clauses", "what"), IDLE.values(), ids=IDLE)
def test_a_clause_that_changes_nothing_is_told(clauses: tuple[str, ...], what: str) -> None:
    (told,) = said(*clauses)
    assert what in told


NOT_IDLE = {
    "the narrow one is stricter": ("when: {risk: secret.*}, then: warn", "when: {risk: secret.jwt}, then: block"),
    "it observes": ("when: {risk: secret.*}, then: block", "when: {risk: secret.jwt}, then: warn, mode: observe"),
    "the other one observes": ("when: {risk: '*'}, then: block, mode: observe", "when: {risk: secret.jwt}, then: warn"),
    "another direction": (
        "when: {risk: secret.*, direction: in}, then: block",
        "when: {risk: secret.*, direction: out}, then: warn",
    ),
    "an edit beside a warning": ("when: {risk: secret.*}, then: redact", "when: {risk: secret.*}, then: warn"),
    "an edit beside a reason": ("when: {risk: '*'}, then: justify", "when: {risk: secret.*}, then: redact"),
    "stricter on failure": (
        "when: {risk: secret.*}, then: block, on_failure: warn",
        "when: {risk: secret.*}, then: warn",
    ),
    "likely narrower, not certainly": (
        "when: {risk: secret.*, where: {model: 'gpt*'}}, then: block",
        "when: {risk: secret.*, where: {model: 'gpt-4*'}}, then: warn",
    ),
}


@pytest.mark.parametrize("clauses", NOT_IDLE.values(), ids=NOT_IDLE)
def test_a_clause_that_may_change_something_is_left_alone(clauses: tuple[str, ...]) -> None:
    assert said(*clauses) == []


def test_a_weaker_clause_counts_for_whoever_is_excepted_from_the_stronger() -> None:
    exempt = "[{clause: c0, who: {group: hr}, until: 2026-01-05, why: a, approved_by: b}]"
    assert said("when: {risk: secret.*}, then: block", "when: {risk: secret.*}, then: warn", exceptions=exempt) == []


def test_an_exception_is_told_from_the_day_after_its_last() -> None:
    def one(until: str) -> list[str]:
        exempt = f"[{{clause: c0, who: {{group: hr}}, until: {until}, why: a, approved_by: b}}]"
        return said("when: {risk: secret.*}, then: block", exceptions=exempt)

    assert one("2026-01-05") == []
    (told,) = one("2026-01-04")
    assert "exception for c0: expired after 2026-01-04, and does nothing" in told


def test_what_was_forgotten_is_told() -> None:
    text = "policy: p\nversion: 1\nclauses: [{id: c, says: x, when: {risk: secret.*}, then: warn}]\n"
    told = [p.what for p in check(text, "p.yaml", risks=RISKS, detectors=DETECTORS, now_us=NOW_US)]
    assert told == ["clause c: has no examples that break it or keep it", "clause c: tells the person nothing"]


def test_approvals_where_nobody_approves_are_told() -> None:
    (told,) = said("when: {risk: secret.*}, then: justify, approvals: 2")
    assert "wants 2 approvals, and nobody is asked to approve by `then: justify`" in told
    assert said("when: {risk: secret.*}, then: review, approvals: 2") == []


def test_a_clause_that_wants_more_people_is_not_idle() -> None:
    wide, narrow = "when: {risk: secret.*}, then: review", "when: {risk: secret.jwt}, then: review"
    assert said(wide, narrow + ", approvals: 2") == []
    (told,) = said(wide + ", approvals: 2", narrow)
    assert "changes nothing" in told


def test_a_policy_with_mistakes_tells_those_first() -> None:
    (problem,) = check("policy: [", "p.yaml", risks=RISKS, detectors=DETECTORS, now_us=NOW_US)
    assert problem.line
