"""The use of AI as logs show it: whether somebody decided that it may be, with which account, and how much goes there.

Looks at one person, system and day (`Usage`), with what the register knows of the system and the person's other days.
A DNS request is no prompt: how sure a finding is goes by what the log proves and by who names the host. An unknown host
that merely looks like AI is a candidate for review and nothing else; a host that imitates a known one is never counted
as the service it imitates.
"""

from __future__ import annotations

from collections.abc import Iterator

from bartizan import rules
from bartizan.core.detector import Cost, Detector, Discipline, Hits
from bartizan.core.finding import Finding, Place, Severity
from bartizan.core.subject import Kind, Subject
from bartizan.profiles.robust import Spread
from bartizan.readers.logs.usage import AccountKind, Sort, Usage
from bartizan.readers.logs.visit import Evidence

TABLE = rules.load("bartizan.detectors.log", "ai_use.toml")
CONFIDENCE, LOOK_ALIKE, LIMITS, UPLOAD = (
    TABLE[name] for name in ("confidence", "look-alike", "limits", "unusual-upload")
)
SEEN = {
    Evidence.RESOLVED: "its name was looked up",
    Evidence.CONNECTED: "somebody connected",
    Evidence.AUTHENTICATED: "somebody signed in",
    Evidence.UPLOADED: "something was uploaded",
    Evidence.PROMPT: "a prompt was sent",
}


def examine(subject: Subject, hits: Hits) -> Iterator[Finding]:
    """What there is to say of a usage. Anything else than a usage shows nothing."""
    usage = subject.content
    if not isinstance(usage, Usage):
        return
    if usage.reached.sort is Sort.LOOK_ALIKE:
        because = f"a host with the look of a known AI service, and none of its: {SEEN[usage.evidence]}"
        confidence = LOOK_ALIKE[usage.evidence.word]
        yield _finding("usage.look-alike", subject, usage, Severity.HIGH, confidence, because)
    elif usage.reached.sort is Sort.CANDIDATE:
        because = f"an unknown host that looks like AI, for review: {SEEN[usage.evidence]}"
        confidence = min(usage.reached.score, LIMITS["candidate_most"])
        yield _finding("usage.candidate", subject, usage, Severity.LOW, confidence, because)
    else:
        yield from _service(subject, usage)


def _service(subject: Subject, usage: Usage) -> Iterator[Finding]:
    sure = _used(usage)
    if sure >= LIMITS["least_confidence"]:
        if not usage.excepted and usage.status in ("", "restricted", "blocked"):
            yield _not_allowed(subject, usage, sure)
        if usage.new:
            because = f"an AI service that nobody here used before this week: {SEEN[usage.evidence]}"
            yield _finding("usage.first-seen", subject, usage, Severity.LOW, sure, because)
    if usage.account is AccountKind.PERSONAL and usage.only is not AccountKind.PERSONAL:
        asked = usage.only is AccountKind.CORPORATE
        because = "a private account, where a corporate one is asked for" if asked else "a private account"
        severity = Severity.HIGH if asked else Severity.MEDIUM
        yield _finding("usage.personal-account", subject, usage, severity, LIMITS["personal_account"], because)
    yield from _upload(subject, usage)


def _used(usage: Usage) -> float:
    """The chance that AI was used. A system of one's own and what is found on machines and in code count as tier A."""
    return float(CONFIDENCE.get(usage.reached.tier, CONFIDENCE["A"])[usage.evidence.word])


def _not_allowed(subject: Subject, usage: Usage, sure: float) -> Finding:
    strong = usage.evidence >= Evidence.AUTHENTICATED
    if usage.status == "blocked":
        severity = (
            Severity.LOW if usage.evidence is Evidence.RESOLVED else Severity.MEDIUM
        )  # A blocked name is asked for.
        because = f"a blocked AI service is still reached: {SEEN[usage.evidence]}"
        risk = "usage.blocked-service"
        return _finding(risk, subject, usage, Severity.HIGH if strong else severity, sure, because)
    what = "a restricted AI service without an exception" if usage.status else "an AI service that nobody decided on"
    severity = Severity.MEDIUM if strong else Severity.LOW
    return _finding("usage.unapproved", subject, usage, severity, sure, f"{what}: {SEEN[usage.evidence]}")


def _upload(subject: Subject, usage: Usage) -> Iterator[Finding]:
    usual = usage.usual
    if usual is None or usual.days < UPLOAD["least_days"] or usage.bytes_up < UPLOAD["least_bytes"]:
        return
    z = Spread(usual.days, usual.median_bytes, usual.mad_octaves).z(usage.bytes_up, UPLOAD["floor_octaves"])
    if z < UPLOAD["least_z"]:
        return
    times = usage.bytes_up / usual.median_bytes
    yield Finding(
        risk="usage.unusual-upload",
        severity=Severity.MEDIUM,
        confidence=UPLOAD["sure_confidence" if z >= UPLOAD["sure_z"] else "confidence"],
        places=(Place(subject.path),),
        because=f"{times:,.0f} times as much as this person usually sends there, by {usual.days} other days",
        measures=(
            ("robust_z", round(z, 2)),
            ("upload_bytes", float(usage.bytes_up)),
            ("usual_days", float(usual.days)),
            ("usual_mad_octaves", round(usual.mad_octaves, 3)),
            ("usual_median_bytes", round(usual.median_bytes, 1)),
        ),
    )


def _finding(risk: str, subject: Subject, usage: Usage, severity: Severity, confidence: float, because: str) -> Finding:
    return Finding(
        risk=risk,
        severity=severity,
        confidence=confidence,
        places=(Place(subject.path),),
        because=because,
        measures=(
            ("evidence_level", float(usage.evidence)),
            ("times", float(usage.count)),
            ("upload_bytes", float(usage.bytes_up)),
        ),
    )


DETECTOR = Detector(
    id="log.ai-use",
    kind=Kind.LOG,
    serves=frozenset({Discipline.AI_USE}),
    risks=(
        "usage.unapproved",
        "usage.blocked-service",
        "usage.personal-account",
        "usage.first-seen",
        "usage.unusual-upload",
        "usage.look-alike",
        "usage.candidate",
    ),
    severity=Severity.HIGH,
    cost=Cost.INLINE,
    source="NIST SP 800-92; Iglewicz and Hoaglin 1993; NIST AI 600-1; see ai_use.toml",
    summary="AI services that nobody approved, private accounts, unusual uploads, look-alikes",
    examine=examine,
)
