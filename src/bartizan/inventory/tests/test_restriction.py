"""The decision table: only hosts get in, nothing covers anything else, and exceptions for all lift it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bartizan.inventory.restriction import HOST, Entry, Exempt, plain, table

MADE = "2026-11-23T10:00:00Z"
HOSTS = st.lists(st.sampled_from(["a.ai", "b.a.ai", "c.b.a.ai", "xa.ai", "d.example"]), max_size=6)


def entry(host: str, *, below: bool = True, id_: str = "chat") -> Entry:
    return Entry(host, below, id_, id_.title())


@given(st.lists(st.tuples(HOSTS.map(lambda hosts: (*hosts, "a.ai")[0]), st.booleans()), max_size=8))
def test_nothing_in_it_is_covered_by_anything_else_and_nothing_is_lost(rows: list[tuple[str, bool]]) -> None:
    asked = [entry(host, below=below) for host, below in rows]
    made = table(MADE, asked)
    for one in made.entries:
        assert not any(other.covers(one.host) for other in made.entries if other is not one)
    for one in asked:
        assert made.blocks(one.host) is not None
        assert (made.blocks(f"x.{one.host}") is not None) == any(other.covers(f"x.{one.host}") for other in asked)


@given(st.text(max_size=300))
def test_only_host_names_get_in(host: str) -> None:
    made = table(MADE, [entry(host)])
    assert all(HOST.match(one.host) for one in made.entries)
    assert len(made.entries) + len(made.left_out) == 1
    assert plain(host).isascii() and "\n" not in plain(host)


def test_a_label_boundary_is_a_boundary() -> None:
    made = table(MADE, [entry("openai.com")])
    assert made.blocks("api.openai.com") and made.blocks("openai.com")
    assert made.blocks("notopenai.com") is None and made.blocks("openai.com.evil.example") is None


def test_an_exception_for_everybody_lifts_a_service_and_one_for_some_stays() -> None:
    rows = [entry("a.ai"), entry("b.example", id_="other")]
    made = table(MADE, rows, exempt=[Exempt("chat", "2026-12-31"), Exempt("other", "2026-12-31", client="10.0.0.0/8")])
    assert [one.id for one in made.entries] == ["other"] and len(made.exempt) == 1


def test_what_is_allowed_stays_reachable() -> None:
    made = table(MADE, [entry("a.ai")], allowed=["help.a.ai", "no host"])
    assert made.allowed == ("help.a.ai",)
    assert made.blocks("help.a.ai") is None and made.blocks("x.help.a.ai") is None and made.blocks("chat.a.ai")


def test_a_login_that_is_none_exempts_nobody() -> None:
    made = table(MADE, [entry("a.ai")], exempt=[Exempt("chat", "2026-12-31", user="x\nhttp_access allow all")])
    assert made.exempt == () and made.entries
