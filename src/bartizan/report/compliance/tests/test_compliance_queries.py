"""Each query has a home where nothing is missing and neighbours where one thing is."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from evidence_facts import DAY, NOW, POLICY, facts, log, system
from hypothesis import given
from hypothesis import strategies as st

from bartizan.cases.case import Case
from bartizan.cases.case import State as CaseState
from bartizan.core.decision import Action
from bartizan.inventory.coverage import Covered
from bartizan.inventory.exceptions import State, UseException, Who
from bartizan.inventory.names import NameRequest
from bartizan.inventory.names import State as Request
from bartizan.inventory.system import Seen, Status, System, Tier
from bartizan.ledger.standing import Outside
from bartizan.readers.logs.usage import AccountKind
from bartizan.readers.logs.visit import DAY_US
from bartizan.report.compliance.evidence import evidence
from bartizan.report.compliance.facts import Facts, Incident
from bartizan.report.compliance.framework import IDS, framework
from bartizan.report.compliance.queries import QUERIES, Result
from bartizan.report.compliance.sheets import controls

P, Q = "p-" + "1" * 20, "p-" + "2" * 20
KEPT = {"has_outside": True, "outside": Outside({"admin.1": 21})}
SILENT = Covered("logs", "squid", sources=1, silent=True)
BLOCKED = system(status=Status.BLOCKED, alternative="other-chat")
CLAUSE = POLICY.clauses[0]


def asked(id_: str, **changes: Any) -> Result:  # Any: fields of the facts
    return QUERIES[id_].ask(facts(**{**KEPT, **changes})).result


def policy(**changes: Any) -> Any:  # Any: fields of a clause; a policy with it alone
    return type(POLICY)(name="small", version="1", owner="o", clauses=[replace(CLAUSE, **changes)])


def use_exception(by: str) -> UseException:
    return UseException("x-1", "some-chat", Who.PERSON, P, State.GRANTED, NOW + DAY_US, P, NOW, by, NOW)


def case(state: CaseState, *approvals: str) -> Case:
    more = {"destination": "", "values": {}, "risks": (), "tell": (), "exchange": "e", "writer": "w"}
    times = {"created_us": NOW, "expires_us": NOW, "decided_us": NOW, "decided_by": approvals[0] if approvals else None}
    every: dict[str, Any] = {"clauses": {}, **more, **times, "approvals": approvals}
    return Case("c-1", state, Action.REVIEW, P, **every)


def request(by: str) -> NameRequest:
    return NameRequest("n-1", Q, P, NOW, Request.APPROVED, by, NOW, NOW)


def test_where_nothing_is_missing_nothing_is_a_gap() -> None:
    found = {id_: query.ask(facts(**KEPT)) for id_, query in QUERIES.items()}
    assert [id_ for id_, one in found.items() if one.result is Result.GAP] == []
    assert [id_ for id_, one in found.items() if one.result is Result.PEOPLE] == ["people-using"]


GAPS: dict[str, list[tuple[str, dict[str, Any]]]] = {
    "inventory-told": [("no source", {"covered": ()}), ("no system", {"systems": ()})],
    "sources-telling": [("one is silent", {"covered": (SILENT,)}), ("none", {"covered": ()})],
    "undecided-in-use": [("undecided", {"systems": (system(status=Status.UNDECIDED),)})],
    "owner-named": [("no owner", {"systems": (system(), system("b", owner=""))}), ("no system", {"systems": ()})],
    "purpose-recorded": [("no purpose", {"systems": (system(purpose=""),)})],
    "vendor-recorded": [("no vendor", {"systems": (system(vendor=""),)})],
    "legal-basis-recorded": [("none", {"systems": (system(legal_basis=""),)})],
    "retention-recorded": [("none", {"systems": (system(retention=""),)})],
    "reviews-on-time": [
        ("never", {"systems": (system(review_day=None),)}),
        ("today", {"systems": (system(review_day=DAY),)}),
    ],
    "risk-tiers": [
        ("unknown", {"systems": (system(risk_tier=Tier.UNKNOWN),)}),
        ("prohibited", {"systems": (system(risk_tier=Tier.PROHIBITED),)}),
    ],
    "oversight-named": [
        ("high without", {"systems": (system(risk_tier=Tier.HIGH, oversight=""),)}),
        ("not classified", {"systems": (system(risk_tier=Tier.UNKNOWN),)}),
    ],
    "instructions-recorded": [("high without", {"systems": (system(risk_tier=Tier.HIGH, instructions=""),)})],
    "impact-assessment": [("high without purpose", {"systems": (system(risk_tier=Tier.HIGH, purpose=""),)})],
    "data-as-allowed": [
        ("a secret", {"systems": (system(data_seen=("secret.aws-access-key",)),)}),
        ("to a closed one", {"systems": (replace(BLOCKED, data_seen=("public",)),)}),
    ],
    "personal-accounts": [("one", {"systems": (system(seen=Seen(count=1, accounts=(AccountKind.PERSONAL,))),)})],
    "closed-not-used": [("used", {"systems": (BLOCKED,), "around": {"some-chat": 1}})],
    "alternatives-named": [("none", {"systems": (replace(BLOCKED, alternative=""),)})],
    "exceptions-sound": [("by themselves", {"exceptions": (use_exception(P),)})],
    "policy-in-force": [
        ("none", {"policy": None}),
        ("no owner", {"policy": type(POLICY)(name="a", version="1", clauses=POLICY.clauses)}),
        ("a file that does not hold", {"policy_problem": "line 3"}),
    ],
    "staff-told": [("no text", {"policy": policy(tell="")}), ("no policy", {"policy": None})],
    "data-clauses": [("observing", {"policy": policy(mode="observe")}), ("no policy", {"policy": None})],
    "cases-decided": [("expired", {"cases": (case(CaseState.EXPIRED),)})],
    "four-eyes": [("own request", {"names": (request(P),)}), ("own case", {"cases": (case(CaseState.GRANTED, P),)})],
    "roles-separated": [
        ("one account", {"roles": {P: ("admin",)}}),
        ("all in one", {"roles": {P: ("admin", "analyst", "privacy"), Q: ()}}),
    ],
    "keys-owned": [("nobody's", {"ownerless": ("k-1",)})],
    "incidents": [("nobody looked", {"outcomes": {}})],
    "records-kept": [("none", {"logs": ()}), ("too short", {"retention_days": 90})],
    "ledger-stands": [
        ("unsigned", {"logs": (log(signed=20),)}),
        ("broken", {"logs": (log(problem="cannot be read"),)}),
        ("nothing outside", {"has_outside": False}),
        ("disagrees", {"outside": Outside(faults=("admin.1: ends at 3 records",))}),
    ],
}  # fmt: skip


@pytest.mark.parametrize(
    ("id_", "changes"), [pytest.param(i, c, id=f"{i}: {what}") for i, every in GAPS.items() for what, c in every]
)
def test_one_thing_missing_is_a_gap(id_: str, changes: dict[str, Any]) -> None:
    assert asked(id_, **changes) is Result.GAP


@pytest.mark.parametrize(
    ("id_", "changes"),
    [
        ("data-as-allowed", {"systems": (system(data_seen=("personal.email",), data_classes=("personal",)),)}),
        ("exceptions-sound", {"exceptions": (use_exception(Q),)}),
        ("four-eyes", {"names": (request(Q),), "cases": (case(CaseState.GRANTED, Q),)}),
        ("records-kept", {"retention_days": 184}),
        ("closed-not-used", {"systems": (BLOCKED,)}),
        ("oversight-named", {"systems": (system(risk_tier=Tier.HIGH),)}),
    ],
)
def test_the_neighbour_is_none(id_: str, changes: dict[str, Any]) -> None:
    assert asked(id_, **changes) is Result.MET


def test_what_nobody_here_can_know_is_for_people() -> None:
    incident = Incident("e", NOW, "block", ())
    changes = {"incidents": (incident,), "incident_count": 1, "outcomes": {"block": 1}}
    assert asked("incidents", **changes) is Result.PEOPLE
    assert asked("impact-assessment", systems=(system(risk_tier=Tier.HIGH),)) is Result.PEOPLE
    assert asked("feedback-heard", feedback=0) is Result.PEOPLE
    assert asked("data-as-allowed", outcomes={}) is Result.PEOPLE


def test_a_gap_weighs_more_than_people_and_those_more_than_met() -> None:
    found = evidence(facts(**KEPT), [framework("eu-ai-act")])
    by_id = {one.control.id: one.result for one in found.frameworks[0][1]}
    assert by_id["Art. 26(3)"] is Result.MET and by_id["Art. 26(2)"] is Result.PEOPLE
    without = evidence(facts(**KEPT, systems=(system(risk_tier=Tier.UNKNOWN),)), [framework("eu-ai-act")])
    assert {one.control.id: one.result for one in without.frameworks[0][1]}["Art. 26(2)"] is Result.GAP


def test_an_answer_names_the_records_it_rests_on() -> None:
    found = evidence(facts(), [framework("soc-2")])
    by_id = {answer.query.id: answer for _, every in found.frameworks for one in every for answer in one.answers}
    (proof,) = by_id["undecided-in-use"].proof
    assert (proof.first, proof.last, proof.count, proof.size, proof.covered) == (3, 17, 6, 21, True)
    late = evidence(facts(logs=(log(signed=10),)), [framework("soc-2")]).frameworks[0][1]
    assert "does not cover all" in " ".join(p.words for one in late for a in one.answers for p in a.proof)


FIELDS = st.text(max_size=20)
SYSTEMS = st.lists(
    st.builds(
        lambda id_, status, owner, tier, day, count, classes, seen: system(
            id_, status=status, owner=owner, risk_tier=tier, review_day=day, data_classes=classes, data_seen=seen,
            seen=Seen(people=count, count=count),
        ),
        st.from_regex(r"[a-z0-9]{1,8}", fullmatch=True), st.sampled_from(Status), FIELDS, st.sampled_from(Tier),
        st.none() | st.integers(0, 40_000), st.integers(0, 9), st.lists(FIELDS, max_size=2).map(tuple),
        st.lists(FIELDS, max_size=2).map(tuple),
    ),
    max_size=6,
    unique_by=lambda one: one.id,
)  # fmt: skip


@given(SYSTEMS)
def test_any_register_at_all_is_answered_in_numbers_that_add_up(systems: list[System]) -> None:
    """Never raises; what is in order and what is not are together no more than all; rows are ids of what there is."""
    known: Facts = facts(systems=tuple(systems))
    ids = {one.id for one in systems}
    for id_, query in QUERIES.items():
        found = query.ask(known)
        assert 0 <= found.value <= found.of, id_
        if query.rests == ("use-",) and id_ != "sources-telling":
            assert set(found.rows) <= ids, id_
    made = controls(evidence(known, map(framework, IDS)))
    assert all(not line.startswith(("=", "+", "@")) for line in made.as_csv().splitlines())
