"""Examples of clauses about the use of AI."""

from __future__ import annotations

import pytest

from bartizan.loop import embedded
from bartizan.policy.read import read
from bartizan.policy.test import run
from bartizan.policy.usage import told
from bartizan.readers.logs.usage import AccountKind, Sort, Usage
from bartizan.readers.logs.visit import Evidence

POLICY = """policy: p
version: 1
clauses:
  - id: one
    says: x
    when: {risk: "%s"}
    then: warn
    examples: {breaks: [{usage: {%s}}]}
"""


def usage(text: str) -> Usage:
    found = read(POLICY % ("usage.*", text)).clauses[0].breaks[0].usage
    assert found is not None
    return found


def faults(risk: str, text: str) -> list[str]:
    return [str(fault) for fault in run(read(POLICY % (risk, text)), embedded().seen).faults]


def test_what_it_does_not_say_is_of_an_ordinary_day() -> None:
    plain = usage("count: 1")
    assert (plain.status, plain.evidence, plain.reached.tier, plain.usual) == ("approved", Evidence.UPLOADED, "A", None)
    assert told(plain) == "use of some-service, evidence uploaded, status approved"


def test_what_it_says_is_taken() -> None:
    found = usage(
        "service: some-chat, evidence: prompt, status: undecided, tier: B, account: personal, new: true, "
        "allowed_account: corporate, exception: true, count: 7, bytes_up: 5000000, usual_bytes: 1000, usual_days: 20"
    )
    assert (found.system, found.evidence, found.status, found.reached.tier) == ("some-chat", Evidence.PROMPT, "", "B")
    assert (found.account, found.only) == (AccountKind.PERSONAL, AccountKind.CORPORATE)
    assert (found.count, found.bytes_up, found.new, found.excepted) == (7, 5_000_000, True, True)
    assert found.usual is not None and (found.usual.days, found.usual.median_bytes) == (20, 1000)
    assert told(found) == (
        "use of some-chat, evidence prompt, status undecided, personal account, 5,000,000 bytes, usually 1,000, new, "
        "with an exception"
    )


def test_an_imitation_is_one() -> None:
    found = usage("imitates: somechat.example")
    assert found.reached.sort is Sort.LOOK_ALIKE
    assert "imitates somechat.example" in told(found)


@pytest.mark.parametrize(
    ("risk", "text"),
    [
        ("usage.unapproved", "status: undecided"),
        ("usage.unapproved", "status: restricted"),
        ("usage.blocked-service", "status: blocked"),
        ("usage.personal-account", "account: personal"),
        ("usage.first-seen", "new: true"),
        ("usage.look-alike", "imitates: somechat.example"),
        ("usage.candidate", "tier: candidate"),
        ("usage.unusual-upload", "bytes_up: 90000000, usual_bytes: 100000"),
    ],
)
def test_real_detectors_judge_them(risk: str, text: str) -> None:
    assert faults(risk, text) == []
    (fault,) = faults(risk, "status: approved")
    assert "does not break the clause" in fault
