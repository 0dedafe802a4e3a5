"""The log of Unbound."""

from __future__ import annotations

from known_hosts import lines, visits
from network_logs import source

from bartizan.readers.logs.unbound import FORMAT


def test_queries_replies_and_local_zones() -> None:
    found = [(visit.time_us, visit.actor, visit.host, visit.denied) for visit in visits(FORMAT, source("unbound"))]
    assert found == [
        (1_767_607_200_000_000, "10.0.0.7", b"chatgpt.com.", False),
        (1_767_607_201_000_000, "10.0.0.8", b"claude.ai.", True),
        (1_767_607_202_000_000, "10.0.0.9", b"api.openai.com.", False),  # Its query was not logged.
        (1_767_607_205_000_000, "fd00::9", b"claude.ai.", False),
    ]


def test_the_same_question_twice_is_two_visits_with_a_reply_each() -> None:
    asked = "[1767607200] unbound[204:0] info: 10.0.0.7 claude.ai. A IN\n"
    answered = "[1767607200] unbound[204:0] info: 10.0.0.7 claude.ai. A IN NOERROR 0.1 0 75\n"
    assert len(visits(FORMAT, lines(asked + asked + answered + answered))) == 2
    assert len(visits(FORMAT, lines(asked + answered + answered))) == 2


def test_a_response_policy_denies_and_one_that_lets_pass_does_not() -> None:
    asked = "[1767607200] unbound[204:0] info: 10.0.0.7 claude.ai. A IN\n"
    said = "[1767607200] unbound[204:0] info: rpz: applied [ai] claude.ai. {} 10.0.0.7@43575 claude.ai. A IN"
    (denied,) = visits(FORMAT, lines(asked + said.format("rpz-nxdomain")))
    (passed,) = visits(FORMAT, lines(asked + said.format("rpz-passthru")))
    assert denied.denied
    assert not passed.denied


def test_a_refused_client_was_denied() -> None:
    (visit,) = visits(FORMAT, lines("[1767607200] unbound[204:0] reply: 10.0.0.7 claude.ai. A IN REFUSED 0.0 1 27"))
    assert visit.denied
