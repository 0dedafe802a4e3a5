# ruff: noqa: E501 (tables of names)
"""Applications by the names that firewalls, brokers and identity providers give them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bartizan import rules
from bartizan.catalogue.apps import Apps
from bartizan.catalogue.catalogue import Catalogue

CATALOGUE = Catalogue.load()
APPS = Apps(CATALOGUE)
IS = {
    "chatgpt": (
        "ChatGPT", "chatgpt", "OpenAI ChatGPT", "OpenAI.ChatGPT", "ChatGPT Enterprise", "ChatGPT (SSO)", "openai-chatgpt", "Chat GPT",
        "ChatGPT - Marketing", "ChatGPT-base", "ChatGPT SAML", "Corp ChatGPT Plugin", "e0476654-c1d5-430b-ab80-70cbd947616a",
    ),
    "openai-api": ("openai-base", "OpenAI", "OpenAI API"),
    "claude": ("Claude", "Claude for Chrome", "Claude.ai", "Anthropic Claude", "claude-base", "Claude Enterprise (SCIM)", "Claude Desktop"),
    "claude-code": ("Claude Code",),
    "gemini": ("Gemini", "Google Gemini", "google-gemini", "Bard"),
    "github-copilot": ("GitHub Copilot", "github-copilot", "GitHub Copilot Chat"),
    "microsoft-365-copilot": ("Microsoft 365 Copilot", "M365 Copilot", "Copilot for Microsoft 365", "Microsoft 365 Copilot Chat"),
    "microsoft-copilot": ("Microsoft Copilot", "microsoft-copilot", "Copilot", "Bing Chat"),
    "perplexity": ("Perplexity", "perplexity-ai", "Perplexity AI"),
    "otter": ("Otter.ai", "Otter"),
    "grammarly": ("Grammarly", "Grammarly for Chrome", "Grammarly Business"),
    "cursor": ("Cursor", "Anysphere Cursor", "Cursor AI"),
    "mistral-le-chat": ("Le Chat", "Mistral AI", "Mistral Le Chat"),
    "meta-ai": ("Meta AI",),
}  # fmt: skip
IS_NONE = (
    "Slack", "Salesforce", "Notion", "Office 365 Exchange Online", "Microsoft Graph", "Google Chrome", "ssl", "web-browsing", "google-base",
    "General Browsing", "SSL", "HTTPS.BROWSER", "Meta", "Facebook", "Cursor pagination test tool", "Claude Monet Museum", "Gemini Trust Exchange",
    "Gmail Add-on", "openair", "notopenai", "copilots.example", "myChatGPTs", "", " ", "-", "AI", "for", "the", "GitHub", "Microsoft 365", "Jira",
)  # fmt: skip


@pytest.mark.parametrize(("name", "service"), [(name, service) for service, names in IS.items() for name in names])
def test_an_ai_application(name: str, service: str) -> None:
    found = APPS.find(name)
    assert found is not None
    assert found.service is not None
    assert found.service.id == service


@pytest.mark.parametrize("name", IS_NONE)
def test_other_applications(name: str) -> None:
    assert APPS.find(name) is None


def test_every_service_of_the_table_is_in_the_catalogue() -> None:
    table = rules.load("bartizan.catalogue", "data/apps.toml")
    named = {id_ for part in ("names", "inside", "entra") for id_ in table[part].values() if id_}
    assert {id_ for id_ in named if CATALOGUE.service(id_) is None} == set()


def test_a_log_reader_asks_for_applications_as_for_hosts() -> None:
    wanted = CATALOGUE.wanted()
    found = wanted[b"app:claude for chrome"]
    assert found is not None
    assert found.service is not None
    assert (found.service.id, found.host, found.matters) == ("claude", "", True)
    assert wanted[b"app:slack"] is None
    assert wanted[b"app:\xff" + b"x" * 10_000] is None


def test_a_service_that_the_organisation_calls_no_ai_is_none() -> None:
    hosts = [pattern.text for pattern in CATALOGUE.hosts("otter", ("A", "B", "C", "M"))]
    said = "".join(f'[[host]]\nhost = "{host}"\nis = "none"\nwhy = "ours"\n' for host in hosts)
    assert Apps(Catalogue.load(overlay=said.encode())).find("Otter.ai") is None


@given(st.text(max_size=300))
def test_any_name_at_all(name: str) -> None:
    found = APPS.find(name)
    assert found is None or found.service is not None
