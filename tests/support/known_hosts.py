"""Which hosts and applications matter, for tests of readers: what the catalogue answers, without the catalogue."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from bartizan.readers.logs.visit import Format, Sample, Tally, Unit, Visit

AI = (
    "chatgpt.com",
    "api.openai.com",
    "claude.ai",
    "contoso-eu.openai.azure.com",
    "us-central1-aiplatform.googleapis.com",
    "bedrock-runtime.us-east-1.amazonaws.com",
    "runtime.sagemaker.us-east-1.amazonaws.com",
)
APPS = (
    "chatgpt",
    "claude for chrome",
    "openai-base",
    "perplexity",
    "github copilot",
    "otter.ai",
    "gemini",
    "microsoft 365 copilot",
)


class Known(dict[bytes, object]):
    """A map as the catalogue makes it: a host as logged → something, None where it does not matter."""

    def __missing__(self, raw: bytes) -> object:
        if raw.startswith(b"app:"):
            found = raw[4:].decode() in APPS
        else:
            host = raw.rpartition(b"@")[2].partition(b":")[0].rstrip(b".").lower().decode("latin-1")
            found = host in AI
        self[raw] = raw if found else None
        return self[raw]


KNOWN = Known()


def visits(form: Format, source: Iterable[Any], tally: Tally | None = None) -> list[Visit]:
    """What a format reads of lines or records."""
    return list(form.read(iter(source), KNOWN, tally or Tally()))


def sample(form: Format, source: Iterable[Any]) -> Sample:
    """The beginning of a source as the frame shows it."""
    every = tuple(source)
    if form.unit is Unit.RECORD:
        return Sample(b"", (), every)
    return Sample(b"\n".join(every), every, ())


def lines(text: str) -> Iterator[bytes]:
    """The lines of a text."""
    return (line.encode() for line in text.strip("\n").split("\n"))
