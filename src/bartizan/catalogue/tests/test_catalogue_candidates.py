"""Unknown hosts that look like AI: by whole words and ends of names, with reasons."""

from __future__ import annotations

import pytest

from bartizan.catalogue.catalogue import Catalogue

CATALOGUE = Catalogue.load()
CANDIDATES = (
    "never-heard-of-it.ai", "app.never-heard-of-it.ai", "my-gpt-tool.example", "supergpt.example", "ai-foo.example",
    "aivideomaker.example", "poemwriterai.com", "promptforge.example", "thisdogdoesnotexist.com", "llm-foo.example",
    "faceswapper.example", "someollama.example",
)  # fmt: skip
NEIGHBOURS = (
    "cdn.never-heard-of-it.ai", "pixel.never-heard-of-it.ai", "my-got-tool.example", "aix-foo.example",
    "airmaker.example", "poemwritersamurai.com", "thisdogdoesexist.com", "ailments.example",
    "xn--gpt-hoa.example", "email-foo.example",
)  # fmt: skip


@pytest.mark.parametrize("host", CANDIDATES)
def test_a_candidate_has_a_score_and_a_reason(host: str) -> None:
    listed = CATALOGUE.lookup(host)
    assert (listed.service, listed.tier) == (None, "candidate")
    assert 0.8 <= listed.score <= 1
    assert listed.because != ""


@pytest.mark.parametrize("host", NEIGHBOURS)
def test_a_neighbour_is_none(host: str) -> None:
    assert CATALOGUE.lookup(host).tier is None


def test_what_the_catalogue_knows_is_no_candidate() -> None:
    assert CATALOGUE.lookup("claude.ai").tier == "A"
    assert CATALOGUE.lookup("claude.ai").score == 0
