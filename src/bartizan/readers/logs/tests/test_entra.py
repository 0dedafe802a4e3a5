# ruff: noqa: E501 (a line of a log is as long as it is)
"""Entra: sign-ins from Graph and Azure Monitor, and consents."""

from __future__ import annotations

import json

from known_hosts import sample, visits
from vendor_logs import source

from bartizan.readers.logs.entra import FORMAT
from bartizan.readers.logs.visit import Evidence, Tally


def test_the_visits_of_a_log() -> None:
    """And nothing of the decoys: other hosts and applications, wherever an AI's name stands."""
    tally = Tally()
    assert [(v.actor, v.host or v.app, v.evidence, v.denied) for v in visits(FORMAT, source(FORMAT.id), tally)] == [
        ("mara@corp.example", "ChatGPT", Evidence.AUTHENTICATED, False),
        ("jonas@corp.example", "Otter.ai", Evidence.CONNECTED, True),
        ("lea@corp.example", "Perplexity", Evidence.AUTHENTICATED, False),
    ]
    assert tally.junk == 0


def test_the_whole_log_is_recognised() -> None:
    assert FORMAT.recognise(sample(FORMAT, source(FORMAT.id))) == 1.0


def test_the_same_sign_in_as_log_analytics_writes_it() -> None:
    row = {"TimeGenerated": "2026-01-05T10:00:00Z", "UserPrincipalName": "mara@corp.example", "AppDisplayName": "ChatGPT",
           "AppId": "1", "IPAddress": "10.0.0.7", "Status": json.dumps({"errorCode": 0}), "ResultType": "0"}  # fmt: skip
    assert visits(FORMAT, [row]) == visits(FORMAT, source(FORMAT.id)[:1])


def test_an_application_is_asked_for_by_its_id_as_well() -> None:
    record = source(FORMAT.id)[0] | {"appDisplayName": "Unnamed", "appId": "ChatGPT"}
    assert [v.app for v in visits(FORMAT, [record])] == ["ChatGPT"]


def test_a_wrong_password_is_no_policy_of_the_organisation() -> None:
    record = source(FORMAT.id)[0] | {"status": {"errorCode": 50126}}
    assert [(v.evidence, v.denied) for v in visits(FORMAT, [record])] == [(Evidence.CONNECTED, False)]
