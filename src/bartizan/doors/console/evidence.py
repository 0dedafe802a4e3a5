"""The evidence for a decision: the text itself, with what was found in it marked and numbered.

Four views of one text: as it was sent, as a reader sees it (look-alikes as the letters they stand for), what was passed
on after the edits, and the bytes as they came. A long text shows the passages with findings and two lines around each;
what lies between is a link away. Everything is bounded: whoever sent the text decides how long this page is to load.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from markupsafe import Markup

from bartizan.core.decision import Edit, How, merged
from bartizan.core.finding import Severity
from bartizan.doors.console.leaves import MAX_TOLD, Leaf, Taken, rank, taken_apart, told_paths
from bartizan.doors.console.marking import Span, marked
from bartizan.doors.console.visible import Room, as_read
from bartizan.ledger.entry import told_path
from bartizan.ledger.read import Record
from bartizan.rules.risks import catalogue
from bartizan.vault import Vault

MAX_HTML = 36_000  # Characters of one side's text in a page, where it is the only one.
MAX_NOTES = 60  # Findings that are shown; of more, the most severe.
MAX_PLACES = 20  # Places of one finding that are marked.
SHORT = 6_000  # A text up to this many code points is shown whole.
LINES = 2  # Around a finding.
LINE = 240  # Code points that count as a line where there is no end of one.
APART = 300  # Passages with less than that between them are one.
MAX_BECAUSE = 200  # Code points of a finding's reason.
LONGEST = 4_000  # Code points of a passage. A finding that covers more shows its beginning and its end.


class View(StrEnum):
    """How a text is looked at."""

    SENT = "sent"
    READER = "reader"
    PASSED = "passed"
    RAW = "raw"


@dataclass(frozen=True, slots=True)
class Note:
    """A finding beside the text, or what nobody could look for (`number` 0)."""

    number: int
    title: str
    risk: str
    detector: str
    because: str
    severity: str = ""
    confidence: float = 0.0
    tone: str = "m4"
    places: tuple[str, ...] = ()
    more: int = 0  # places that are not named
    marked: bool = False
    finding: int = -1  # which of the record's it is

    @property
    def level(self) -> int:
        """How bad it is if it is true, 0 to 4."""
        return int(Severity[self.severity.upper()]) if self.severity else 0


@dataclass(frozen=True, slots=True)
class Piece:
    """A passage, and what is left out after it: so many lines and characters, from `at` on ("" where nothing is)."""

    html: Markup
    at: str = ""
    lines: int = 0
    size: int = 0


@dataclass(frozen=True, slots=True)
class Block:
    """A part of the text, under the words of whose it is."""

    heading: str
    label: str
    pieces: tuple[Piece, ...]


@dataclass(frozen=True, slots=True)
class Evidence:
    """One side of an exchange, in one view.

    `sealed`: nobody has opened the text yet, and it can be. `gone`: why there is none to open. `said`: what else a
    reader has to know, in sentences. `parts` is how many there are, `shown` how many of them are here.
    """

    side: str
    view: View
    blocks: tuple[Block, ...] = ()
    notes: tuple[Note, ...] = ()
    found: int = 0
    said: tuple[str, ...] = ()
    sealed: bool = False
    gone: str = ""
    parts: int = 0
    shown: int = 0
    labels: Mapping[View, str] = field(default_factory=dict)


def evidence(
    record: Record,
    body: bytes | None,
    view: View,
    vault: Vault,
    *,
    gone: str = "",
    first: int = 1,
    at: str = "",
    whole: bool = False,
    taken: Taken | None = None,
    share: int = 1,
) -> Evidence:
    """One side of an exchange.

    Args:
        body: The opened text; None: it was not opened, or there is none.
        gone: Why an opened text is not there.
        first: The number of its first finding.
        at: Where to go on reading, as a `Piece` says it: only what follows is shown.
        whole: All of the text, not its passages alone.
        taken: Its parts, where they are known from another view.
        share: Among how many sides a page's room is divided.
    """
    side = record["side"]
    labels = {
        View.SENT: "As sent" if side != "answer" else "As answered",
        View.READER: "As a reader sees it",
        View.PASSED: "What the person would get" if side == "answer" else "What the model would get",
        View.RAW: "Raw JSON" if record.get("kind") == "chat" else "Raw text",
    }
    notes = tuple(_note(*one, n) for n, one in enumerate(_found(record, MAX_NOTES // share), first))
    if body is None:
        there = "bodies" in record and not gone
        why = gone or ("" if there else _not_kept(record))
        told = tuple(note for note, _ in notes) + _unread(record)
        return Evidence(side, view, (), told, _count(record), (), there, why, labels=labels)
    if view is View.RAW:
        told = tuple(note for note, _ in notes) + _unread(record)
        blocks = _raw(body, at, MAX_HTML // share)
        return Evidence(side, view, blocks, told, _count(record), (), parts=1, shown=1, labels=labels)
    taken = taken or taken_apart(record, body)
    spans, placed = _spans(notes, taken, vault)
    edits = _edits(record, taken, vault) if view is View.PASSED else {}
    reading = _Reading(taken.leaves, spans, edits, view, MAX_HTML // share)
    blocks, shown = reading.blocks(at, whole)
    return Evidence(
        side,
        view,
        blocks,
        placed + _unread(record),
        _count(record),
        tuple(filter(None, [taken.trouble, _passed(record) if view is View.PASSED else ""])),
        parts=reading.parts,
        shown=shown,
        labels=labels,
    )


# ---- Findings -------------------------------------------------------------------------------------------------------

_TONES = {"critical": "m1", "high": "m1", "medium": "m2", "low": "m3", "info": "m4"}
_RANKS = {severity.name.lower(): int(severity) for severity in Severity}

Told = Mapping[str, Any]  # a finding as a record says it


def _found(record: Record, most: int) -> list[tuple[int, Told]]:
    """The most severe findings, each with its number in the record, in the order of the text."""
    found = list(enumerate(record.get("findings", ())))
    if len(found) > most:
        found.sort(key=lambda one: (-_RANKS.get(one[1]["severity"], 0), -float(one[1]["confidence"])))
        del found[most:]
    found.sort(key=lambda one: _first(one[1]))
    return found


def _first(told: Told) -> tuple[object, ...]:
    """Where a finding begins; what has no place comes last."""
    if not told["places"]:
        return (True,)
    path, start, end = told["places"][0]
    return False, rank(path), start, -end, -_RANKS.get(told["severity"], 0), told["risk"]


def _count(record: Record) -> int:
    return len(record.get("findings", ()))


def _note(index: int, told: Told, number: int) -> tuple[Note, Told]:
    risk = catalogue().get(told["risk"])
    places = [place_in_words(*place) for place in told["places"][:3]]
    note = Note(
        number,
        risk.title if risk else told["risk"],
        told["risk"],
        told["detector"],
        _bounded(told["because"]),
        told["severity"],
        float(told["confidence"]),
        _TONES.get(told["severity"], "m4"),
        tuple(filter(None, places)),
        max(0, len(told["places"]) - 3),
        finding=index,
    )
    return note, told


def _bounded(sentence: str) -> str:
    return sentence if len(sentence) <= MAX_BECAUSE else sentence[: MAX_BECAUSE - 1] + "…"


def place_in_words(path: str, start: int, end: int) -> str:
    """A place as a page says it where the text itself is sealed: where, from which character to which."""
    where = path.removeprefix("/").replace("/", " › ")
    if start == end:
        return where
    span = f"characters {start:,} to {end:,}"
    return f"{where}, {span}" if where else span


def _unread(record: Record) -> tuple[Note, ...]:
    return tuple(
        Note(0, "Could not be examined", ", ".join(told["risks"][:4]), told["detector"], _bounded(told["why"]))
        for told in record.get("failures", ())[:MAX_PLACES]
    )


def _not_kept(record: Record) -> str:
    if record.get("unkept"):
        return "The text was not kept: the disk was full."
    if record.get("findings"):
        return "The text was not kept: the policy says so (bodies: none)."
    return "The text was not kept: nothing was found in it."


def _passed(record: Record) -> str:
    """What became of it, for the view of what was passed on."""
    whom = "the person" if record["side"] == "answer" else "the model"
    if record["action"] in ("justify", "review", "block"):
        edited = " This is what would have been, with the edits made." if record.get("edits") else ""
        return f"Nothing of this reached {whom}: it was stopped.{edited}"
    if not record.get("edits"):
        return f"Nothing was changed: {whom} got it as it is."
    return ""


def _spans(
    notes: Iterable[tuple[Note, Told]], taken: Taken, vault: Vault
) -> tuple[dict[int, list[Span]], tuple[Note, ...]]:
    """What to mark in which part; and the findings again, which say whether they are marked."""
    notes = tuple(notes)
    at = _leaves_at({place[0] for _, told in notes for place in told["places"][:MAX_PLACES]}, taken, vault)
    spans: dict[int, list[Span]] = {}
    out = []
    for note, told in notes:
        there = False
        for path, start, end in told["places"][:MAX_PLACES]:
            leaf = at.get(path)
            size = len(taken.leaves[leaf].text) if leaf is not None else 0
            if leaf is not None and start < min(end, size):
                spans.setdefault(leaf, []).append(Span(start, min(end, size), note.number, note.tone, note.level))
                there = True
        out.append(replace(note, marked=there))
    return spans, tuple(out)


def _leaves_at(paths: set[str], taken: Taken, vault: Vault) -> dict[str, int]:
    """Which part each path of a record means. Only where one holds a digest, paths are digested to compare them."""
    if taken.trouble:
        return {}
    told = None
    if any("*" in path for path in paths):
        told = {leaf.path: told_path(leaf.path, vault) for leaf in taken.leaves[:MAX_TOLD]}
    return told_paths(paths, taken.leaves, told)


def _edits(record: Record, taken: Taken, vault: Vault) -> dict[int, list[Edit]]:
    edits = record.get("edits", ())
    at = _leaves_at({edit[0] for edit in edits}, taken, vault)
    out: dict[int, list[Edit]] = {}
    for path, start, end, how, mark in edits:
        leaf = at.get(path)
        if leaf is not None and start <= end <= len(taken.leaves[leaf].text):
            out.setdefault(leaf, []).append(Edit(path, start, end, How(how), mark))
    return {leaf: merged(some) for leaf, some in out.items()}


# ---- The text -------------------------------------------------------------------------------------------------------


_HALVES = "".join(map(chr, range(0xDC80, 0xDD00)))


def _raw(body: bytes, at: str, size: int) -> tuple[Block, ...]:
    begin = _at(at)[1]
    text = body[begin : begin + size].decode("utf-8", "surrogateescape")
    if begin + size < len(body):  # Up to three bytes of a character whose rest comes later.
        text = text[:-3] + text[-3:].rstrip(_HALVES)
    made, taken = Room(size).put(text)
    read = len(text[:taken].encode("utf-8", "surrogateescape"))
    rest = len(body) - begin - read
    piece = Piece(made, f"0.{begin + read}" if rest > 0 else "", 0, max(0, rest))
    return (Block("From the beginning" if not begin else f"From byte {begin:,}", "", (piece,)),)


def _at(text: str) -> tuple[int, int]:
    """Leaf and offset, as a link says them; the beginning for anything else."""
    leaf, _, offset = text.partition(".")
    if len(text) < 24 and leaf.isascii() and leaf.isdigit() and offset.isascii() and offset.isdigit():
        return int(leaf), int(offset)
    return 0, 0


class _Reading:
    """The parts of a text on their way into a page, until it is full."""

    def __init__(
        self,
        leaves: Sequence[Leaf],
        spans: Mapping[int, list[Span]],
        edits: Mapping[int, list[Edit]],
        view: View,
        size: int,
    ) -> None:
        self._leaves, self._spans, self._edits, self._view = leaves, spans, edits, view
        self._room = Room(size)

    @property
    def parts(self) -> int:
        """How many there are that say something."""
        return sum(map(self._tells, range(len(self._leaves))))

    def blocks(self, at: str, whole: bool) -> tuple[tuple[Block, ...], int]:
        """What is shown, and how many parts that is."""
        if at:
            first, begin = _at(at)
            wanted = [(n, [(begin if n == first else 0, len(self._leaves[n].text))]) for n in self._from(first)]
        elif whole or sum(len(leaf.text) for leaf in self._leaves) <= SHORT:
            wanted = [(n, [(0, len(leaf.text))]) for n, leaf in enumerate(self._leaves) if whole or self._tells(n)]
        else:
            wanted = [(n, self._passages(n)) for n in self._interesting()]
        out: list[Block] = []
        shown = 0
        before = ""
        for n, passages in wanted:
            if self._room.left <= 0:
                break
            leaf = self._leaves[n]
            heading = leaf.heading if leaf.whole != before or not out else ""
            before = leaf.whole
            out.append(Block(heading, leaf.label, tuple(self._pieces(n, passages))))
            shown += 1
        return tuple(out), shown

    def _from(self, first: int) -> Iterable[int]:
        return range(min(first, len(self._leaves)), len(self._leaves))

    def _tells(self, n: int) -> bool:
        """Whether a part says more than a page's facts: not the model's mere name."""
        return self._leaves[n].whole != "model" or n in self._spans or n in self._edits

    def _interesting(self) -> list[int]:
        """The parts with something in them; where there are none, those that a conversation begins with."""
        touched = sorted({*self._spans, *self._edits})
        return touched or [n for n in range(min(len(self._leaves), 20)) if self._tells(n)]

    def _passages(self, n: int) -> list[tuple[int, int]]:
        """Where something is, with lines around it; neighbours as one."""
        text = self._leaves[n].text
        places = [(span.start, span.end) for span in self._spans.get(n, ())]
        places += [(edit.start, edit.end) for edit in self._edits.get(n, ())]
        out: list[tuple[int, int]] = []
        for start, end in sorted(places) or [(0, 0)]:
            halves = [(start, end)] if end - start <= LONGEST else [(start, start + 1000), (end - 300, end)]
            for half in halves:
                begin, stop = _lines_before(text, half[0]), _lines_after(text, half[1])
                if out and begin - out[-1][1] < APART:
                    out[-1] = out[-1][0], max(stop, out[-1][1])
                else:
                    out.append((begin, stop))
        if out and len(text) - out[-1][1] < APART:
            out[-1] = out[-1][0], len(text)
        if out and out[0][0] < APART:
            out[0] = 0, out[0][1]
        return out

    def _pieces(self, n: int, passages: Sequence[tuple[int, int]]) -> Iterable[Piece]:
        text = self._leaves[n].text
        spans, edits = self._spans.get(n, []), self._edits.get(n, [])
        if passages and passages[0][0] > 0:
            yield _gap(text, n, 0, passages[0][0])
        for i, (start, end) in enumerate(passages):
            show = as_read if self._view is View.READER else None
            made, stop = marked(text, start, end, spans, edits, self._room, show)
            after = passages[i + 1][0] if i + 1 < len(passages) and stop >= end else len(text)
            if stop < after:
                gap = _gap(text, n, stop, after)
                yield replace(gap, html=made)
            else:
                yield Piece(made)
            if stop < end:
                return


def _gap(text: str, leaf: int, start: int, end: int) -> Piece:
    return Piece(Markup(""), f"{leaf}.{start}", text.count("\n", start, end), end - start)


def _lines_before(text: str, place: int) -> int:
    for _ in range(LINES + 1):
        begin = text.rfind("\n", max(0, place - LINE), place)
        if begin < 0:
            return max(0, place - LINE)
        place = begin
    return place + 1


def _lines_after(text: str, place: int) -> int:
    for _ in range(LINES + 1):
        end = text.find("\n", place, place + LINE)
        if end < 0:
            return min(len(text), place + LINE)
        place = end + 1
    return place
