"""Models that can be copied by asking them, by what an assessment measured."""

from __future__ import annotations

import pytest

from bartizan.core.finding import Failure, Finding, Severity
from bartizan.core.subject import Kind, Subject
from bartizan.detectors.model.theft import DETECTOR
from bartizan.readers.assessment import Assessed, Checked
from bartizan.testing import check_detector, look


def model(check: str = "theft", why: str = "", asked: bool = False, **numbers: float) -> Subject:
    return Subject(Kind.MODEL, "", Assessed(checks=(Checked(check, tuple(numbers.items()), why, asked),)))


HITS = {
    "a good copy": model(stolen_fidelity=0.96, stolen_queries=300),
    "a fair copy": model(stolen_fidelity=0.8),
}
MISSES = {
    "a poor copy": model(stolen_fidelity=0.79, stolen_queries=10_000),
    "it was not measured": model(why="no rows to ask with", asked=True),
    "another check's numbers": model("evasion", stolen_fidelity=0.99),
    "a text": Subject(Kind.MODEL, "", "stolen_fidelity 0.99"),
}


def test_the_pairs() -> None:
    check_detector(DETECTOR, hits=HITS, misses=MISSES)


@pytest.mark.parametrize(("fidelity", "severity"), [(0.95, Severity.MEDIUM), (0.94, Severity.LOW)])
def test_how_bad_it_is_goes_by_the_fidelity(fidelity: float, severity: Severity) -> None:
    (found,) = look(DETECTOR, model(stolen_fidelity=fidelity, stolen_queries=1000))
    assert isinstance(found, Finding) and found.severity is severity
    assert "1,000 rows" in found.because


def test_what_was_asked_for_and_not_measured_is_a_failure() -> None:
    assert [type(one) for one in look(DETECTOR, model(why="no rows", asked=True))] == [Failure]
