"""An account that asks a model as a thief does: much it cannot know yet, little twice, much near the borders.

Looks at one session of one account (`Asking`), compared with honest sessions as `profiles/asking.py` says. The limit
comes with the profile, which was calibrated on honest rows; how often honest sessions pass it stands in the finding.
"""

from __future__ import annotations

from collections.abc import Iterator

from bartizan.core.detector import Cost, Detector, Discipline, Hits
from bartizan.core.finding import Finding, Place, Severity
from bartizan.core.subject import Kind, Subject
from bartizan.profiles.asking import Asking

RISK = "theft.extraction-attempt"
CONFIDENCE, SURE = 0.6, 0.85
FAR = 2.0  # Times the limit, from which on nothing honest was ever measured.
WORDS = {
    "doubt": "asks nearer to the borders between classes",
    "strange": "asks with rows less like the model's own",
    "coverage": "asks about more kinds of rows",
    "growth": "repeats less",
    "order": "has distances between its rows that come about less by themselves",
}


def examine(subject: Subject, hits: Hits) -> Iterator[Finding]:
    """What there is to say of a session. Anything else shows nothing."""
    asking = subject.content
    if not isinstance(asking, Asking) or not asking.beyond:
        return
    name, largest = asking.largest
    sure = asking.limit > 0 and largest >= FAR * asking.limit
    yield Finding(
        risk=RISK,
        severity=Severity.HIGH if sure else Severity.MEDIUM,
        confidence=SURE if sure else CONFIDENCE,
        places=(Place(subject.path),),
        because=f"in {asking.queries} queries this account {WORDS[name]} than honest ones: {largest:.1f} times "
        f"what they differ by, {asking.false_alarms:g} of 1,000 honest sessions pass the limit of {asking.limit:.1f}",
        measures=(("queries", float(asking.queries)), *((name, round(z, 3)) for name, z in asking.deviations)),
    )


DETECTOR = Detector(
    id="log.model-extraction",
    kind=Kind.LOG,
    serves=frozenset({Discipline.SECURING_AI}),
    risks=(RISK,),
    severity=Severity.HIGH,
    cost=Cost.INLINE,
    source="MITRE ATLAS AML.T0024.002; Juuti et al. 2019 (PRADA); Shapiro and Francia 1972",
    summary="accounts that ask a model as somebody does who copies it",
    examine=examine,
)
