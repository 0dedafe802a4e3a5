"""Training data that somebody, or carelessness, made wrong: backdoors, wrong labels, rows that belong nowhere.

Looks at what `bartizan assess` measured (`Assessed`). A backdoor is one only after its trigger was recovered and moved
the model when stamped on other rows, else at most suspected; labels and outliers are for a person to look at.
"""

from __future__ import annotations

from collections.abc import Iterator

from bartizan import rules
from bartizan.core.detector import Cost, Detector, Discipline, Hits
from bartizan.core.finding import Failure, Finding, Place, Severity
from bartizan.core.subject import Kind, Subject
from bartizan.readers.assessment import Assessed, Checked

LIMITS = rules.load("bartizan.detectors.model", "assessed.toml")["poisoning"]
BACKDOOR, LABELS, OUTLIERS = RISKS = ("poisoning.backdoor", "poisoning.labels", "poisoning.outliers")


def examine(subject: Subject, hits: Hits) -> Iterator[Finding | Failure]:
    """What there is to say of an assessment. Anything else shows nothing."""
    content = subject.content
    checked = content.check("poison") if isinstance(content, Assessed) else None
    if checked is None:
        return
    place = Place(subject.path)
    if checked.why and checked.asked:
        yield Failure("whether its training data was poisoned could not be measured", RISKS, (place,))
    backdoor = checked.get("backdoor_rows")
    if backdoor:
        because = f"{_rows(backdoor, 'carries', 'carry')} a trigger that, stamped on others, moves the model"
        confidence = LIMITS["backdoor_confidence"]
        yield Finding(BACKDOOR, Severity.CRITICAL, confidence, (place,), because, checked.measures)
    suspected = checked.get("suspected_triggers")
    if suspected:
        because = "a class is called up by a patch far smaller than the others take; there were no training rows"
        yield Finding(BACKDOOR, Severity.MEDIUM, LIMITS["suspected_confidence"], (place,), because, checked.measures)
    labels = checked.get("label_rows")
    if labels:
        severity = Severity.MEDIUM if _share(checked, labels) >= LIMITS["medium_label_share"] else Severity.LOW
        because = f"{_rows(labels, 'looks', 'look')} mislabelled"
        yield Finding(LABELS, severity, LIMITS["label_confidence"], (place,), because, checked.measures)
    outliers = checked.get("outlier_rows")
    if outliers:
        because = f"{_rows(outliers, 'is', 'are')} like no others"
        yield Finding(OUTLIERS, Severity.INFO, LIMITS["outlier_confidence"], (place,), because, checked.measures)


def _rows(count: float, does: str, do: str) -> str:
    rows, verb = ("1 row", does) if count == 1 else (f"{count:,.0f} rows", do)
    return f"{rows} of the training data {verb}"


def _share(checked: Checked, count: float) -> float:
    of = checked.get("train_rows")
    return count / of if of else 0.0


DETECTOR = Detector(
    id="model.poisoning",
    kind=Kind.MODEL,
    serves=frozenset({Discipline.SECURING_AI}),
    risks=RISKS,
    severity=Severity.CRITICAL,
    cost=Cost.INLINE,
    source="MITRE ATLAS AML.T0020; Gu et al. 2017 (BadNets); Northcutt et al. 2021; see assessed.toml",
    summary="training data with backdoors, wrong labels, or rows that belong nowhere",
    examine=examine,
)
