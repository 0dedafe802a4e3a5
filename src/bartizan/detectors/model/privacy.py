"""A model that tells which rows it was trained on: how many of them an attacker names who is hardly ever wrong.

Looks at what `bartizan assess` measured (`Assessed`): the true-positive rate at 1 % false positives, by the lower end
of its interval, because an average over all rows hides the few that leak (Carlini et al. 2022).
"""

from __future__ import annotations

from collections.abc import Iterator

from bartizan import rules
from bartizan.core.detector import Cost, Detector, Discipline, Hits
from bartizan.core.finding import Failure, Finding, Place, Severity
from bartizan.core.subject import Kind, Subject
from bartizan.readers.assessment import Assessed

LIMITS = rules.load("bartizan.detectors.model", "assessed.toml")["privacy"]
RISK = "privacy.membership"


def examine(subject: Subject, hits: Hits) -> Iterator[Finding | Failure]:
    """What there is to say of an assessment. Anything else shows nothing."""
    content = subject.content
    checked = content.check("privacy") if isinstance(content, Assessed) else None
    if checked is None:
        return
    place = Place(subject.path)
    if checked.why and checked.asked:
        yield Failure("whether its training rows can be told could not be measured", (RISK,), (place,))
    rate, least = checked.get("membership_tpr_at_1pct"), checked.get("membership_tpr_at_1pct_low")
    if rate is None:
        return
    least = rate if least is None else least
    if least <= LIMITS["low_above"]:
        return
    severity = Severity.MEDIUM if least >= LIMITS["medium_from"] else Severity.LOW
    yield Finding(
        risk=RISK,
        severity=Severity.HIGH if least >= LIMITS["high_from"] else severity,
        confidence=LIMITS["confidence"],
        places=(place,),
        because=f"{rate:.1%} of its training rows are told from others, at 1 % false alarms; at least {least:.1%}",
        measures=checked.measures,
    )


DETECTOR = Detector(
    id="model.privacy",
    kind=Kind.MODEL,
    serves=frozenset({Discipline.SECURING_AI}),
    risks=(RISK,),
    severity=Severity.HIGH,
    cost=Cost.INLINE,
    source="MITRE ATLAS AML.T0024; Carlini et al. 2022; Zarifzadeh et al. 2024; see assessed.toml",
    summary="models that tell which rows they were trained on",
    examine=examine,
)
