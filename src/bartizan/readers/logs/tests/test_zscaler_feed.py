# ruff: noqa: E501 (a line of a log is as long as it is)
"""Zscaler: CSV in the order of the template or below a header, and pairs."""

from __future__ import annotations

from known_hosts import sample, visits
from vendor_logs import source

from bartizan.readers.logs.visit import Evidence, Tally
from bartizan.readers.logs.zscaler_feed import FORMAT


def test_the_visits_of_a_log() -> None:
    """And nothing of the decoys: other hosts, referers, queries, user agents."""
    tally = Tally()
    assert [(v.actor, v.host or v.app, v.evidence, v.denied) for v in visits(FORMAT, source(FORMAT.id), tally)] == [
        ("mara@corp.example", b"chatgpt.com", Evidence.PROMPT, False),
        ("mara@corp.example", b"claude.ai", Evidence.UPLOADED, False),
    ]
    assert tally.junk == 0


def test_the_whole_log_is_recognised() -> None:
    assert FORMAT.recognise(sample(FORMAT, source(FORMAT.id))) == 1.0


def test_a_header_says_where_the_columns_are() -> None:
    rows = [
        b'"time","cip","login","reqsize","respsize","url","action","urlclass"',
        b'"Fri Dec 31 07:07:07 2021","10.0.0.7","None","12","34","claude.ai/new, with a comma","Blocked","AI"',
        b'"Fri Dec 31 07:07:07 2021","10.0.0.7","None","12"',
    ]
    tally = Tally()
    (seen,) = visits(FORMAT, rows, tally)
    assert (seen.actor, seen.host, seen.bytes_up, seen.bytes_down, seen.denied) == (
        "10.0.0.7",
        b"claude.ai",
        12,
        34,
        True,
    )
    assert tally.junk == 1
    assert FORMAT.recognise(sample(FORMAT, rows[:2])) == 1.0


def test_pairs_of_the_template_for_rsa() -> None:
    row = b"<13>Jan 30 15:12:07 nss ZSCALERNSS: time=Thu Jan 30 15:12:07 2020^^timezone=UTC^^action=Allowed^^hostname=claude.ai^^url=claude.ai/^^ClientIP=10.0.0.7^^login=mara"
    (seen,) = visits(FORMAT, [row])
    assert (seen.actor, seen.host, seen.time_us) == ("mara", b"claude.ai", 1_580_397_127_000_000)


def test_a_csv_with_an_url_is_not_zscaler_for_that() -> None:
    assert FORMAT.recognise(sample(FORMAT, [b"date,user,url,status", b"2026-01-05,mara,https://claude.ai/,200"])) == 0
