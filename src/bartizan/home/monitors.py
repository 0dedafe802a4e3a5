"""What is usual for the models that somebody watches: the profiles that the configuration names."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from bartizan.config import Config
from bartizan.core.errors import ConfigError, InputError
from bartizan.profiles.asking import Profile, from_json
from bartizan.readers.strict_json import loads

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_BYTES = 16 * 1024 * 1024


def profile(path: Path) -> Profile:
    """The profile in a file. Raises ConfigError, also where nothing could be compared with it."""
    if find_spec("numpy") is None:
        raise ConfigError(f"{path}: comparing with it needs numpy, which is not installed: pip install numpy")
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from error
    if len(raw) > MAX_BYTES:
        raise ConfigError(f"{path}: is larger than a profile can be")
    try:
        return from_json(loads(raw))
    except InputError as error:
        raise ConfigError(f"{path}: {error}\n  `bartizan assess MODEL --checks theft` writes one") from None


def profiles(config: Config) -> dict[tuple[str, str], Profile]:
    """All of them, by upstream and model. Raises ConfigError."""
    return {
        (name, model): profile(path)
        for name, upstream in config.upstreams.items()
        for model, path in upstream.monitors.items()
    }


def unwatched(config: Config) -> Iterator[str]:
    """The upstreams with models that nobody watches at all."""
    return (name for name, one in config.upstreams.items() if one.protocol == "inference" and not one.monitors)
