"""Extensions of editors and browsers: those of the catalogue, and those that reach AI hosts or say AI in their name."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping

from bartizan.readers.endpoint.trace import Found, Trace

AI_WORDS = r"ai|a\.i\.|gpt|chatgpt|llm|copilot|claude|gemini|openai|deepseek|perplexity|ollama|genai"
AI_NAME = re.compile(rf"(?<![a-z])(?:{AI_WORDS})(?![a-z])", re.I)
HOST = re.compile(r"^(?:https?|\*)://(?:\*\.)?([a-z0-9.-]{3,253})/", re.I)
FOLDER = re.compile(r"([\w-]{1,80}\.[\w.-]{1,80}?)-(\d[\w.+-]{0,40})\Z")
MAX_TEXT = 120


def editor(folder: str, tool: str, known: Mapping[str, object]) -> Iterator[Trace]:
    """An extension of Visual Studio Code and its relatives, by its folder: `publisher.name-1.2.3`."""
    found = FOLDER.match(folder)
    if found is None:
        return
    name = found[1].lower()
    if name in known:
        yield Trace(Found.IDE, name, tool, detail=found[2])
    elif AI_NAME.search(name.replace(".", " ").replace("-", " ").replace("_", " ")):
        yield Trace(Found.IDE, name, tool, detail=f"{found[2]}, by its name alone")


def plugin(folder: str, tool: str, known: Mapping[str, object]) -> Iterator[Trace]:
    """A plugin of a JetBrains IDE, by its folder."""
    name = folder.lower()
    if any(name.startswith(one) for one in known) or name in ("ml-llm", "fullline"):
        yield Trace(Found.IDE, folder[:MAX_TEXT], tool)
    elif AI_NAME.search(name.replace("-", " ").replace("_", " ")):
        yield Trace(Found.IDE, folder[:MAX_TEXT], tool, detail="by its name alone")


def chromium(
    id_: str, manifest: bytes, tool: str, known: Mapping[str, object], is_ai: Callable[[str], bool]
) -> Iterator[Trace]:
    """An extension of a browser of Chromium's family, by its id and manifest (Manifest V2 and V3)."""
    try:
        made = json.loads(manifest.decode("utf-8-sig", "replace"))
    except (ValueError, RecursionError):
        made = {}
    made = made if isinstance(made, dict) else {}
    yield from _reaches(id_, _text(made.get("name")), _permissions(made), tool, known, is_ai)


def firefox(extensions: bytes, tool: str, known: Mapping[str, object], is_ai: Callable[[str], bool]) -> Iterator[Trace]:
    """The add-ons of a Firefox profile, from its extensions.json."""
    try:
        made = json.loads(extensions.decode("utf-8", "replace"))
        rows = made.get("addons", []) if isinstance(made, dict) else []
    except (ValueError, RecursionError):
        return
    for row in rows[:2000] if isinstance(rows, list) else ():
        if not isinstance(row, dict) or row.get("location") in ("app-builtin", "app-system-defaults"):
            continue
        locale = row.get("defaultLocale")
        name = _text(locale.get("name")) if isinstance(locale, dict) else ""
        wants = row.get("userPermissions")
        origins = wants.get("origins", []) if isinstance(wants, dict) else []
        yield from _reaches(_text(row.get("id")), name, _texts(origins), tool, known, is_ai)


def _permissions(made: Mapping[str, object]) -> list[str]:
    scripts = made.get("content_scripts")
    matches = [
        match
        for script in (scripts if isinstance(scripts, list) else ())
        if isinstance(script, dict)
        for match in _texts(script.get("matches"))
    ]
    return [*matches, *_texts(made.get("host_permissions")), *_texts(made.get("permissions"))]


def _text(value: object) -> str:
    return value[:MAX_TEXT] if isinstance(value, str) else ""


def _texts(value: object) -> list[str]:
    return [one for one in value if isinstance(one, str)][:2000] if isinstance(value, list) else []


def _reaches(
    id_: str, name: str, wants: list[str], tool: str, known: Mapping[str, object], is_ai: Callable[[str], bool]
) -> Iterator[Trace]:
    title = name if name and not name.startswith("__MSG_") else id_
    hosts = dict.fromkeys(found[1].lower() for want in wants if (found := HOST.match(want)))
    reached = [host for host in hosts if is_ai(host)]
    if id_ in known:
        yield Trace(Found.BROWSER, title, tool, detail=id_)
    elif reached:
        yield Trace(Found.BROWSER, title, tool, detail=f"{id_}, may read {', '.join(reached[:3])}")
    elif AI_NAME.search(title):
        yield Trace(Found.BROWSER, title, tool, detail=f"{id_}, by its name alone")
