"""A model that can be copied by asking it: how often a stolen copy answers as it does.

Looks at what `bartizan assess` measured (`Assessed`), on rows that neither the model nor its thief was trained on.
"""

from __future__ import annotations

from collections.abc import Iterator

from bartizan import rules
from bartizan.core.detector import Cost, Detector, Discipline, Hits
from bartizan.core.finding import Failure, Finding, Place, Severity
from bartizan.core.subject import Kind, Subject
from bartizan.readers.assessment import Assessed

LIMITS = rules.load("bartizan.detectors.model", "assessed.toml")["theft"]
RISK = "theft.extraction"


def examine(subject: Subject, hits: Hits) -> Iterator[Finding | Failure]:
    """What there is to say of an assessment. Anything else shows nothing."""
    content = subject.content
    checked = content.check("theft") if isinstance(content, Assessed) else None
    if checked is None:
        return
    place = Place(subject.path)
    if checked.why and checked.asked:
        yield Failure("whether it can be copied could not be measured", (RISK,), (place,))
    fidelity, queries = checked.get("stolen_fidelity"), checked.get("stolen_queries")
    if fidelity is None or fidelity < LIMITS["low_from"]:
        return
    asked = f" that asked it {queries:,.0f} rows" if queries is not None else ""
    yield Finding(
        risk=RISK,
        severity=Severity.MEDIUM if fidelity >= LIMITS["medium_from"] else Severity.LOW,
        confidence=LIMITS["confidence"],
        places=(place,),
        because=f"a copy{asked} gives the same answer for {fidelity:.1%} of new rows",
        measures=checked.measures,
    )


DETECTOR = Detector(
    id="model.theft",
    kind=Kind.MODEL,
    serves=frozenset({Discipline.SECURING_AI}),
    risks=(RISK,),
    severity=Severity.MEDIUM,
    cost=Cost.INLINE,
    source="MITRE ATLAS AML.T0024.002; Tramèr et al. 2016; Orekondy et al. 2019; see assessed.toml",
    summary="models that can be copied by asking them",
    examine=examine,
)
