"""Whether a block holds: only what logs prove, and which way was taken."""

from __future__ import annotations

from bartizan.inventory.verify import Way, bypass, verify
from bartizan.readers.logs.observe import Observation
from bartizan.readers.logs.visit import Evidence

SINCE = 1_000_000


def seen(
    actor: str, host: str, evidence: Evidence = Evidence.CONNECTED, *, denied: bool = False, last: int = 2_000_000
) -> Observation:
    return Observation(actor, host, "", evidence, "", denied, 0, 3, 10, 0, last, last)


def system_of(host: str, app: str) -> str | None:
    return "chatgpt" if host.endswith("chatgpt.com") else "claude" if app == "Claude" or host == "claude.ai" else None


def test_what_gets_through_and_how() -> None:
    told = verify(
        [
            ("squid", seen("mara", "chatgpt.com", denied=True)),
            ("bind", seen("10.0.0.9", "chatgpt.com", Evidence.RESOLVED)),
            ("squid", seen("jonas", "chatgpt.com")),
            ("zeek", seen("10.0.0.7", "chatgpt.com", Evidence.UPLOADED)),
            ("zeek", seen("10.0.0.7", "dns.google")),
            ("zeek", seen("10.0.0.8", "api.mullvad.net")),
            ("squid", seen("old", "chatgpt.com", last=SINCE - 1)),
            ("squid", seen("mara", "claude.ai")),
        ],
        {"chatgpt": SINCE, "deepseek": SINCE},
        system_of,
    )
    assert not told.holds
    assert [(row.actor, row.evidence, row.ways) for row in told.through] == [
        ("10.0.0.7", Evidence.UPLOADED, {Way.WIRE, Way.RESOLVER}),
        ("jonas", Evidence.CONNECTED, {Way.LIST}),
    ]
    assert (told.stopped, told.resolved) == ({"chatgpt": 3}, {"chatgpt": 3})
    assert told.around == {"10.0.0.8": ("api.mullvad.net",)} and told.unseen == ("deepseek",)


def test_a_denial_and_a_resolved_name_are_no_way_through() -> None:
    told = verify([("squid", seen("mara", "chatgpt.com", denied=True))], {"chatgpt": SINCE}, system_of)
    assert told.holds and told.unseen == ()


def test_a_sign_in_to_an_application_counts() -> None:
    one = Observation("mara", "", "Claude", Evidence.AUTHENTICATED, "", False, 0, 1, 0, 0, 0, 0)
    (row,) = verify([("entra", one)], {"claude": SINCE}, system_of).through
    assert row.ways == {Way.SIGN_IN} and row.hosts == {"Claude"}


def test_ways_around_end_at_a_label() -> None:
    assert bypass("dns.google") is Way.RESOLVER and bypass("x.nordvpn.com") is Way.TUNNEL
    assert bypass("notnordvpn.com") is None and bypass("google") is None and bypass("") is None
