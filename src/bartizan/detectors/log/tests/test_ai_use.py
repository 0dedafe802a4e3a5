"""The use of AI as logs show it."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bartizan.core.finding import Finding, Severity
from bartizan.core.subject import Kind, Subject
from bartizan.detectors.log.ai_use import CONFIDENCE, DETECTOR, LIMITS, UPLOAD
from bartizan.profiles.robust import spread
from bartizan.readers.logs.usage import AccountKind, Reached, Sort, Usage, Usual
from bartizan.readers.logs.visit import Evidence
from bartizan.testing import check_detector, look

MB = 1_000_000
CALM = Usual(days=30, median_bytes=2 * MB, mad_octaves=0.4)
APPROVED = Usage("ada", Reached("some-chat", tier="A"), 20_000, Evidence.PROMPT, 12, 3 * MB, status="approved")


def log(usage: Usage = APPROVED, **changes: object) -> Subject:
    return Subject(Kind.LOG, "", replace(usage, **changes))  # type: ignore[arg-type]  # Fields by name.


def reached(**changes: object) -> Reached:
    return APPROVED.reached._replace(**changes)


LOOK_ALIKE = reached(system="some-chat.example", sort=Sort.LOOK_ALIKE, lookalike_of="somechat.example", tier="")
CANDIDATE = reached(system="ai.example", sort=Sort.CANDIDATE, score=0.6, tier="")

HITS = {
    "nobody decided": log(status=""),
    "restricted": log(status="restricted"),
    "blocked": log(status="blocked"),
    "blocked, and only a name": log(status="blocked", evidence=Evidence.RESOLVED),
    "a private account": log(account=AccountKind.PERSONAL),
    "new this week": log(new=True),
    "nine times the usual, of somebody regular": log(bytes_up=18 * MB, usual=replace(CALM, mad_octaves=0.0)),
    "fifty times the usual": log(bytes_up=100 * MB, usual=CALM),
    "a look-alike": log(reached=LOOK_ALIKE),
    "a candidate": log(reached=CANDIDATE),
    "a directory's site, signed in": log(status="", reached=reached(tier="B"), evidence=Evidence.AUTHENTICATED),
    "a mixed host with a prompt": log(status="", reached=reached(tier="M")),
}

MISSES = {
    "approved": log(),
    "tolerated": log(status="tolerated"),
    "restricted with an exception": log(status="restricted", excepted=True),
    "blocked with an exception": log(status="blocked", excepted=True),
    "a corporate account": log(account=AccountKind.CORPORATE),
    "a private account where that is asked for": log(account=AccountKind.PERSONAL, only=AccountKind.PERSONAL),
    "used before": log(new=False),
    "as much as on other days": log(bytes_up=4 * MB, usual=CALM),
    "much, of somebody who was hardly seen": log(bytes_up=100 * MB, usual=replace(CALM, days=13)),
    "fifty times of next to nothing": log(bytes_up=MB, usual=replace(CALM, median_bytes=MB / 50)),
    "seven times the usual": log(bytes_up=14 * MB, usual=replace(CALM, mad_octaves=0.0)),
    "much, of somebody whose days differ": log(bytes_up=100 * MB, usual=replace(CALM, mad_octaves=2.0)),
    "a directory's site was looked up": log(status="", reached=reached(tier="B"), evidence=Evidence.RESOLVED),
    "a mixed host was uploaded to, as by work": log(
        status="", reached=reached(tier="M"), evidence=Evidence.CONNECTED, bytes_up=0
    ),
    "nothing that a log tells": Subject(Kind.LOG, "", None),
}


def test_hits_and_misses() -> None:
    check_detector(DETECTOR, hits=HITS, misses=MISSES)


def only(subject: Subject) -> Finding:
    (found,) = look(DETECTOR, subject)
    assert isinstance(found, Finding)
    return found


def risks(subject: Subject) -> set[str]:
    return {item.risk for item in look(DETECTOR, subject) if isinstance(item, Finding)}


def test_each_hit_is_what_it_is() -> None:
    assert risks(HITS["nobody decided"]) == {"usage.unapproved"}
    assert risks(HITS["restricted"]) == {"usage.unapproved"}
    assert risks(HITS["blocked"]) == {"usage.blocked-service"}
    assert risks(HITS["a private account"]) == {"usage.personal-account"}
    assert risks(HITS["new this week"]) == {"usage.first-seen"}
    assert risks(HITS["fifty times the usual"]) == {"usage.unusual-upload"}
    assert risks(HITS["a look-alike"]) == {"usage.look-alike"}
    assert risks(HITS["a candidate"]) == {"usage.candidate"}


def test_a_look_alike_is_no_use_of_what_it_imitates() -> None:
    everything = {"status": "blocked", "new": True, "account": AccountKind.PERSONAL}
    assert risks(log(reached=LOOK_ALIKE, **everything)) == {"usage.look-alike"}


def test_a_name_that_was_looked_up_is_less_than_a_prompt() -> None:
    sure = [only(log(status="", evidence=evidence)).confidence for evidence in Evidence]
    assert sure == sorted(sure) and sure[0] <= 0.5 < 0.95 < sure[-1]
    assert only(log(status="", evidence=Evidence.RESOLVED)).severity is Severity.LOW


@pytest.mark.parametrize("evidence", Evidence)
def test_better_lists_make_surer(evidence: Evidence) -> None:
    sure = [CONFIDENCE[tier][evidence.word] for tier in "MCBA"]
    assert sure == sorted(sure)


def test_a_private_account_weighs_more_where_a_corporate_one_is_asked_for() -> None:
    assert only(log(account=AccountKind.PERSONAL)).severity is Severity.MEDIUM
    assert only(log(account=AccountKind.PERSONAL, only=AccountKind.CORPORATE)).severity is Severity.HIGH


def test_a_candidate_is_never_more_likely_ai_than_not() -> None:
    found = only(log(reached=CANDIDATE._replace(score=0.99)))
    assert (found.confidence, found.severity) == (LIMITS["candidate_most"], Severity.LOW)


def test_an_unusual_upload_says_its_numbers() -> None:
    found = only(HITS["fifty times the usual"])
    assert found.because == "50 times as much as this person usually sends there, by 30 other days"
    assert dict(found.measures) == {
        "robust_z": 9.52,
        "upload_bytes": 100 * MB,
        "usual_days": 30,
        "usual_mad_octaves": 0.4,
        "usual_median_bytes": 2 * MB,
    }


@pytest.mark.parametrize("sigma", [0.3, 0.7, 1.0, 1.5])
@pytest.mark.parametrize(("days", "bound"), [(14, 0.002), (20, 0.001), (40, 0.001)])
def test_ordinary_days_are_seldom_unusual(sigma: float, days: int, bound: float) -> None:
    """People whose days spread by factors: how many of 4,000 ordinary days would be said to be unusual."""
    chance = random.Random(f"{sigma} {days}")
    unusual = 0
    for _ in range(4000):
        usual = spread(chance.lognormvariate(16, sigma) for _ in range(days))
        z = usual.z(chance.lognormvariate(16, sigma), UPLOAD["floor_octaves"])
        unusual += z >= UPLOAD["least_z"]
    assert unusual <= bound * 4000


USAGES = st.builds(
    Usage,
    actor=st.text(max_size=20),
    reached=st.builds(
        Reached,
        system=st.text(max_size=20),
        sort=st.sampled_from(Sort),
        tier=st.sampled_from(["A", "B", "C", "M", "", "candidate", "?"]),
        lookalike_of=st.text(max_size=10),
        score=st.floats(0, 1),
    ),
    day=st.integers(0, 10**6),
    evidence=st.sampled_from(Evidence),
    count=st.integers(0, 10**12),
    bytes_up=st.integers(0, 10**18),
    account=st.sampled_from(AccountKind),
    status=st.sampled_from(["", "approved", "tolerated", "restricted", "blocked", "?"]),
    excepted=st.booleans(),
    only=st.sampled_from(AccountKind),
    new=st.booleans(),
    usual=st.none() | st.builds(Usual, st.integers(0, 400), st.floats(0, 1e18), st.floats(0, 60)),
)


@given(USAGES)
def test_any_usage_at_all(usage: Usage) -> None:
    """Nothing that a log or a file may hold makes it fail, and what was typed or logged is in no sentence."""
    for item in look(DETECTOR, Subject(Kind.LOG, "", usage)):
        assert isinstance(item, Finding)
        assert 0 <= item.confidence <= 1
        assert len(usage.actor) < 4 or usage.actor not in item.because


@given(USAGES)
def test_an_exception_never_adds_anything(usage: Usage) -> None:
    assert risks(Subject(Kind.LOG, "", replace(usage, excepted=True))) <= risks(
        Subject(Kind.LOG, "", replace(usage, excepted=False))
    )
