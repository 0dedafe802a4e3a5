"""A file that says how an endpoint is asked, so that its key stays in the environment and its address in one place.

url = "https://models.example/v1/score"
request = '{"inputs": "$rows"}'   # the JSON of a request; "$rows" stands for the rows
answer = "predictions"            # where the scores are; looked for where this is left out
rate = 5                          # requests a second
queries = 5000                    # rows in all, no more
batch = 32                        # rows in one request
timeout = 10                      # seconds
[headers]
Authorization = "$MODEL_KEY"      # the environment variable MODEL_KEY
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bartizan.assess.targets.http import Endpoint
from bartizan.core.errors import UsageError

MAX_BYTES = 64 * 1024
KINDS: dict[str, tuple[type, ...]] = {
    "url": (str,), "request": (str,), "answer": (str,), "rate": (int, float), "queries": (int,), "batch": (int,),
    "timeout": (int, float), "headers": (dict,),
}  # fmt: skip


def described(path: Path, environment: Mapping[str, str] = os.environ) -> tuple[str, Endpoint]:
    """The address, and how it is asked.

    Raises UsageError for what is no such file, unknown keys, and a variable that is not set; never shows a value.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise UsageError(f"{path.name} has more than {MAX_BYTES:,} bytes")
        found = tomllib.loads(path.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError):
        raise UsageError(f"{path.name} is not a TOML file that describes an endpoint") from None
    for key, value in found.items():
        if key not in KINDS:
            raise UsageError(f"{path.name}: nothing is called {key[:40]!r}; there are {', '.join(KINDS)}")
        if (
            not isinstance(value, KINDS[key])
            or isinstance(value, bool)
            or (isinstance(value, int | float) and value <= 0)
        ):
            raise UsageError(f"{path.name}: {key} is not what it should be: see the documentation of endpoints")
    if "url" not in found or not found["url"].startswith(("http://", "https://")):
        raise UsageError(f"{path.name} names no url that begins with http:// or https://")
    headers = {
        str(name): _value(path, str(name), value, environment) for name, value in found.get("headers", {}).items()
    }
    names = {"request": "template", "queries": "cap", "timeout": "timeout_s"}
    told: dict[str, Any] = {names.get(key, key): value for key, value in found.items() if key not in ("url", "headers")}
    return found["url"], Endpoint(**told, headers=headers)


def _value(path: Path, name: str, value: Any, environment: Mapping[str, str]) -> str:
    if not isinstance(value, str) or any(sign in name + value for sign in "\r\n"):
        raise UsageError(f"{path.name}: the header {name[:40]!r} is not one line of text")
    if not value.startswith("$"):
        return value
    if value[1:] not in environment:
        raise UsageError(f"{path.name}: the header {name[:40]!r} wants the environment variable {value[1:60]}, not set")
    return environment[value[1:]]
