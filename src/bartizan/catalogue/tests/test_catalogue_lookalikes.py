"""Imitations of known hosts: said so, and never taken for what they imitate."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bartizan.catalogue.catalogue import Catalogue
from bartizan.catalogue.lookalikes import one_slip

CATALOGUE = Catalogue.load()

IMITATIONS = {
    "openai.com.evil.example": "openai.com",
    "chat.openai.com.login.example.net": "openai.com",
    "www.claude.ai.account.example": "claude.ai",
    "gemini.google.com.example.org": "gemini.google.com",
    "notopenai.com": "openai.com",
    "chatgpt-login.com": "chatgpt.com",
    "login-chatgpt.net": "chatgpt.com",
    "chatgptlogin.example": "chatgpt.com",
    "chatgpt.example": "chatgpt.com",
    "openai.xyz": "openai.com",
    "claude-login.com": "claude.ai",
    "copilot-download.example": "copilot.microsoft.com",
    "anthropc.com": "anthropic.com",
    "anhtropic.com": "anthropic.com",
    "deepseeek.com": "deepseek.com",
    "cluade.ai": "claude.ai",
    "0penai.com": "openai.com",
    "cl4ude.ai": "claude.ai",
    "rnidjourney.com": "midjourney.com",
    "сhatgpt.com": "chatgpt.com",  # Cyrillic es
    "оpenai.com": "openai.com",  # Cyrillic o
    "clаude.ai": "claude.ai",  # Cyrillic a
    "chatgpť.com": "chatgpt.com",  # with a mark
    "www.xn--penai-iye.com": "openai.com",
}
HONEST = (
    "openapi.org", "openair.com", "openairtheatre.com", "claudia.com", "claude-monet.fr", "gemini-observatory.org",
    "copilote.ca", "deepsea.com", "deepsleep.example", "open.ai.example", "perplex.com", "mistral-wind.fr",
    "cursor.example", "chatter.com", "openweb.com", "münchen.example", "日本.example", "static.opendi.com",
    "grokking.org",
)  # fmt: skip


@pytest.mark.parametrize("host", IMITATIONS)
def test_an_imitation_is_said(host: str) -> None:
    listed = CATALOGUE.lookup(host)
    assert listed.lookalike_of == IMITATIONS[host]
    assert listed.because != ""


@pytest.mark.parametrize("host", IMITATIONS)
def test_an_imitation_is_never_the_service(host: str) -> None:
    listed = CATALOGUE.lookup(host)
    assert listed.service is None
    assert listed.tier in {None, "candidate"}
    assert listed.matters


@pytest.mark.parametrize("host", HONEST)
def test_an_honest_neighbour_is_none(host: str) -> None:
    assert CATALOGUE.lookup(host).lookalike_of == ""


@given(st.text(max_size=60))
def test_whatever_has_a_lookalike_has_no_service(text: str) -> None:
    for host in (text, f"openai.com.{text}", f"chatgpt{text}.com", f"xn--{text}.com"):
        listed = CATALOGUE.lookup(host)
        assert not (listed.lookalike_of and listed.service)


@given(st.text(alphabet="abc", min_size=1, max_size=8), st.data())
def test_one_slip_is_one_slip_both_ways(word: str, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(word) - 1))
    for slipped in (word[:at] + word[at + 1 :], word[:at] + "x" + word[at:], word[:at] + "x" + word[at + 1 :]):
        assert one_slip(word, slipped)
        assert one_slip(slipped, word)
    assert not one_slip(word, word)
    assert not one_slip(word, f"{word}xx")
