"""The settings as people read them: what is in force, and the page that explains each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import is_dataclass
from enum import StrEnum
from pathlib import Path
from types import UnionType
from typing import cast, get_args, get_origin

from bartizan.config.model import MIB, Address, Config, Says, Upstream, settings

HEAD = """\
# Configuration

<!-- Made from the settings themselves by docs/generate.py: change those, not this page. -->

Bartizan reads `bartizan.yaml`, then variables `BARTIZAN_*`, then flags; the later one wins. The file is the one that
`--config` or `BARTIZAN_CONFIG` names, else `./bartizan.yaml`, else `bartizan.yaml` in the home. No file is needed.

- A variable's name is the setting's in capitals, with `__` for each dot: `BARTIZAN_LIMITS__BODY_BYTES=1MiB`.
- Relative paths in the file count from the file, others from where you are.
- Names carry their unit. A `_bytes` setting also takes `64 MiB` (KiB, MiB, GiB, or kB, MB, GB).
- A name nobody knows is an error, and all errors are told at once. `bartizan config check` tells them without a start.
- Secrets never stand in the file: settings name the file or the variable that holds them. A key file that every user of
  the machine can read is refused.
- `bartizan config show` prints every setting in force and where its value came from.

"""
TAIL = """
## Variables that are no settings

| variable | holds |
|---|---|
| `BARTIZAN_CONFIG` | The configuration file, as `--config` does. |
| `BARTIZAN_MASTER_KEY` | The master key itself: 32 bytes in base64 or hex. Wins over any file. |
| `BARTIZAN_BOOTSTRAP_KEY`, `BARTIZAN_BOOTSTRAP_KEY_FILE` | A gateway key, 32 characters or more, valid while it \
is set and stored nowhere: for containers and tests. |

Variables that Docker and Kubernetes add for a service called `bartizan` (`BARTIZAN_PORT`, `BARTIZAN_SERVICE_HOST`, …)
are left alone.
"""


def rows(config: Config) -> Iterator[tuple[str, object, str]]:
    """Every setting in force as (dotted name, value for JSON, where it came from)."""
    yield from _rows(config, "", config.sources)


def _rows(record: object, prefix: str, sources: object) -> Iterator[tuple[str, object, str]]:
    known = cast("dict[str, str]", sources)
    for name in settings(type(record)):
        value = getattr(record, name)
        if isinstance(value, Mapping):
            for named, below in value.items():
                if isinstance(below, Mapping):
                    for key, text in below.items():
                        yield (place := f"{prefix}{name}.{named}.{key}"), text, known.get(place, "default")
                elif isinstance(below, Path):
                    yield (place := f"{prefix}{name}.{named}"), str(below), known.get(place, "default")
                else:
                    yield from _rows(below, f"{prefix}{name}.{named}.", sources)
        elif is_dataclass(value) and not isinstance(value, Address):
            yield from _rows(value, f"{prefix}{name}.", sources)
        else:
            yield prefix + name, _plain(value), known.get(prefix + name, "default")


def _plain(value: object) -> object:
    if isinstance(value, Path | Address | StrEnum):
        return str(value)
    return list(value) if isinstance(value, tuple) else value


def markdown() -> str:
    """The reference page."""
    page = [HEAD, *_tables("## Top level", "", Config), "## `upstreams.NAME`", _upstreams()]
    return (
        "\n\n".join(part.strip("\n") for part in [*page, *_tables("", "upstreams.NAME.", Upstream), TAIL] if part)
        + "\n"
    )


def _upstreams() -> str:
    return (
        "A request's `model: NAME/ID` picks an upstream by its name; a bare ID goes to the first that speaks the "
        "protocol of the request.\n\n```yaml\nupstreams:\n  openai:\n    url: https://api.openai.com/v1\n"
        "    key_file: /etc/bartizan/openai.key\n  claude:\n    url: https://api.anthropic.com\n"
        "    key_env: ANTHROPIC_API_KEY\n  house: {url: http://10.0.0.7:8000/v1}\n  local: {protocol: local}\n"
        "  scoring: {url: http://10.0.0.8:8080, protocol: inference, monitors: {churn: theft-monitor.json}}\n```\n\n"
        "`--upstream NAME=URL` adds one for one start, and `--upstream local=local` the embedded chat model."
    )


def _tables(title: str, prefix: str, cls: type[object]) -> Iterator[str]:
    """One table for a record, and one for each record below it."""
    yield title
    lines = ["| setting | takes | default | |", "|---|---|---|---|"]
    below: list[tuple[str, str, type[object]]] = []
    for name, (kind, says) in settings(cls).items():
        if name == "upstreams":
            lines.append(f"| `{name}` | see below | `local` | {says.doc} |")
        elif get_origin(kind) is Mapping:
            if get_args(kind)[1] is Path:
                lines.append(f"| `{name}` | `{{MODEL: path}}` | | {says.doc} |")
                continue
            if get_origin(get_args(kind)[1]) is Mapping:
                lines.append(f"| `{name}` | `{{HOST: {{HEADER: value}}}}` | | {says.doc} |")
                continue
            named = cast("type[object]", get_args(kind)[1])
            lines.append(f"| `{name}` | see below | | {says.doc} |")
            below.append((f"## `{prefix}{name}.NAME`\n\n{named.__doc__}", f"{prefix}{name}.NAME.", named))
        elif isinstance(kind, type) and is_dataclass(kind) and kind is not Address:
            below.append((f"## `{prefix}{name}`\n\n{says.doc}", f"{prefix}{name}.", kind))
        else:
            shown = _shown(name, getattr(cls(), name))
            lines.append(f"| `{name}` | {_kind(name, kind, says)} | {shown} | {says.doc} |")
    yield "\n".join(lines)
    for record in below:
        yield from _tables(*record)


def _kind(name: str, kind: object, says: Says) -> str:
    if isinstance(kind, UnionType):
        kind = get_args(kind)[0]
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        return " or ".join(f"`{value}`" for value in kind)
    words = {bool: "`true` or `false`", str: "text", Path: "path", Address: "HOST:PORT"}
    if kind in words:
        return words[cast("type[object]", kind)]
    if kind not in (int, float):
        return "names"
    what = "whole number" if kind is int else "number"
    if says.high is not None:
        return f"{what}, {_number(name, says.low)} to {_number(name, says.high)}"
    return f"{what}, {_number(name, says.low)} or more"


def _number(name: str, value: float | None) -> str:
    if name.endswith("_bytes") and value and value % 1024 == 0:
        return f"{value / MIB:g} MiB" if value >= MIB else f"{value / 1024:g} KiB"
    return f"{value:g}"


def _shown(name: str, value: object) -> str:
    if value is None or value in ("", ()):
        return ""
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, tuple):
        return ", ".join(f"`{one}`" for one in value)
    return f"`{_number(name, value)}`" if isinstance(value, int | float) else f"`{value}`"
