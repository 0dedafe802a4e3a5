"""Frameworks as data: complete, honest about what was checked, and every question in them has an answer."""

from __future__ import annotations

import pytest

from bartizan.doors.usage import evidence as command
from bartizan.report.compliance.framework import IDS, Checked, framework
from bartizan.report.compliance.queries import QUERIES

WANTED = {
    "eu-ai-act": {"Art. 4", *(f"Art. 26({n})" for n in range(1, 13)), "Art. 27", "Art. 50"},
    "gdpr": {*(f"Art. 30(1)({letter})" for letter in "abcdefg"), "Art. 33(1)", "Art. 33(5)"},
    "nist-ai-rmf": {"GOVERN 1.6", "MAP 1.1", "MEASURE 2.10", "MANAGE 4.3"},
    "nist-ai-600-1": {"GV-1.6-001", "GV-6.1-007", "MG-4.3-003"},
    "iso-42001": {"A.2.2", "A.6.2.8", "A.10.3"},
    "soc-2": {"CC6.1", "CC6.7", "CC7.2", "CC7.4"},
}


@pytest.mark.parametrize("id_", IDS)
def test_a_framework_says_where_it_comes_from_and_what_was_checked(id_: str) -> None:
    found = framework(id_)
    assert found.id == id_ and found.source and found.version and found.note
    ids = [control.id for control in found.controls]
    assert len(ids) == len(set(ids)) and set(ids) >= WANTED[id_]
    for control in found.controls:
        assert bool(control.where) == (control.checked is not Checked.NO), control.id
        assert control.queries or control.attach, control.id
        assert set(control.queries) <= QUERIES.keys(), control.id


def test_every_query_answers_some_control() -> None:
    asked = {query for id_ in IDS for control in framework(id_).controls for query in control.queries}
    assert asked == QUERIES.keys()


def test_the_command_knows_all_of_them() -> None:
    assert command.FRAMEWORKS == IDS


def test_copyrighted_texts_were_not_read() -> None:
    for id_ in ("iso-42001", "soc-2"):
        assert all(control.checked is not Checked.TEXT for control in framework(id_).controls)


def test_dates_of_application_are_data() -> None:
    days = {one.id: one.day for one in framework("eu-ai-act").applies}
    assert str(days["high-risk"]) == "2027-12-02" and str(days["literacy"]) == "2025-02-02"
