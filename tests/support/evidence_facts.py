"""Facts for queries about compliance: a small company on one day, with names that mean harm."""

from __future__ import annotations

from typing import Any

from bartizan.inventory.coverage import Covered
from bartizan.inventory.system import Seen, Status, System, Tier
from bartizan.policy.read import read
from bartizan.readers.logs.usage import AccountKind, Sort
from bartizan.readers.logs.visit import DAY_US
from bartizan.report.compliance.facts import DECISIONS, Facts, Incident, Log, Span

DAY = 20_780  # 2026-11-23
NOW = DAY * DAY_US + 9 * 3_600_000_000
ORIGIN = "bartizan-4f0c6a1e/admin.1"
POLICY = read(
    """
policy: small
version: 1.0.0
owner: security@example.org
clauses:
  - id: no-secrets
    says: Credentials do not leave.
    when: {risk: [secret.*, personal.*], direction: out}
    then: redact
    tell: We removed a credential.
"""
)
HOSTILE = '=HYPERLINK("http://evil.test")<script>alert(1)</script>\u202egnp.exe'


def system(id_: str = "some-chat", **changes: Any) -> System:  # Any: fields of a system
    """One that has everything a query could ask for."""
    known: dict[str, Any] = {
        "name": "Some Chat",
        "vendor": "Some Vendor",
        "status": Status.APPROVED,
        "owner": "it@example.org",
        "purpose": "drafts",
        "data_classes": ("public",),
        "account": AccountKind.CORPORATE,
        "risk_tier": Tier.LIMITED,
        "legal_basis": "Art. 6(1)(f)",
        "oversight": "head of support",
        "retention": "30 days",
        "instructions": "read the guide",
        "review_day": DAY + 100,
        "first_us": NOW - 10 * DAY_US,
        "last_us": NOW - DAY_US,
        "decided_us": NOW - 9 * DAY_US,
        "decided_by": "p-" + "a" * 20,
        "seen": Seen(people=3, count=40, bytes_up=5000, evidence=2, days=5),
    }
    return System(id_, Sort.SERVICE, **{**known, **changes})


def log(**changes: Any) -> Log:  # Any: fields of a log
    """A log that is signed to its end."""
    spans = {"use-decided": Span(3, 17, 6), "opened": Span(0, 0, 1), DECISIONS: Span(1, 20, 12)}
    known: dict[str, Any] = {
        "name": "admin.1",
        "origin": ORIGIN,
        "size": 21,
        "signed": 21,
        "number": 4,
        "root": "A" * 43 + "=",
        "note": f"{ORIGIN}\n21\n{'A' * 43}=\ncheckpoint 4\n\n— {ORIGIN} Az3grl\n",
        "first_us": NOW - 200 * DAY_US,
        "spans": spans,
    }
    return Log(**{**known, **changes})


def facts(**changes: Any) -> Facts:  # Any: fields of the facts
    """A home where nothing is missing."""
    known: dict[str, Any] = {
        "systems": (system(),),
        "covered": (Covered("logs", "squid", "", 1, NOW - DAY_US, NOW, NOW, 400, 0),),
        "policy": POLICY,
        "logs": (log(),),
        "outcomes": {"allow": 12},
        "roles": {"p-" + "b" * 20: ("admin",), "p-" + "c" * 20: ("analyst",)},
        "keys": ("k-1",),
        "feedback": 2,
    }
    return Facts(NOW, NOW - 90 * DAY_US, NOW, **{**known, **changes})


def hostile() -> Facts:
    """The same with texts of a register that mean harm, an incident, and systems nobody decided on."""
    return facts(
        systems=(
            system(name=HOSTILE, owner=HOSTILE, purpose="</td></table><img src=x onerror=alert(1)>"),
            system("other-chat", status=Status.UNDECIDED, owner="", risk_tier=Tier.UNKNOWN, review_day=None),
            system("closed-chat", status=Status.BLOCKED),
        ),
        around={"closed-chat": 2},
        incidents=(Incident("01J", NOW - DAY_US, "redact", ("secret.aws-access-key",)),),
        incident_count=1,
        outcomes={"allow": 11, "redact": 1},
    )
