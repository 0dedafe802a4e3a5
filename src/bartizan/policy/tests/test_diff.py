"""Two policies compared: which clause became stricter or looser, in which words, and what that would have changed."""

from __future__ import annotations

import pytest

from bartizan.core.finding import Finding, Place, Seen, Severity
from bartizan.core.subject import Context, History
from bartizan.policy.diff import MAX_IDS, Past, Sort, diff, effect
from bartizan.policy.model import Policy
from bartizan.policy.read import read


def policy(*clauses: str, head: str = "", exceptions: str = "[]") -> Policy:
    lines = "".join(f"  - {{id: c{n}, {clause}}}\n" for n, clause in enumerate(clauses))
    return read(f"policy: p\nversion: 1\n{head}clauses:\n{lines}exceptions: {exceptions}\n")


BASE = "says: x, when: {risk: secret.*, direction: out, confidence: '>=0.5'}, then: warn"
CHANGES = {
    "then": ("then: warn", "then: block", Sort.STRICTER, "then: warn → block"),
    "then redact": ("then: warn", "then: redact", Sort.STRICTER, "then: warn → redact"),
    "mode": ("then: warn", "then: warn, mode: observe", Sort.LOOSER, "mode: enforce → observe"),
    "on failure": ("then: warn", "then: warn, on_failure: allow", Sort.LOOSER, "on_failure: block → allow"),
    "more risks": (
        "secret.*",
        "[secret.*, personal.*]",
        Sort.STRICTER,
        "when, risk: secret.* → secret.* or personal.*",
    ),
    "fewer risks": ("secret.*", "secret.jwt", Sort.LOOSER, "when, risk: secret.* → secret.jwt"),
    "other risks": ("secret.*", "personal.*", Sort.CHANGED, "when, risk: secret.* → personal.*"),
    "a condition less": ("direction: out, ", "", Sort.STRICTER, "when, direction: does not ask any more: out"),
    "a condition more": (
        "direction: out",
        "direction: out, role: user",
        Sort.LOOSER,
        "when, role: asks for it now: user",
    ),
    "confidence": (">=0.5", ">=0.9", Sort.LOOSER, "when, confidence: >= 0.5 → >= 0.9"),
    "confidence at its bound": (">=0.5", ">0.5", Sort.LOOSER, "when, confidence: >= 0.5 → > 0.5"),
    "words": ("says: x", "says: y", Sort.WORDING, "says is worded differently"),
    "stream": ("then: warn", "then: warn, stream: hold", Sort.STRICTER, "stream: stop → hold"),
    "deep": ("then: warn", "then: warn, examine: deep", Sort.STRICTER, "examine: deep"),
    "examples": ("then: warn", "then: warn, examples: {breaks: [a]}", Sort.WORDING, "other examples"),
}


@pytest.mark.parametrize(("was", "now", "sort", "words"), CHANGES.values(), ids=CHANGES)
def test_a_change_says_which_way_it_goes(was: str, now: str, sort: Sort, words: str) -> None:
    (change,) = diff(policy(BASE), policy(BASE.replace(was, now)))
    assert (change.what, change.sort, change.how) == ("clause c0", sort, (words,))


def test_a_change_back_goes_the_other_way() -> None:
    opposite = {Sort.STRICTER: Sort.LOOSER, Sort.LOOSER: Sort.STRICTER}
    for was, now, sort, _ in CHANGES.values():
        (change,) = diff(policy(BASE.replace(was, now)), policy(BASE))
        assert change.sort is opposite.get(sort, sort)


def test_both_ways_at_once_is_a_change() -> None:
    (change,) = diff(policy(BASE), policy(BASE.replace("then: warn", "then: block").replace("secret.*", "secret.jwt")))
    assert change.sort is Sort.CHANGED and len(change.how) == 2


def test_the_same_meaning_in_another_layout_is_no_difference() -> None:
    other = "then: warn, when: {confidence: '>=0.50', direction: [out], risk: [secret.*]}, says: x, mode: enforce"
    assert diff(policy(BASE), policy(other)) == ()


def test_clauses_and_settings_come_and_go() -> None:
    told = diff(policy(BASE), policy(BASE, BASE, head="bodies: all\n"))
    assert [(c.what, c.sort) for c in told] == [("bodies", Sort.CHANGED), ("clause c1", Sort.ADDED)]
    (gone,) = diff(policy(BASE, BASE), policy(BASE))
    assert (gone.what, gone.sort) == ("clause c1", Sort.REMOVED)
    assert gone.how == ("warn where the risk is secret.*, the direction is out, its confidence is >= 0.5",)


def test_exceptions_come_go_and_last() -> None:
    def with_(until: str, why: str = "a") -> Policy:
        exempt = f"[{{clause: c0, who: {{group: hr}}, until: {until}, why: {why}, approved_by: b}}]"
        return policy(BASE, exceptions=exempt)

    (added,) = diff(policy(BASE), with_("2027-01-31"))
    assert (added.what, added.sort) == ("exception from c0 where a group of the person is hr", Sort.ADDED)
    assert diff(with_("2027-01-31"), with_("2027-02-01"))[0].sort is Sort.LOOSER
    assert diff(with_("2027-01-31"), with_("2027-01-31", "b"))[0].sort is Sort.WORDING
    assert diff(with_("2027-01-31"), policy(BASE))[0].sort is Sort.REMOVED


def test_a_new_wording_ends_grants() -> None:
    asking = "says: x, when: {risk: secret.*}, then: justify"
    (change,) = diff(policy(asking), policy(asking.replace("says: x", "says: y")))
    assert (change.sort, change.how[-1]) == (Sort.WORDING, "grants given under the old wording end")


def past(id_: str, risk: str, examined: frozenset[str] | None) -> Past:
    seen = Seen(Finding(risk, Severity.HIGH, 0.9, (Place("", 0, 3),), ""))
    return Past(id_, (seen,), Context(), History(), examined)


def test_two_approvals_are_stricter_than_one_where_somebody_approves() -> None:
    asking = "says: x, when: {risk: secret.*}, then: review"
    two = asking + ", approvals: 2"
    (change,) = diff(policy(asking), policy(two))
    assert change.sort is Sort.STRICTER
    assert change.how == ("approvals: 1 → 2", "grants given under the old wording end")
    assert diff(policy(two), policy(asking))[0].sort is Sort.LOOSER
    assert diff(policy(BASE), policy(BASE + ", approvals: 2"))[0].sort is Sort.WORDING
    (added,) = diff(policy(asking), policy(asking, two))
    assert added.how == ("review by 2 people where the risk is secret.*",)


def test_recorded_decisions_are_made_again() -> None:
    old = policy(BASE, "says: x, when: {risk: personal.*}, then: warn")
    new = policy(BASE.replace("then: warn", "then: block"), "says: x, when: {risk: personal.*}, then: redact")
    secret, personal = frozenset({"secret.jwt"}), frozenset({"secret.jwt", "personal.email"})
    records = [past(f"s{n}", "secret.jwt", secret) for n in range(30)]
    records += [past("p", "personal.email", personal), past("h", "hidden.bidi", None)]
    told = effect(old, new, records)
    assert (told.decided, told.stricter, told.looser, told.edited, told.unknown) == (32, 30, 1, 0, 1)
    assert told.ids == tuple(f"s{n}" for n in range(MAX_IDS))
    assert told.unanswerable == (("c1", 30),)
