"""Azure OpenAI: requests of a resource, its name in the id."""

from __future__ import annotations

from known_hosts import sample, visits
from vendor_logs import source

from bartizan.readers.logs.azure_openai import FORMAT
from bartizan.readers.logs.visit import Evidence, Tally


def test_the_visits_of_a_log() -> None:
    """And nothing of the decoys: other hosts and applications, wherever an AI's name stands."""
    tally = Tally()
    assert [(v.actor, v.host or v.app, v.evidence, v.denied) for v in visits(FORMAT, source(FORMAT.id), tally)] == [
        ("10.0.0.***", b"contoso-eu.openai.azure.com", Evidence.PROMPT, False),
        ("4a1b0000-0000-0000-0000-000000000001", b"contoso-eu.openai.azure.com", Evidence.PROMPT, False),
        ("10.0.0.***", b"contoso-eu.openai.azure.com", Evidence.AUTHENTICATED, False),
        ("10.0.0.***", b"contoso-eu.openai.azure.com", Evidence.AUTHENTICATED, True),
    ]
    assert tally.junk == 0


def test_the_whole_log_is_recognised() -> None:
    assert FORMAT.recognise(sample(FORMAT, source(FORMAT.id))) == 1.0


def test_log_analytics_writes_the_names_in_capitals() -> None:
    record = source(FORMAT.id)[0]
    names = {
        "time": "TimeGenerated",
        "properties": "properties_s",
        "callerIpAddress": "CallerIPAddress",
        "resourceId": "ResourceId",
    }
    table = {names.get(key, key[:1].upper() + key[1:]): value for key, value in record.items()}
    assert visits(FORMAT, [table]) == visits(FORMAT, [record])


def test_sizes_are_of_the_request() -> None:
    first = visits(FORMAT, source(FORMAT.id))[0]
    assert (first.bytes_up, first.bytes_down, first.time_us) == (52_000, 900, 1_767_607_200_123_456)
