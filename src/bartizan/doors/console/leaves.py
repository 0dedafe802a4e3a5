"""What a sealed text holds, part by part, as it was judged: the same readers take it apart again.

A gateway seals a request as its bytes came, a whole answer too; of a streamed answer the texts, by their paths. Other
doors seal a text, or a chat as JSON. What can no longer be taken apart is one part, and says so.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import orjson

from bartizan.core.errors import InputError
from bartizan.core.subject import Context, Part, Subject
from bartizan.exchange.body import Body
from bartizan.ledger.read import Record
from bartizan.readers import inference
from bartizan.readers.chat import chat, reply
from bartizan.readers.files import decode

MAX_QUOTES = 400_000  # Of a body that is taken apart: some 50,000 messages, half a second.
MAX_TOLD = 20_000  # Parts whose paths are made into those of a record, where a record's path holds a digest.

_SPEAKERS = {
    "system": "System",
    "user": "User",
    "assistant": "Assistant",
    "tool": "From a tool",
}
_TOP = {"system": "System prompt", "tools": "Tools", "functions": "Tools", "content": "Answer", "model": "Model's name"}
_FIRST = {"": 0, "system": 1, "messages": 2, "choices": 2, "content": 2, "tools": 3, "functions": 3}
_PART = re.compile(r"/(\d+)(?:/text)?")


@dataclass(frozen=True, slots=True)
class Leaf:
    """One text as it was judged. `whole` is whose turn it belongs to: its message, or the whole body."""

    path: str
    text: str
    role: str = ""
    whole: str = ""

    @property
    def heading(self) -> str:
        """Whose words these are, and where in the conversation."""
        group, _, number = self.whole.partition("/")
        if group == "messages":
            return f"{_SPEAKERS.get(self.role, self.role)}, message {int(number) + 1}"
        if group == "choices":
            return "Answer" if number == "0" else f"Answer {int(number) + 1}"
        return _TOP.get(group) or ("Other fields" if group else "Text")

    @property
    def label(self) -> str:
        """Which part of it; nothing for what a conversation mostly consists of."""
        rest = self.path.removeprefix("/" + self.whole) if self.whole else self.path
        rest = re.sub(r"^/(?:message|delta)(?=/)", "", rest)
        rest = rest.removeprefix("/content") if self.whole != "content" else rest
        if not rest or self.whole == self.path.removeprefix("/"):
            return ""
        part = _PART.fullmatch(rest)
        return f"part {int(part[1]) + 1}" if part else rest.removeprefix("/")


@dataclass(frozen=True, slots=True)
class Taken:
    """The parts of a text in the order a reader meets them. `trouble` says why there is only one."""

    leaves: tuple[Leaf, ...]
    trouble: str = ""


def taken_apart(record: Record, raw: bytes) -> Taken:
    """The parts of a sealed text, by the record of the decision about it."""
    if record.get("kind") != "chat" and not _of_a_model(record):
        return _text(record, raw)
    if raw.count(b'"') > MAX_QUOTES:
        return Taken((_plain(raw),), "It has too many parts to show them one by one, so that nothing in it is marked.")
    try:
        return Taken(tuple(_in_order(_chat(record, raw))))
    except InputError as error:
        return Taken((_plain(raw),), f"It cannot be read as what it was ({error.what}), so nothing in it is marked.")


def told_paths(wanted: Iterable[str], leaves: Iterable[Leaf], told: Mapping[str, str] | None = None) -> dict[str, int]:
    """Which leaf each path of a record means. `told` are records' paths of leaves that hold somebody's own words."""
    wanted = set(wanted)
    out: dict[str, int] = {}
    for n, leaf in enumerate(leaves):
        path = leaf.path if told is None else told.get(leaf.path, leaf.path)
        if path in wanted and path not in out:
            out[path] = n
    return out


# ---- Inside ---------------------------------------------------------------------------------------------------------


def _plain(raw: bytes) -> Leaf:
    return Leaf("", raw.decode("utf-8", "surrogateescape"))


def _text(record: Record, raw: bytes) -> Taken:
    if record.get("door") == "gateway":
        try:
            value = _json(raw)
        except InputError:
            value = None
        text = value.get("text") if isinstance(value, dict) else None
        return Taken((Leaf("", text) if isinstance(text, str) else _plain(raw),))
    if record.get("door") == "inspect":
        line = _of_a_line(record, raw)
        found = decode(raw) if line is None else None
        return Taken((Leaf("", line if line is not None else found.text if found else _plain(raw).text),))
    return Taken((_plain(raw),))


def _of_a_line(record: Record, raw: bytes) -> str | None:
    """The text of a JSON line, as `inspect --jsonl` judges many: one line, and every place of the record lies in it."""
    if raw[:1] != b"{" or b"\n" in raw.strip():
        return None
    try:
        value = _json(raw)
    except InputError:
        return None
    assert isinstance(value, dict)
    text = value.get("text")
    if not isinstance(text, str) or "messages" in value:
        return None
    ends = (place[2] for told in record.get("findings", ()) for place in told["places"])
    return text if max(ends, default=0) <= len(text) else None


def _chat(record: Record, raw: bytes) -> Iterator[Leaf]:
    value = _json(raw)
    answer = record.get("side") == "answer"
    if answer and isinstance(value, dict) and value and all(_is_path(path, text) for path, text in value.items()):
        yield from (_leaf(path, text, "assistant") for path, text in value.items())
        return
    number = Body(raw, value).number
    if _of_a_model(record) and isinstance(value, dict):
        subject = (inference.reply if answer else inference.question)(value, Context(), number)
    else:
        subject = reply(value, number=number) if answer else chat(value, number=number)
    seen: set[str] = set()
    for text in subject.walk():
        if isinstance(text.content, str):
            for path, one in _parts(text):
                if path not in seen:  # Texts that stand side by side are there twice: alone, and glued.
                    seen.add(path)
                    yield _leaf(path, one, text.role)


def _of_a_model(record: Record) -> bool:
    """Whether it is a question to a classical model, or its answer; other data are tables."""
    return record.get("kind") == "data" and record.get("door") == "gateway"


def _json(raw: bytes) -> object:
    """What a body says. That it says it in one way only was asked before it was judged; here it would cost as much."""
    try:
        return orjson.loads(raw)
    except ValueError:
        raise InputError("it is not JSON") from None


def _is_path(path: str, text: object) -> bool:
    return path.startswith("/") and isinstance(text, str)


def _parts(text: Subject) -> Iterator[tuple[str, str]]:
    content = text.content
    assert isinstance(content, str)
    for part in text.parts or (Part(text.path, 0, len(content)),):
        yield part.path, content[part.at : part.at + part.size]


def _leaf(path: str, text: str, role: str) -> Leaf:
    names = path.partition("#")[0].split("/", 3)[1:]
    top = names[0] if names else ""
    whole = "/".join(names[:2]) if top in ("messages", "choices") and len(names) > 1 and names[1].isdecimal() else top
    return Leaf(path, text, role, whole)


def _in_order(leaves: Iterable[Leaf]) -> list[Leaf]:
    """As a conversation is read: what the system says, the messages, then everything else."""
    return sorted(leaves, key=lambda leaf: rank(leaf.path))


def rank(path: str) -> tuple[object, ...]:
    """Where a path stands when all are read in order; also one of a record, in which words are digests."""
    names = path.split("/", 4)
    top = names[1] if len(names) > 1 else ""
    number = int(names[2]) if len(names) > 2 and len(names[2]) < 10 and names[2].isdecimal() else -1
    # Of a message first what it says, then its name, its tool calls.
    said = "content" in names[3:]
    return _FIRST.get(top, 4), number, not said, _steps(path) if path.count("/") > 3 else ((1, 0, path),)


def _steps(path: str) -> tuple[object, ...]:
    """Numbers in their order: part 10 comes after part 9."""
    return tuple(
        (0, int(name), "") if name.isdecimal() and len(name) < 10 else (1, 0, name) for name in path.split("/")
    )
