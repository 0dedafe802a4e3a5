"""What the catalogue says about a host."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Tier = Literal["A", "B", "C", "M", "candidate"]
TIERS: dict[str, Tier] = {"A": "A", "B": "B", "C": "C", "M": "M"}


@dataclass(frozen=True, slots=True)
class Service:
    """One AI service.

    Args:
        id: Stable, lower-case ASCII letters, digits and hyphens.
        category: chat, api, coding, image, video, voice, music, meeting, writing, search, agent, productivity,
            marketing, education, local-runtime or other.
        audience: enterprise, consumer, developer, or "" where no source says.
    """

    id: str
    name: str
    vendor: str
    category: str
    audience: str = ""


@dataclass(frozen=True, slots=True)
class Pattern:
    """One row: which hosts belong to a service.

    Args:
        match: suffix (the host and all below it), exact, or regex (the whole host).
        tier: A: curated lists name it. B: directories name it. C: the vendor's own domain behind a known host. M: the
            host carries much besides AI and must never be blocked.
        endpoint: api, app, support, site, or "".
    """

    text: str
    match: str
    tier: Tier
    service: Service
    endpoint: str = ""
    sources: str = ""


@dataclass(frozen=True, slots=True)
class Listed:
    """What the catalogue knows about one host.

    Args:
        host: Lower-case A-label without port, "" where the text was no host.
        service: None unless a row of the catalogue names the host.
        tier: That of the row; "candidate" for an unknown host that looks like AI; None for all others.
        lookalike_of: The known domain that the host imitates, or "".
        score: How much like AI an unknown host looks, 0–1.
        pattern: The row that matched.
        because: Why it is a candidate or a look-alike, for people.
    """

    host: str
    service: Service | None = None
    tier: Tier | None = None
    lookalike_of: str = ""
    score: float = 0.0
    pattern: str = ""
    endpoint: str = ""
    sources: str = ""
    because: str = ""

    @property
    def matters(self) -> bool:
        """Whether anybody wants to hear of this host: a service, a candidate or a look-alike."""
        return self.tier is not None or self.lookalike_of != ""
