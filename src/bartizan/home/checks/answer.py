"""What a check answers."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """OK; WARN is a risk to know of; FAIL is a fault that keeps something from working, or from being proved."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Answer:
    """What was found, and what to do about it."""

    level: Level
    says: str
    do: str = ""


def ok(says: str) -> Answer:
    """All is well."""
    return Answer(Level.OK, says)


def warn(says: str, do: str) -> Answer:
    """A risk to know of."""
    return Answer(Level.WARN, says, do)


def fail(says: str, do: str) -> Answer:
    """A fault."""
    return Answer(Level.FAIL, says, do)
