"""Packaged data: the one place that opens files of the package."""

from __future__ import annotations

import tomllib
from importlib import resources
from typing import Any


def text(package: str, name: str) -> str:
    """The packaged file `name` (with `/`) beside `package`'s modules, as text. Raises FileNotFoundError."""
    return resources.files(package).joinpath(name).read_text(encoding="utf-8")


def data(package: str, name: str) -> bytes:
    """The packaged file `name` (with `/`) beside `package`'s modules, as it is. Raises FileNotFoundError."""
    return resources.files(package).joinpath(name).read_bytes()


def load(package: str, name: str) -> dict[str, Any]:  # Any: TOML is what its author wrote
    """The packaged TOML file `name` beside `package`'s modules. Raises FileNotFoundError, tomllib.TOMLDecodeError."""
    return tomllib.loads(text(package, name))
