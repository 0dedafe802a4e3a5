"""An organisation's own words on top of the catalogue."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bartizan.catalogue.catalogue import Catalogue
from bartizan.catalogue.overlay import MAX_OVERLAY, parse
from bartizan.core.errors import InputError

OWN = b"""
[[service]]
id = "our-assistant"
name = "Our assistant"
vendor = "Example Corp"
category = "chat"
audience = "enterprise"
hosts = ["assistant.example.org", "*.bot.example.org"]

[[host]]
host = "shoes.ai"
is = "none"
why = "sells shoes"

[[host]]
host = "proxy.example.net"
is = "chatgpt"
exact = true

[[host]]
host = "claude.ai"
is = "none"

[names]
chatgpt = "ChatGPT (private)"
"""
CATALOGUE = Catalogue.load(overlay=OWN)
WRONG = {
    "no toml": (b"[[host", "catalogue.toml: "),
    "no UTF-8": (b"\xff", "catalogue.toml: "),
    "another table": (b"[[hosts]]\nhost='a.example'", "'hosts' is none of"),
    "another key": (b"[[host]]\nhost='a.example'\nis='none'\nwho='x'", "[[host]] has no 'who'"),
    "no list": (b"host = 1", "written [[host]]"),
    "no host": (b"[[host]]\nhost='a b'\nis='none'", "'a b' is no name of a host"),
    "an address": (b"[[host]]\nhost='127.0.0.1'\nis='none'", "is no name of a host"),
    "no id": (b"[[service]]\nid='Our AI'", "'Our AI' is no id"),
    "no verdict": (b"[[host]]\nhost='a.example'", "'is' is a text"),
    "unknown service": (b"[[host]]\nhost='a.example'\nis='no-such-one'", "no service 'no-such-one'"),
    "control characters": (b'[[service]]\nid="a1"\nname="a\\u001bb"', "'name' is a text"),
    "no names": (b"names = 1", "[names]"),
    "hosts no list": (b"[[service]]\nid='a1'\nhosts='x.example'", "hosts is a list"),
    "too large": (b"#" * (MAX_OVERLAY + 1), "larger than 1 MiB"),
}


def test_an_own_service_is_found_at_its_hosts() -> None:
    for host in ("assistant.example.org", "api.assistant.example.org", "x.bot.example.org"):
        listed = CATALOGUE.lookup(host)
        assert listed.service == CATALOGUE.service("our-assistant")
        assert (listed.tier, listed.sources) == ("A", "catalogue.toml")
    assert CATALOGUE.lookup("other.example.org").service is None
    assert {one.text for one in CATALOGUE.hosts("our-assistant")} == {"assistant.example.org", "bot.example.org"}


def test_no_ai_silences_a_candidate_and_a_listed_host() -> None:
    for host in ("shoes.ai", "www.shoes.ai", "claude.ai", "api.claude.ai"):
        assert not CATALOGUE.lookup(host).matters
        assert CATALOGUE.wanted()[host.encode()] is None
    assert CATALOGUE.lookup("shoes.ai").because == "no AI: sells shoes"
    assert CATALOGUE.lookup("moreshoes.ai").tier == "candidate"
    assert "claude.ai" not in {one.text for one in CATALOGUE.hosts("claude")}


def test_an_exact_verdict_is_for_the_host_alone() -> None:
    listed = CATALOGUE.lookup("proxy.example.net")
    assert listed.service is not None
    assert listed.service.id == "chatgpt"
    assert CATALOGUE.lookup("a.proxy.example.net").service is None


def test_a_service_has_the_name_it_has_here() -> None:
    service = CATALOGUE.lookup("chatgpt.com").service
    assert service is not None
    assert (service.id, service.name) == ("chatgpt", "ChatGPT (private)")
    assert CATALOGUE.signals("bundle_id")["com.openai.chat"] == service


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_said(case: str) -> None:
    source, said = WRONG[case]
    with pytest.raises(InputError) as caught:
        Catalogue.load(overlay=source)
    assert said in str(caught.value)


@given(st.binary(max_size=200))
def test_any_bytes_are_an_overlay_or_said_to_be_none(source: bytes) -> None:
    try:
        parse(source)
    except InputError as error:
        assert str(error).startswith("catalogue.toml: ")
