"""What one place in one file tells about the use of AI."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Sign(StrEnum):
    """What kind of thing was seen."""

    PACKAGE = "package"
    MODEL = "model"
    HOST = "host"
    ENV = "env"  # the name of an environment variable, never its value
    IMAGE = "image"  # a container image
    FILE = "file"  # an instruction or configuration file of an AI tool


class How(StrEnum):
    """How sure its use is: a declared package may never be called."""

    DECLARED = "declared"
    LOCKED = "locked"
    IMPORTED = "imported"
    USED = "used"


@dataclass(frozen=True, slots=True)
class Clue:
    """One place. `value` is a name of the catalogue, or the file's own word; `line` counts from 1, 0 is the file."""

    sign: Sign
    value: str
    how: How
    line: int = 0
    ecosystem: str = ""  # of a package, as package URLs name it: pypi, npm, cargo, golang, maven, nuget, gem, composer
    version: str = ""


@dataclass(frozen=True, slots=True)
class Known:
    """What counts as AI.

    Args:
        packages: By ecosystem of the catalogue (pypi, npm, …), the names in lower case.
        env: Names of environment variables.
        host: Whether a host is a service; asked for every host that stands in a file.
    """

    packages: Mapping[str, frozenset[str]] = field(default_factory=dict)
    env: frozenset[str] = frozenset()
    host: Callable[[str], bool] = lambda _: False

    def package(self, ecosystem: str, name: str) -> bool:
        """Whether a package is one of the catalogue's, however it is spelled."""
        return normal(ecosystem, name) in self.packages.get(ecosystem, frozenset())


def normal(ecosystem: str, name: str) -> str:
    """A package's name as its registry compares names (PEP 503 for Python)."""
    name = name.lower()
    if ecosystem == "pypi":
        return "-".join(part for part in name.replace("_", "-").replace(".", "-").split("-") if part)
    return name
