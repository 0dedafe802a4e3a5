"""Tunnels to AI services, by what was decided about them."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from bartizan.core.finding import Finding, Severity
from bartizan.core.subject import Context, Kind, Subject
from bartizan.detectors.flow.ai_tunnel import DETECTOR
from bartizan.readers.tunnel import Known, Place, Tunnel, tunnel
from bartizan.testing import check_detector, look

CHAT = Known("some-chat", "Some Chat", "A", "approved", "House Chat")
HERE = Tunnel(Place("chat.example", 443, False), CHAT)


def to(known: Known = CHAT, **changes: object) -> Subject:
    return tunnel(replace(HERE, known=known, **changes), Context())  # type: ignore[arg-type]  # Fields by name.


def chat(**changes: str) -> Known:
    return replace(CHAT, **changes)


HITS = {
    "nobody decided": to(chat(status="")),
    "restricted": to(chat(status="restricted")),
    "blocked": to(chat(status="blocked")),
    "blocked, of a directory": to(chat(status="blocked", tier="B")),
    "a look-alike": to(Known(lookalike_of="chat.example")),
    "another name inside": to(name="other.example", fronted=True),
}

MISSES = {
    "approved": to(),
    "tolerated": to(chat(status="tolerated")),
    "blocked, and much besides AI": to(chat(status="blocked", tier="M")),
    "a host nobody knows": to(Known()),
    "a host that looks like AI": to(Known(tier="candidate")),
    "another name inside, none of them AI": to(Known(), name="other.example", fronted=True),
    "no tunnel": Subject(Kind.FLOW, "", "chat.example"),
}


def test_shows_hits_and_misses() -> None:
    check_detector(DETECTOR, hits=HITS, misses=MISSES)


def found(subject: Subject) -> dict[str, Finding]:
    return {one.risk: one for one in look(DETECTOR, subject) if isinstance(one, Finding)}


def test_a_restricted_service_weighs_more_than_one_nobody_decided_on_and_less_than_a_blocked_one() -> None:
    assert [
        next(iter(found(to(chat(status=status))).values())).severity for status in ("", "restricted", "blocked")
    ] == [Severity.LOW, Severity.MEDIUM, Severity.HIGH]


def test_an_encrypted_hello_is_hardly_a_disguise() -> None:
    plain, encrypted = (
        found(to(name="provider.example", fronted=True, encrypted=inside))["usage.fronted"].confidence
        for inside in (False, True)
    )
    assert encrypted < 0.2 < plain


@given(st.sampled_from(["", "approved", "tolerated", "restricted", "blocked"]), st.sampled_from(["M", "candidate", ""]))
def test_what_carries_much_besides_ai_is_never_found_for_its_name(status: str, tier: str) -> None:
    assert found(to(chat(status=status, tier=tier))) == {}
