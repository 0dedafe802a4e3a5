"""Which hosts belong to which service: at label boundaries, as logged, and never by imitation."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bartizan.catalogue.catalogue import Catalogue
from bartizan.catalogue.hostnames import MAX_HOST, hostname

CATALOGUE = Catalogue.load()
LABEL = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?", fullmatch=True)
SUFFIXES = sorted(one.text for one in CATALOGUE.patterns() if one.match == "suffix")
EXACT = sorted(one.text for one in CATALOGUE.patterns() if one.match == "exact")

SERVICES = {  # host: (service, tier)
    "chatgpt.com": ("chatgpt", "A"),
    "cdn.oaistatic.com": ("chatgpt", "A"),
    "api.openai.com": ("openai-api", "A"),
    "eu.api.openai.com": ("openai-api", "A"),
    "claude.ai": ("claude", "A"),
    "api.anthropic.com": ("anthropic-api", "A"),
    "gemini.google.com": ("gemini", "A"),
    "generativelanguage.googleapis.com": ("gemini-api", "A"),
    "europe-west1-aiplatform.googleapis.com": ("google-vertex-ai", "A"),
    "contoso.openai.azure.com": ("azure-openai", "A"),
    "bedrock-runtime.eu-central-1.amazonaws.com": ("amazon-bedrock", "A"),
    "api.githubcopilot.com": ("github-copilot", "A"),
    "copilot.microsoft.com": ("microsoft-copilot", "A"),
    "substrate.office.com": ("microsoft-365-copilot", "M"),
    "chat.deepseek.com": ("deepseek", "A"),
    "api2.cursor.sh": ("cursor", "A"),
    "yiyan.baidu.com": ("ernie-bot", "A"),
    "giga.chat": ("gigachat", "A"),
}
ORDINARY = (
    "example.com", "mail.google.com", "www.google.com", "dubai.ae", "www.air.com", "airbnb.com", "hyundai.com",
    "thai.example.com", "whatsapp.com", "chat.google.com", "openair.com", "chateau.fr", "akamai.net", "bluekai.com",
    "mail.ru", "dailymail.co.uk", "openapi.example", "github.com", "www.office.com", "bing.com", "bonsai.com",
    "agentur-mueller.de", "claudette.example", "geminiani.org", "cloudfront.net", "s3.eu-west-1.amazonaws.com",
    "sinai.example.org", "mumbai.example.in", "cdn.hybrid.ai", "d111ai8eht49ae.cloudfront.net",
)  # fmt: skip
AS_LOGGED = (
    "CHATGPT.COM", "chatgpt.com:443", "chatgpt.com.", "ChatGPT.com.:8443", " chatgpt.com\t", '"chatgpt.com"',
    "https://chatgpt.com/c/1?q=x@y", "https://user:secret@chatgpt.com:443/", "//chatgpt.com".removeprefix("//"),
    "ｃｈａｔｇｐｔ.com",
)  # fmt: skip
NONE = (
    "", ".", "..", "chatgpt..com", ".chatgpt.com", "127.0.0.1", "127.0.0.1:443", "[::1]", "[2001:db8::1]:443", "0x7f.1",
    "2130706433", "chatgpt.com\0", "chat gpt.com", "a" * 64 + ".chatgpt.com", "a." * 127 + "chatgpt.com", "-", "*",
    "chatgpt.com@", "\N{SNOWMAN}" * 300, "x" * (1 << 20), "." * (1 << 20), "xn--" + "a" * 300, "%00", "::",
    "chatgpt.com:x",
)  # fmt: skip


@pytest.mark.parametrize("host", SERVICES)
def test_well_known_hosts_have_the_service_people_know(host: str) -> None:
    listed = CATALOGUE.lookup(host)
    assert listed.service is not None
    assert (listed.service.id, listed.tier) == SERVICES[host]
    assert listed.sources != ""


@pytest.mark.parametrize("host", ORDINARY)
def test_ordinary_hosts_are_nothing(host: str) -> None:
    listed = CATALOGUE.lookup(host)
    assert (listed.service, listed.tier, listed.lookalike_of, listed.matters) == (None, None, "", False)


@pytest.mark.parametrize("raw", AS_LOGGED)
def test_a_host_is_found_as_it_was_logged(raw: str) -> None:
    listed = CATALOGUE.lookup(raw)
    assert (listed.host, listed.tier) == ("chatgpt.com", "A")


@pytest.mark.parametrize("raw", NONE, ids=range(len(NONE)))
def test_what_is_no_host_is_nothing(raw: str) -> None:
    listed = CATALOGUE.lookup(raw)
    assert (listed.host, listed.service, listed.tier, listed.lookalike_of) == ("", None, None, "")


def test_an_international_name_is_looked_up_as_it_travels() -> None:
    assert CATALOGUE.lookup("bücher.example").host == "xn--bcher-kva.example"


@given(st.text(max_size=400))
def test_any_text_at_all(text: str) -> None:
    listed = CATALOGUE.lookup(text)
    assert listed.host == hostname(text)
    assert len(listed.host) <= MAX_HOST
    assert listed.host == hostname(listed.host)
    assert listed.host.isascii()
    assert listed.host == listed.host.lower()


@given(st.binary(max_size=400))
def test_any_line_at_all(raw: bytes) -> None:
    wanted = CATALOGUE.wanted()
    found = wanted[raw]
    assert found is None or found.matters
    assert wanted[raw] is found


@given(st.sampled_from(SUFFIXES), st.lists(LABEL, max_size=3))
def test_everything_below_a_suffix_is_found(suffix: str, below: list[str]) -> None:
    assert CATALOGUE.lookup(".".join([*below, suffix])).service is not None


@given(st.sampled_from(SUFFIXES + EXACT), LABEL)
def test_letters_before_a_name_make_another_name(known: str, before: str) -> None:
    """notopenai.com is not openai.com: whatever it is, the row that matched is another."""
    listed = CATALOGUE.lookup(f"{before}{known}")
    assert listed.pattern != known


@given(st.sampled_from(SUFFIXES + EXACT), st.lists(LABEL, min_size=1, max_size=3))
def test_labels_behind_a_name_make_another_name(known: str, behind: list[str]) -> None:
    """openai.com.evil.example is not openai.com."""
    end = ".".join([*behind, "example"])
    listed = CATALOGUE.lookup(f"{known}.{end}")
    assert listed.service is None
    assert listed.tier in {None, "candidate"}


@given(st.sampled_from([host for host in EXACT if host not in SUFFIXES]), LABEL)
def test_an_exact_row_says_nothing_about_what_is_below(host: str, label: str) -> None:
    assert CATALOGUE.lookup(f"{label}.{host}").pattern != host


@settings(max_examples=30)
@given(st.text(alphabet="abz019.-", min_size=150, max_size=253))
def test_no_name_makes_the_expressions_slow(text: str) -> None:
    for tail in (".openai.azure.com", "-aiplatform.googleapis.com", ".amazonaws.com", ".modal.run"):
        CATALOGUE.lookup(text[: 253 - len(tail)] + tail)


def test_one_service_has_one_id_and_one_name() -> None:
    services = CATALOGUE.services()
    assert len({service.id for service in services}) == len(services)
    for host in ("openai.com", "oaistatic.com", "chat.openai.com", "oaiusercontent.com"):
        assert CATALOGUE.lookup(host).service == CATALOGUE.service("chatgpt")


def test_every_id_and_name_can_be_shown_and_written_to_a_block_list() -> None:
    for service in CATALOGUE.services():
        assert service.id.replace("-", "").isalnum()
        assert service.id.isascii()
        assert service.name.isprintable()
        assert service.name != ""
        assert service.vendor.isprintable()


def test_every_row_is_a_host() -> None:
    for one in CATALOGUE.patterns():
        assert one.match == "regex" or hostname(one.text) == one.text
        assert one.sources != ""


def test_patterns_of_a_service_come_by_tier() -> None:
    assert {one.tier for one in CATALOGUE.hosts("chatgpt")} == {"A"}
    assert "chatgpt.com" in {one.text for one in CATALOGUE.hosts("chatgpt")}
    assert CATALOGUE.hosts("no-such-service") == ()


def test_signals_name_services() -> None:
    # What code calls is the vendor's API, not the chat for people that lists call by the same name.
    assert CATALOGUE.signals("package:pypi")["openai"].id == "openai-api"
    assert CATALOGUE.signals("env")["ANTHROPIC_API_KEY"].id == "anthropic-api"
    assert CATALOGUE.signals("package:npm")["ollama"].id == "ollama"
    assert CATALOGUE.signals("app_name")["ChatGPT"].id == "chatgpt"
    assert CATALOGUE.signals("process")["ollama"].id == "ollama"
    assert CATALOGUE.signals("no such kind") == {}
    assert "entra_app_id" in CATALOGUE.kinds()


def test_the_map_of_a_log_reader_keeps_what_it_has_seen() -> None:
    wanted = CATALOGUE.wanted()
    first = wanted[b"ChatGPT.com:443"]
    assert first is not None
    assert wanted[b"ChatGPT.com:443"] is first
    assert wanted[b"example.com"] is None
    assert set(wanted) == {b"ChatGPT.com:443", b"example.com"}


def test_the_map_of_a_log_reader_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bartizan.catalogue.wanted.MAX_CACHED", 10)
    wanted = CATALOGUE.wanted()
    for number in range(25):
        assert wanted[b"w%d.example.com" % number] is None
    assert len(wanted) <= 10
    assert wanted.cleared == 2
    assert wanted[b"x" * (1 << 20)] is None
    assert max(map(len, wanted)) < 100
