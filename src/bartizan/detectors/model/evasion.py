"""A model whose answers small changes flip: how many rows it still gets right when somebody looks for such changes.

Looks at what `bartizan assess` measured (`Assessed`). Rows that fell were found and judged again, so the number is an
upper bound: a better attack can only lower it. Where a test of the evaluation itself failed and nothing resolved that,
it is a bound without meaning, and said to be a failure.
"""

from __future__ import annotations

from collections.abc import Iterator

from bartizan import rules
from bartizan.core.detector import Cost, Detector, Discipline, Hits
from bartizan.core.finding import Failure, Finding, Place, Severity
from bartizan.core.subject import Kind, Subject
from bartizan.readers.assessment import Assessed

LIMITS = rules.load("bartizan.detectors.model", "assessed.toml")["evasion"]
RISK = "evasion.small-changes"


def examine(subject: Subject, hits: Hits) -> Iterator[Finding | Failure]:
    """What there is to say of an assessment. Anything else shows nothing."""
    content = subject.content
    checked = content.check("evasion") if isinstance(content, Assessed) else None
    if checked is None:
        return
    place = Place(subject.path)
    if checked.why and checked.asked:
        yield Failure("whether small changes flip its answers could not be measured", (RISK,), (place,))
    if checked.distrusted:
        why = f"the evaluation failed its own tests ({', '.join(checked.distrusted)}): an upper bound, not trusted"
        yield Failure(why, (RISK,), (place,))
    robust, accuracy = checked.get("robust_accuracy"), checked.get("accuracy")
    if robust is None or accuracy is None or robust >= accuracy:
        return
    kept = robust / accuracy
    severity = Severity.MEDIUM if kept < LIMITS["medium_below"] else Severity.LOW
    yield Finding(
        risk=RISK,
        severity=severity if kept < LIMITS["low_below"] else Severity.INFO,
        confidence=LIMITS["confidence"],
        places=(place,),
        because=f"{accuracy:.1%} of its answers are right, and at most {robust:.1%} when somebody looks for changes",
        measures=checked.measures,
    )


DETECTOR = Detector(
    id="model.evasion",
    kind=Kind.MODEL,
    serves=frozenset({Discipline.SECURING_AI}),
    risks=(RISK,),
    severity=Severity.MEDIUM,
    cost=Cost.INLINE,
    source="CWE-1039; MITRE ATLAS AML.T0043; Croce and Hein 2020; Carlini et al. 2019; see assessed.toml",
    summary="models whose answers small changes flip",
    examine=examine,
)
