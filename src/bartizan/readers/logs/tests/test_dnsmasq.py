"""The log of dnsmasq and Pi-hole."""

from __future__ import annotations

import pytest
from known_hosts import lines, visits
from network_logs import source

from bartizan.readers.logs.dnsmasq import FORMAT
from bartizan.readers.logs.visit import Tally
from bartizan.readers.logs.waiting import LINES

ASKED = "Jan  5 10:00:00 dnsmasq[812]: query[A] claude.ai from 10.0.0.7\n"


def test_a_query_is_one_visit_whatever_is_said_of_it() -> None:
    found = [
        (visit.time_us, visit.actor, visit.host, visit.denied)
        for visit in visits(FORMAT, source("dnsmasq"), Tally(reference_us=1_767_700_000_000_000))
    ]
    assert found == [
        (1_767_607_200_000_000, "10.0.0.7", b"chatgpt.com", False),
        (1_767_607_201_000_000, "10.0.0.8", b"claude.ai", True),
        (1_767_607_202_000_000, "10.0.0.9", b"api.openai.com", True),
        (1_767_607_205_000_000, "fd00::9", b"claude.ai", False),
    ]


@pytest.mark.parametrize(
    ("said", "denied"),
    {
        "gravity blocked claude.ai is 0.0.0.0": True,
        "exactly denied claude.ai is 0.0.0.0": True,
        "regex blacklisted claude.ai is ::": True,
        "special domain claude.ai is NXDOMAIN": True,
        "config claude.ai is NODATA-IPv4": True,
        "config claude.ai is 10.0.0.4": False,
        "/etc/hosts claude.ai is 0.0.0.0": True,
        "/etc/hosts claude.ai is 10.0.0.4": False,
        "/etc/pihole/gravity.list claude.ai is 10.0.0.4": True,
        "cached claude.ai is 0.0.0.0": False,
        "reply claude.ai is NXDOMAIN": False,
        "forwarded claude.ai to 1.1.1.1": False,
        "gravity blocked chatgpt.com is 0.0.0.0": False,
    }.items(),
)
def test_what_the_resolver_answers_by_itself_with_nothing_is_denied(said: str, denied: bool) -> None:
    (visit,) = visits(FORMAT, lines(f"{ASKED}Jan  5 10:00:00 dnsmasq[812]: {said}"))
    assert visit.denied is denied


def test_nothing_waits_for_longer_than_some_lines() -> None:
    other = "Jan  5 10:00:00 dnsmasq[812]: query[A] www.bbc.co.uk from 10.0.0.7\n"
    late = "Jan  5 10:00:09 dnsmasq[812]: gravity blocked claude.ai is 0.0.0.0"
    (visit,) = visits(FORMAT, lines(ASKED + other * LINES * 2 + late))
    assert not visit.denied


def test_a_name_with_spaces_forges_no_query() -> None:
    forged = "Jan  5 10:00:00 dnsmasq[812]: query[A] x query[A] claude.ai from 10.0.0.66 from 10.0.0.7"
    assert visits(FORMAT, lines(forged)) == []


def test_openwrt_writes_the_year() -> None:
    line = "Mon Jan  5 10:00:00 2026 daemon.info dnsmasq[1]: 4 10.0.0.7/5123 query[A] claude.ai from 10.0.0.7"
    (visit,) = visits(FORMAT, lines(line))
    assert visit.time_us == 1_767_607_200_000_000


def test_whoever_asked_some_lines_before_was_told_the_addresses() -> None:
    says = "Jan  5 10:00:01 dnsmasq[812]: "
    text = (
        ASKED
        + f"{says}forwarded claude.ai to 1.1.1.1\n"
        + f"{says}query[A] www.bbc.co.uk from 10.0.0.8\n"
        + f"{says}reply claude.ai is <CNAME>\n"
        + f"{says}reply claude.cdn.example is 203.0.113.7\n"
        + f"{says}reply claude.cdn.example is 203.0.113.8\n"
        + f"{says}reply www.bbc.co.uk is 203.0.113.9\n"
        + f"{says}cached other.example is 203.0.113.10\n"
        + f"{says}reply claude.ai is 2001:db8::7\n"
        + f"{says}reply other.example is 203.0.113.11\n"
    )
    tally = Tally(reference_us=1_767_700_000_000_000)
    [visit] = visits(FORMAT, lines(text), tally)
    near = visit.time_us + 1_000_000

    def host(last: str, client: str = "10.0.0.7") -> bytes:
        return tally.answers.host(client, last, near)

    assert host("203.0.113.7") == host("203.0.113.8") == host("2001:db8::7") == b"claude.ai"
    assert host("203.0.113.10") == host("203.0.113.11") == host("<CNAME>") == host("203.0.113.7", "10.0.0.8") == b""


def test_an_answer_long_after_its_question_is_nobodys() -> None:
    other = "Jan  5 10:00:00 dnsmasq[812]: query[A] www.bbc.co.uk from 10.0.0.7\n"
    tally = Tally(reference_us=1_767_700_000_000_000)
    visits(FORMAT, lines(ASKED + other * LINES * 2 + "Jan  5 10:00:09 dnsmasq[812]: reply claude.ai is 1.2.3.4"), tally)
    assert not tally.answers
