"""The query log of BIND."""

from __future__ import annotations

from known_hosts import lines, visits
from network_logs import source

from bartizan.readers.logs.bind import FORMAT
from bartizan.readers.logs.visit import Evidence, Tally

CLIENT = "05-Jan-2026 10:00:00.123 queries: info: client @0x7f 10.0.0.7#47259"


def told(text: str) -> list[tuple[str, bytes, bool]]:
    return [(visit.actor, visit.host, visit.denied) for visit in visits(FORMAT, lines(text))]


def test_queries_with_views_keys_and_forwarded_networks() -> None:
    found = {(visit.time_us, visit.actor, visit.host, visit.denied) for visit in visits(FORMAT, source("bind"))}
    assert found == {
        (1_767_607_200_123_000, "10.0.0.7", b"chatgpt.com", False),
        (1_767_607_201_000_000, "10.0.0.8", b"claude.ai", True),
        (1_767_607_202_000_000, "10.0.0.9", b"API.openai.com", False),
        (1_767_607_205_000_000, "fd00::9", b"claude.ai", False),
    }
    assert all(visit.evidence is Evidence.RESOLVED for visit in visits(FORMAT, source("bind")))


def test_a_syslog_without_a_year_takes_it_from_when_it_was_written() -> None:
    line = b"Dec 31 23:59:59 ns1 named[77]: client 10.0.0.7#1 (claude.ai): query: claude.ai IN A + (10.0.0.53)"
    (visit,) = visits(FORMAT, [line], Tally(reference_us=1_767_607_200_000_000))
    assert visit.time_us == 1_767_225_599_000_000
    assert visits(FORMAT, [line])[0].time_us == 0


def test_what_passes_a_policy_is_not_denied() -> None:
    said = CLIENT.replace("queries", "rpz") + " (claude.ai): rpz QNAME {} rewrite claude.ai/A/IN via claude.ai.rpz"
    asked = CLIENT + " (claude.ai): query: claude.ai IN A + (10.0.0.53)\n"
    assert told(asked + said.format("PASSTHRU")) == [("10.0.0.7", b"claude.ai", False)]
    assert told(asked + said.format("NODATA")) == [("10.0.0.7", b"claude.ai", True)]
    assert told(asked + said.format("NODATA").replace("#47259", "#47260")) == [("10.0.0.7", b"claude.ai", False)]


def test_an_access_list_that_refused_has_denied() -> None:
    asked = CLIENT + " (claude.ai): query: claude.ai IN A + (10.0.0.53)\n"
    assert told(asked + CLIENT + " (claude.ai): query (cache) 'claude.ai/A/IN' denied") == [
        ("10.0.0.7", b"claude.ai", True)
    ]


def test_responses_are_no_second_query() -> None:
    asked = CLIENT + " (claude.ai): query: claude.ai IN A + (10.0.0.53)\n"
    assert len(told(asked + CLIENT + " (claude.ai): response: claude.ai IN A NOERROR +E(0)K (10.0.0.53)")) == 1


def test_a_name_that_holds_a_line_is_that_name() -> None:
    forged = CLIENT + " (x:\\032query:\\032claude.ai): query: x:\\032query:\\032claude.ai IN A + (10.0.0.53)"
    assert told(forged) == []
