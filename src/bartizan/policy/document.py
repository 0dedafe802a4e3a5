"""YAML as a person wrote it: values with their places, and none of YAML's surprises.

A policy needs text, lists and mappings. So `no` stays the text it is (YAML 1.1 makes it false), `1.10` stays a version
and `22:00` a time. Anchors, aliases, tags, merge keys and further documents are refused: they make a short file say
more than a reader sees, up to gigabytes. Nothing is constructed; ruamel.yaml's parser is asked for its events alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from bartizan.core.errors import PolicyError, Problem

MAX_SIZE = 512 * 1024  # Code points; a thousand clauses with examples fit.
MAX_NODES = 40_000
MAX_DEPTH = 16  # A clause's deepest place is 7.

SURPRISES = frozenset({"yes", "no", "on", "off", "true", "false", "null", "~", ""})
"""What some YAML programs read as a boolean or nothing where a text was meant, whatever its case."""


@dataclass(frozen=True, slots=True)
class Text:
    """A scalar, as written. `start` and `end` are code points of the file; `line` and `column` count from 1."""

    value: str
    plain: bool
    start: int
    end: int
    line: int
    column: int


@dataclass(frozen=True, slots=True)
class List:
    """A sequence; `flow` is the one in brackets."""

    items: tuple[Node, ...]
    flow: bool
    start: int
    end: int
    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Map:
    """A mapping in the file's order, duplicates included."""

    members: tuple[tuple[Text, Node], ...]
    flow: bool
    start: int
    end: int
    line: int
    column: int

    def get(self, name: str) -> Node | None:
        """The value of the first member called so."""
        return next((value for key, value in self.members if key.value == name), None)


Node = Text | List | Map
Event = Any  # ruamel.yaml's events; their attributes have no types.


@lru_cache(maxsize=4)  # Whoever starts, checks or edits a policy reads the same text several times over.
def parse(text: str, name: str) -> Node:
    """The one document in `text`. Raises PolicyError for what is not YAML, and for YAML that nobody should write."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError
    from ruamel.yaml.reader import ReaderError

    if len(text) > MAX_SIZE:
        raise _no(name, 0, 0, f"is larger than {MAX_SIZE} characters")
    try:
        return _Builder(name, YAML(typ="safe", pure=True).parse(text)).document()
    except MarkedYAMLError as error:
        raise _as_problem(name, error) from None
    except ReaderError as error:
        before = text[: error.position]
        column = len(before) - before.rfind("\n")
        raise _no(name, before.count("\n") + 1, column, "a control character stands here", "Remove it.") from None
    except RecursionError:  # ruamel's scanner recurses in places; our own bound is far below.
        raise _no(name, 0, 0, "is nested too deeply") from None


class _Builder:
    def __init__(self, name: str, events: Iterator[Event]) -> None:
        self._name, self._events, self._nodes = name, events, 0

    def document(self) -> Node:
        root: Node | None = None
        for event in self._events:
            sort = type(event).__name__
            if sort in ("StreamStartEvent", "StreamEndEvent", "DocumentEndEvent"):
                continue
            if sort == "DocumentStartEvent":
                if root is not None:
                    raise self._at(event, "a second document begins here", "One file holds one policy; remove `---`.")
                continue
            root = self._node(event, 0)
        if root is None:
            raise _no(self._name, 0, 0, "is empty", "`bartizan policy default` prints the shipped one.")
        return root

    def _node(self, event: Event, depth: int) -> Node:
        self._nodes += 1
        if self._nodes > MAX_NODES:
            raise self._at(event, f"has more than {MAX_NODES} values")
        if depth > MAX_DEPTH:
            raise self._at(event, f"is nested deeper than {MAX_DEPTH}")
        sort = type(event).__name__
        if sort == "AliasEvent" or event.anchor is not None:
            raise self._at(event, "anchors and aliases (`&name`, `*name`) are not used in policies", _QUOTE)
        if event.tag is not None:
            raise self._at(event, "tags (`!name`) are not used in policies", "Put a text that begins with ! in quotes.")
        mark = event.start_mark
        place = (mark.index, mark.line + 1, mark.column + 1)
        if sort == "ScalarEvent":
            if _HALF.search(event.value):  # It could be said to nobody: no encoding has it.
                raise self._at(event, "half of a character is escaped here (`\\ud83d`)", _WHOLE)
            return Text(str(event.value), event.style is None, place[0], event.end_mark.index, *place[1:])
        flow = bool(event.flow_style)
        if sort == "SequenceStartEvent":
            items: list[Node] = []
            for inner in self._events:
                if type(inner).__name__ == "SequenceEndEvent":
                    return List(tuple(items), flow, place[0], inner.end_mark.index, *place[1:])
                items.append(self._node(inner, depth + 1))
        members: list[tuple[Text, Node]] = []
        for inner in self._events:
            if type(inner).__name__ == "MappingEndEvent":
                return Map(tuple(members), flow, place[0], inner.end_mark.index, *place[1:])
            key = self._node(inner, depth + 1)
            if not isinstance(key, Text):
                raise self._at(inner, "a key is a name", "Put a text that begins with [ or { in quotes.")
            members.append((key, self._node(next(self._events), depth + 1)))
        raise self._at(event, "does not end")

    def _at(self, event: Event, what: str, hint: str = "") -> PolicyError:
        return _no(self._name, event.start_mark.line + 1, event.start_mark.column + 1, what, hint)


_HALF = re.compile("[\ud800-\udfff]")
_WHOLE = "JSON writes some characters as two escapes; in YAML one is written as it is, or as `\\U0001F600`."
_QUOTE = 'Write it out. A text that begins with * or & needs quotes: "*".'


def _as_problem(name: str, error: Any) -> PolicyError:  # Any: ruamel's errors have no types
    mark = error.problem_mark or error.context_mark
    line, column = (mark.line + 1, mark.column + 1) if mark else (0, 0)
    what = str(error.problem or error.context or "is not YAML").replace("\n", " ")
    hint = "Check indentation and quotes around here; a text with `: ` or ` #` in it needs quotes."
    if "\\t" in what:
        what, hint = "a tab stands here", "YAML is indented with spaces."
    elif "alias" in what:
        what, hint = "anchors and aliases (`&name`, `*name`) are not used in policies", _QUOTE
    return _no(name, line, column, what, hint)


def _no(name: str, line: int, column: int, what: str, hint: str = "") -> PolicyError:
    return PolicyError((Problem(name, line, column, what, hint),))
