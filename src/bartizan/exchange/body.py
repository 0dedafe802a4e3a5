"""A JSON body as its bytes and its value, and splices into those bytes: only what is edited is rewritten.

Nothing is located until an edit asks for it. Then the value is walked in document order beside the string tokens of
the bytes; the n-th string of one is the n-th of the other, since no key stands twice. Offsets within a text are mapped
through its escapes, so that even an edited text keeps its own spelling around the edit. JSON inside a string is the
same again, one level down.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import count, islice

import orjson

from bartizan.core.decision import Edit, apply_edits, merged
from bartizan.core.errors import InputError
from bartizan.readers.chat import segment
from bartizan.readers.strict_json import loads

_STRING = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)
_BRACKET = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"|[{}\[\]]', re.DOTALL)
_SCALAR = re.compile(rb"[^\s\[\]{},:]+")
_ESCAPE = re.compile(rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|.)")


@dataclass(frozen=True, slots=True)
class Body:
    """A JSON text: its bytes as given, and what they say."""

    raw: bytes
    value: object
    _written: dict[str, str] = field(default_factory=dict, init=False, repr=False, compare=False)

    def number(self, path: str) -> str:
        """A number as it is written; what a reader made of it may have lost digits. All are found at the first one."""
        if not self._written:
            self._written.update(_figures(json.loads(self.raw, parse_float=_Figure, parse_int=_Figure)))
        if path not in self._written:
            raise InputError("no such number in the body", path)
        return self._written[path]


class _Figure(str):
    """A number as it is written."""

    __slots__ = ()


def _figures(value: object, path: str = "") -> Iterator[tuple[str, str]]:
    """All numbers of a value with their paths, in one pass: a body may hold half a million."""
    below: Iterable[tuple[str, object]] = ()
    if isinstance(value, dict):
        below = ((segment(key, i), item) for i, (key, item) in enumerate(value.items()))
    elif isinstance(value, list):
        below = ((str(i), item) for i, item in enumerate(value))
    for name, item in below:
        if type(item) is _Figure:
            yield f"{path}/{name}", str(item)
        elif isinstance(item, dict | list):
            yield from _figures(item, f"{path}/{name}")


def read_body(raw: bytes) -> Body:
    """A request or answer body: one JSON object that can be read in one way only.

    Raises:
        InputError: not JSON, not an object, invalid UTF-8, a lone surrogate, a duplicate key.
        LimitError: deeper than 200, more than 1,000,000 tokens.
    """
    value = loads(raw)
    if type(value) is not dict:
        raise InputError("the body is not a JSON object")
    return Body(raw, value)


def splice(body: Body, edits: Iterable[Edit], without: Iterable[str] = ()) -> bytes:
    """The bytes with every edit made and the values at the paths `without` set to null; all else byte for byte.

    A number with an edit becomes a string. Raises InputError for a path that is not in the body.
    """
    out, at = [], 0
    for start, end, new in sorted(_replacements(body, list(edits), list(without))):
        out += [body.raw[at:start], new]
        at = end
    return b"".join([*out, body.raw[at:]])


def _replacements(body: Body, edits: list[Edit], without: list[str]) -> Iterator[tuple[int, int, bytes]]:
    by_path: dict[str, list[Edit]] = {}
    for edit in edits:
        outer, inner = _cut(edit.path)
        if not any(outer == path or outer.startswith(path + "/") for path in without):
            by_path.setdefault(outer, []).append(edit if not inner else _inside(edit, inner))
    places = located(body, [*by_path, *without])
    taken: dict[str, set[str]] = {}
    for path in without:
        yield (*places[path], b"null")
    for path, mine in by_path.items():
        start, end = places[path]
        if body.raw[start] in b"{[":
            raise InputError("only a text, a key or a number can be edited", path)
        if body.raw[start] != ord('"'):
            text = body.raw[start:end].decode()
            yield start, end, orjson.dumps(apply_edits(text, mine))
            continue
        token = body.raw[start + 1 : end - 1]
        changes = list(_changes(token, mine))
        if path.endswith("#key"):
            changes = _apart(changes, orjson.loads(body.raw[start:end]), path, body.value, taken)
        offsets = byte_offsets(token, [place for begin, stop, _ in changes for place in (begin, stop)])
        for i, (_, _, mark) in enumerate(changes):
            yield start + 1 + offsets[2 * i], start + 1 + offsets[2 * i + 1], orjson.dumps(mark)[1:-1]


def _cut(path: str) -> tuple[str, str]:
    """The path of the outermost string, and what is meant inside of it; `#key` means the key itself."""
    outer, _, inner = path.partition("#")
    if not _ or inner == "key":
        return path, ""
    return outer, "#" + inner


def _inside(edit: Edit, inner: str) -> Edit:
    return Edit(inner, edit.start, edit.end, edit.how, edit.mark)


def _changes(token: bytes, edits: list[Edit]) -> Iterator[tuple[int, int, str]]:
    """What to replace in the text of a string token: its own edits, and those in the JSON that it holds."""
    deep = [Edit(e.path[1:], e.start, e.end, e.how, e.mark) for e in edits if e.path.startswith("#")]
    if not deep:
        yield from ((e.start, e.end, e.mark) for e in merged(edits))
        return
    if len(deep) != len(edits):
        raise InputError("a text was edited both as a text and as JSON", edits[0].path)
    yield from nested_changes(orjson.loads(b'"' + token + b'"'), deep)


def nested_changes(text: str, edits: list[Edit]) -> Iterator[tuple[int, int, str]]:
    """Edits in a JSON text, as (start, end, replacement) of the text's code points, in order."""
    raw = text.encode()
    for start, end, new in sorted(_replacements(Body(raw, loads(raw)), edits, [])):
        yield len(raw[:start].decode()), len(raw[:end].decode()), new.decode()


def _apart(
    changes: list[tuple[int, int, str]], key: str, path: str, value: object, taken: dict[str, set[str]]
) -> list[tuple[int, int, str]]:
    """The same, with a number where two keys of one object would become one: then a reader would drop a member."""
    parent = path.rpartition("/")[0]
    if parent not in taken:
        taken[parent] = set(_at(value, parent))
    taken[parent].discard(key)
    begin, end, mark = changes[-1]
    for n in count(1):
        last = (begin, end, mark if n == 1 else f"{mark} {n}")
        new, at = "", 0
        for start, stop, replacement in (*changes[:-1], last):
            new, at = new + key[at:start] + replacement, stop
        if new + key[at:] not in taken[parent]:
            taken[parent].add(new + key[at:])
            return [*changes[:-1], last]
    raise AssertionError("numbers do not end")


def _at(value: object, pointer: str) -> dict[str, object]:
    """The object that a pointer without JSON in strings leads to."""
    for step in pointer.split("/")[1:]:
        if isinstance(value, list):
            value = value[int(step)]
        elif isinstance(value, dict):
            value = list(value.values())[int(step[1:])] if step.startswith("@") else value[step]
    assert isinstance(value, dict)
    return value


def byte_offsets(token: bytes, places: list[int]) -> list[int]:
    """Where the code points `places` (ascending) of a JSON string begin in its token, quotes not counted."""
    if b"\\" not in token:
        if token.isascii():
            return places
        text = token.decode()
        return [len(text[:place].encode()) for place in places]
    out: list[int] = []
    points = at = 0
    for escape in [*_ESCAPE.finditer(token), None]:
        text = token[at : escape.start() if escape else len(token)].decode()
        while len(out) < len(places) and places[len(out)] <= points + len(text):
            out.append(at + len(text[: places[len(out)] - points].encode()))
        if escape is None or len(out) == len(places):
            break
        points, at = points + len(text) + 1, escape.end()
    return out


@dataclass(slots=True)
class _Wanted:
    """A node of the paths asked for: what is wanted here, and below."""

    path: str = ""
    key: str = ""
    below: dict[str, _Wanted] = field(default_factory=dict)


def located(body: Body, paths: Iterable[str]) -> dict[str, tuple[int, int]]:
    """The byte range of every path: of a string with its quotes, of a key (`…#key`), a number, an object, a list.

    Raises:
        InputError: a path is not in the body.
    """
    root = _Wanted()
    paths = list(paths)
    for path in paths:
        pointer, _, key = path.partition("#")
        node = root
        for name in pointer.split("/")[1:]:
            node = node.below.setdefault(name, _Wanted())
        if key:
            node.key = path
        else:
            node.path = path
    finder = _Finder()
    finder.visit(body.value, root)
    found = dict(_ranges(body.raw, finder.found))
    for path in paths:
        if path not in found:
            raise InputError("no such place in the body", path)
    return found


class _Finder:
    """Counts string tokens, and scalars since the last one, until it comes by what is wanted."""

    def __init__(self) -> None:
        self.strings = self.scalars = self.opened = 0
        self.found: list[tuple[int, str, str, int]] = []  # last string before (or at) it, path, sort, how many after

    def visit(self, value: object, wanted: _Wanted) -> None:
        if wanted.path:
            self._note(value, wanted.path)
        if type(value) is dict:
            self.opened += 1
            for i, (key, item) in enumerate(value.items()):
                self.strings += 1
                self.scalars = self.opened = 0
                node = wanted.below.get(segment(key, i))
                if node is None:
                    self.skip(item)
                    continue
                if node.key:
                    self.found.append((self.strings - 1, node.key, "string", 0))
                self.visit(item, node)
        elif type(value) is list:
            self.opened += 1
            for i, item in enumerate(value):
                node = wanted.below.get(str(i))
                if node is None:
                    self.skip(item)
                else:
                    self.visit(item, node)
        else:
            self.skip(value)

    def skip(self, value: object) -> None:
        if type(value) is str:
            self.strings += 1
            self.scalars = self.opened = 0
        elif type(value) is dict:
            self.opened += 1
            for item in value.values():
                self.strings += 1
                self.scalars = self.opened = 0
                self.skip(item)
        elif type(value) is list:
            self.opened += 1
            for item in value:
                self.skip(item)
        else:
            self.scalars += 1

    def _note(self, value: object, path: str) -> None:
        if type(value) is str:
            self.found.append((self.strings, path, "string", 0))
        elif type(value) is dict or type(value) is list:
            self.found.append((self.strings - 1, path, "container", self.opened))
        else:
            self.found.append((self.strings - 1, path, "scalar", self.scalars))


def _ranges(raw: bytes, found: list[tuple[int, str, str, int]]) -> Iterator[tuple[str, tuple[int, int]]]:
    found.sort(key=lambda one: (one[0], one[3]))
    tokens, at = _STRING.finditer(raw), -1
    scalars, passed = _SCALAR.finditer(raw), 0  # those after that string, and how many of them have been passed
    token: re.Match[bytes] | None = None
    for index, path, sort, after in found:
        if index > at:
            token = next(islice(tokens, index - at - 1, None))
            at = index
            scalars, passed = _SCALAR.finditer(raw, token.end()), 0
        end = token.end() if token else 0
        if sort == "string":
            assert token is not None
            yield path, token.span()
        elif sort == "scalar":
            yield path, next(islice(scalars, after - passed, None)).span()
            passed = after + 1
        else:
            yield path, _container(raw, end, after)


def _container(raw: bytes, start: int, nth: int) -> tuple[int, int]:
    """The range of the n-th container that opens after `start`."""
    depth = begin = opened = 0
    for token in _BRACKET.finditer(raw, start):
        if token[0] in b"{[":
            if opened == nth:
                begin, depth = token.start(), 0
            opened += 1
            depth += 1
        elif token[0] in b"}]":
            depth -= 1
            if opened > nth and depth == 0:
                return begin, token.end()
    raise InputError("an object has no end")
