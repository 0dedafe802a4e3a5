"""Training data with backdoors, wrong labels and outliers, by what an assessment measured."""

from __future__ import annotations

from bartizan.core.finding import Failure, Finding, Severity
from bartizan.core.subject import Kind, Subject
from bartizan.detectors.model.poisoning import DETECTOR, RISKS
from bartizan.readers.assessment import Assessed, Checked
from bartizan.testing import check_detector, look


def model(check: str = "poison", why: str = "", asked: bool = False, **numbers: float) -> Subject:
    return Subject(Kind.MODEL, "", Assessed(checks=(Checked(check, tuple(numbers.items()), why, asked),)))


HITS = {
    "a backdoor": model(backdoor_rows=1),
    "the model alone shows a trigger": model(suspected_triggers=1),
    "wrong labels": model(label_rows=3, train_rows=1000),
    "outliers": model(outlier_rows=2),
}
MISSES = {
    "nothing found": model(backdoor_rows=0, suspected_triggers=0, label_rows=0, outlier_rows=0, train_rows=1000),
    "it was not measured": model(why="no training rows", asked=True),
    "another check's numbers": model("theft", backdoor_rows=30),
    "a text": Subject(Kind.MODEL, "", "backdoor_rows 30"),
}


def test_the_pairs() -> None:
    check_detector(DETECTOR, hits=HITS, misses=MISSES)


def test_each_kind_is_a_risk_of_its_own() -> None:
    found = look(DETECTOR, model(backdoor_rows=30, label_rows=30, outlier_rows=2, train_rows=1000))
    kinds = [(one.risk, one.severity) for one in found if isinstance(one, Finding)]
    assert kinds == list(zip(RISKS, [Severity.CRITICAL, Severity.MEDIUM, Severity.INFO], strict=True))


def test_a_few_wrong_labels_are_in_every_data_set() -> None:
    (found,) = look(DETECTOR, model(label_rows=19, train_rows=1000))
    assert isinstance(found, Finding) and found.severity is Severity.LOW


def test_what_was_asked_for_and_not_measured_is_a_failure() -> None:
    (found,) = look(DETECTOR, model(why="no training rows", asked=True))
    assert isinstance(found, Failure) and found.risks == RISKS
