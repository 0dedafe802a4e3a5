"""Models that tell which rows they were trained on, by what an assessment measured."""

from __future__ import annotations

import pytest

from bartizan.core.finding import Failure, Finding, Severity
from bartizan.core.subject import Kind, Subject
from bartizan.detectors.model.privacy import DETECTOR
from bartizan.readers.assessment import Assessed, Checked
from bartizan.testing import check_detector, look


def model(check: str = "privacy", why: str = "", asked: bool = False, **numbers: float) -> Subject:
    return Subject(Kind.MODEL, "", Assessed(checks=(Checked(check, tuple(numbers.items()), why, asked),)))


HITS = {
    "many are told": model(membership_tpr_at_1pct=0.27, membership_tpr_at_1pct_low=0.22),
    "more than by chance, surely": model(membership_tpr_at_1pct=0.02, membership_tpr_at_1pct_low=0.012),
    "without an interval": model(membership_tpr_at_1pct=0.05),
}
MISSES = {
    "as by chance": model(membership_tpr_at_1pct=0.01, membership_tpr_at_1pct_low=0.002),
    "perhaps more than by chance": model(membership_tpr_at_1pct=0.02, membership_tpr_at_1pct_low=0.008),
    "it was not measured": model(why="no pool", asked=True),
    "another check's numbers": model("evasion", membership_tpr_at_1pct=0.27),
    "a text": Subject(Kind.MODEL, "", "membership_tpr_at_1pct 0.27"),
}


def test_the_pairs() -> None:
    check_detector(DETECTOR, hits=HITS, misses=MISSES)


@pytest.mark.parametrize(("least", "severity"), [(0.1, Severity.HIGH), (0.03, Severity.MEDIUM), (0.02, Severity.LOW)])
def test_how_bad_it_is_goes_by_the_lower_end_of_the_interval(least: float, severity: Severity) -> None:
    (found,) = look(DETECTOR, model(membership_tpr_at_1pct=0.4, membership_tpr_at_1pct_low=least))
    assert isinstance(found, Finding) and found.severity is severity


def test_what_was_asked_for_and_not_measured_is_a_failure() -> None:
    assert [type(one) for one in look(DETECTOR, model(why="no pool", asked=True))] == [Failure]
