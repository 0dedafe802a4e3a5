"""Models whose answers small changes flip, by what an assessment measured."""

from __future__ import annotations

import pytest

from bartizan.core.finding import Failure, Finding, Severity
from bartizan.core.subject import Kind, Subject
from bartizan.detectors.model.evasion import DETECTOR
from bartizan.readers.assessment import Assessed, Checked
from bartizan.testing import check_detector, look


def model(
    check: str = "evasion", why: str = "", asked: bool = False, distrusted: tuple[str, ...] = (), **numbers: float
):
    return Subject(Kind.MODEL, "", Assessed(checks=(Checked(check, tuple(numbers.items()), why, asked, distrusted),)))


HITS = {
    "most answers are lost": model(accuracy=0.98, robust_accuracy=0.3),
    "one answer is lost": model(accuracy=0.98, robust_accuracy=0.979),
    "one that failed its own tests": model(accuracy=0.98, robust_accuracy=0.9, distrusted=("zero-gradients",)),
}
MISSES = {
    "no answer is lost": model(accuracy=0.98, robust_accuracy=0.98),
    "it was not measured": model(why="no test rows", asked=True),
    "another check's numbers": model("privacy", accuracy=0.98, robust_accuracy=0.3),
    "no accuracy": model(robust_accuracy=0.3),
    "a text": Subject(Kind.MODEL, "", "robust_accuracy 0.3"),
}


def test_the_pairs() -> None:
    check_detector(DETECTOR, hits=HITS, misses=MISSES)


@pytest.mark.parametrize(
    ("robust", "severity"), [(0.48, Severity.MEDIUM), (0.5, Severity.LOW), (0.89, Severity.LOW), (0.9, Severity.INFO)]
)
def test_how_bad_it_is_goes_by_the_share_that_is_kept(robust: float, severity: Severity) -> None:
    (found,) = look(DETECTOR, model(accuracy=1.0, robust_accuracy=robust))
    assert isinstance(found, Finding)
    assert found.severity is severity
    assert dict(found.measures) == {"accuracy": 1.0, "robust_accuracy": robust}


def test_an_evaluation_that_failed_its_own_tests_is_a_failure() -> None:
    found = look(DETECTOR, model(accuracy=0.98, robust_accuracy=0.98, distrusted=("zero-gradients", "flat-loss")))
    assert [type(one) for one in found] == [Failure]
    assert "zero-gradients, flat-loss" in found[0].why  # type: ignore[union-attr]


def test_what_was_asked_for_and_not_measured_is_a_failure() -> None:
    assert [type(one) for one in look(DETECTOR, model(why="no rows", asked=True))] == [Failure]
    assert look(DETECTOR, model(why="no rows")) == []
