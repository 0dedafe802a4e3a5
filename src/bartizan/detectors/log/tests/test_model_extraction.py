"""Sessions that look like theft, and their honest neighbours."""

from __future__ import annotations

from dataclasses import replace

from bartizan.core.finding import Finding, Severity
from bartizan.core.subject import Kind, Subject
from bartizan.detectors.log.model_extraction import DETECTOR, FAR
from bartizan.profiles.asking import NUMBERS, Asking
from bartizan.testing import check_detector, look

CALM = Asking("", 100, tuple((name, 0.5) for name in NUMBERS), 4.0, 1.0)


def session(**z: float) -> Subject:
    deviations = tuple((name, z.get(name, 0.5)) for name in NUMBERS)
    return Subject(Kind.LOG, "", replace(CALM, deviations=deviations))


HITS = {name: session(**{name: 4.1}) for name in NUMBERS}
MISSES = {name: session(**{name: 4.0}) for name in NUMBERS} | {"another log": Subject(Kind.LOG, "", None)}


def test_hits_and_misses() -> None:
    """A session passes the limit, or reaches it and no more."""
    check_detector(DETECTOR, hits=HITS, misses=MISSES)


def test_what_no_honest_session_was_ever_near_is_high() -> None:
    """Twice the limit."""
    found = [one for one in look(DETECTOR, session(doubt=4.0 * FAR)) if isinstance(one, Finding)]
    assert [one.severity for one in found] == [Severity.HIGH]
    assert "borders" in found[0].because
    assert dict(found[0].measures)["doubt"] == 8.0
