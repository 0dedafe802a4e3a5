"""A tunnel to an AI service, by what was decided about that service.

Looks at where a tunnel leads (`Tunnel`), not at what goes through it. The name in the client's first message counts as
much as the host that was asked for: who says one and means the other (domain fronting) is judged by the stricter.
"""

from __future__ import annotations

from collections.abc import Iterator

from bartizan import rules
from bartizan.core.detector import Cost, Detector, Discipline, Hits
from bartizan.core.finding import Finding, Place, Severity
from bartizan.core.subject import Kind, Subject
from bartizan.readers.tunnel import Tunnel

TABLE = rules.load("bartizan.detectors.flow", "ai_tunnel.toml")
CONFIDENCE, LIMITS = TABLE["confidence"], TABLE["limits"]
# status -> risk, how bad, what it is
_STATUSES = {
    "": ("usage.unapproved", Severity.LOW, "an AI service that nobody decided on"),
    "restricted": ("usage.unapproved", Severity.MEDIUM, "a restricted AI service without an exception"),
    "blocked": ("usage.blocked-service", Severity.HIGH, "a blocked AI service"),
}


def examine(subject: Subject, hits: Hits) -> Iterator[Finding]:
    """What there is to say of a tunnel. Anything else than a tunnel shows nothing."""
    tunnel = subject.content
    if not isinstance(tunnel, Tunnel):
        return
    known = tunnel.known
    confidence = CONFIDENCE.get(known.tier, 0.0)
    if known.lookalike_of:
        because = "a host with the look of a known AI service, and none of its"
        yield _finding(subject, "usage.look-alike", Severity.HIGH, LIMITS["look_alike"], because)
    elif known.system and known.status in _STATUSES and confidence:
        risk, severity, because = _STATUSES[known.status]
        yield _finding(subject, risk, severity, confidence, f"a tunnel to {because}")
    if tunnel.fronted and known.system:
        because = "the tunnel leads to one host and its first message asks for another"
        sure = LIMITS["fronted_encrypted" if tunnel.encrypted else "fronted"]
        yield _finding(subject, "usage.fronted", Severity.HIGH, sure, because)


def _finding(subject: Subject, risk: str, severity: Severity, confidence: float, because: str) -> Finding:
    # The place is the text below the tunnel that says what it is about: what a grant can cover.
    place = Place(f"{subject.path}/name")
    return Finding(risk=risk, severity=severity, confidence=confidence, places=(place,), because=because)


DETECTOR = Detector(
    id="flow.ai-tunnel",
    kind=Kind.FLOW,
    serves=frozenset({Discipline.AI_USE}),
    risks=("usage.unapproved", "usage.blocked-service", "usage.look-alike", "usage.fronted"),
    severity=Severity.HIGH,
    cost=Cost.INLINE,
    source="NIST SP 800-92; NIST AI 600-1; MITRE ATT&CK T1090.004 (domain fronting); see ai_tunnel.toml",
    summary="tunnels to AI services that are not approved, to what imitates one, or under another name",
    examine=examine,
)
