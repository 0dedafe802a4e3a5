# ruff: noqa: E501 (a line of a log is as long as it is)
"""FortiGate: web filter, application control, traffic."""

from __future__ import annotations

from known_hosts import sample, visits
from vendor_logs import source

from bartizan.readers.logs.fortigate import FORMAT
from bartizan.readers.logs.visit import Evidence, Tally


def test_the_visits_of_a_log() -> None:
    """And nothing of the decoys: other hosts, referers, queries, user agents."""
    tally = Tally()
    assert [(v.actor, v.host or v.app, v.evidence, v.denied) for v in visits(FORMAT, source(FORMAT.id), tally)] == [
        ("mara", b"chatgpt.com", Evidence.PROMPT, False),
        ("jonas", "ChatGPT", Evidence.CONNECTED, True),
    ]
    assert tally.junk == 0


def test_the_whole_log_is_recognised() -> None:
    assert FORMAT.recognise(sample(FORMAT, source(FORMAT.id))) == 1.0


def test_the_account_of_a_cloud_application_is_told() -> None:
    web, app = visits(FORMAT, source(FORMAT.id))
    assert (web.account, app.account) == ("", "jonas@gmail.example")


def test_time_is_read_from_the_epoch_or_from_date_and_zone() -> None:
    web, app = visits(FORMAT, source(FORMAT.id))
    assert (web.time_us, app.time_us) == (1_767_607_200_000_000, 1_767_607_201_000_000)


def test_the_csv_of_fortios_is_read_as_well() -> None:
    line = b'date=2026-01-05,time=10:00:00,logid="1",type="utm",subtype="webfilter",srcip=10.0.0.7,hostname="claude.ai",action="blocked"'
    assert [(v.actor, v.host, v.denied) for v in visits(FORMAT, [line])] == [("10.0.0.7", b"claude.ai", True)]
